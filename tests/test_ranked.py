"""The continuous ranked probability score against reference values and its definition."""

import itertools

import numpy as np
import pytest
from scipy import integrate, stats

from workbench import information
from workbench.errors import DataError


@pytest.mark.parametrize(
    ("distribution", "y", "value"),
    [
        (stats.norm(0.2, 1.5), 1.3, 0.6586737414),
        (stats.gamma(2), 1.3, 0.3487098340),
        (stats.poisson(4), 3, 0.5856971772),
        (stats.t(5), 1.3, 0.8127224949),
    ],
)
def test_crps_has_the_reference_values(distribution, y, value):
    assert information.crps(distribution, y) == pytest.approx(value, abs=1e-10)


@pytest.mark.parametrize("distribution", [stats.expon(), stats.poisson(2.5), stats.binom(4, 0.3)])
@pytest.mark.parametrize("y", [-1.5, 0.0, 0.7, 3.0, 60.0])
def test_crps_is_its_integral(distribution, y):
    def squared(x):
        return (distribution.cdf(x) - (x >= y)) ** 2

    edges = np.unique(np.append(np.arange(-2.0, 62.0), y))
    pieces = [integrate.quad(squared, a, b - 1e-12)[0] for a, b in itertools.pairwise(edges)]
    assert information.crps(distribution, y) == pytest.approx(sum(pieces), rel=1e-8)


def test_the_log_score_and_crps_may_rank_otherwise():
    """Of t(3) data the narrower normal has the lower CRPS, and the higher cross-entropy."""
    wide, narrow = stats.norm(0, np.sqrt(3)), stats.norm(0, 1.35)
    y = stats.t(3).ppf((np.arange(2000) + 0.5) / 2000)
    assert information.crps(narrow, y).mean() < information.crps(wide, y).mean()
    assert -narrow.logpdf(y).mean() > -wide.logpdf(y).mean()


def test_what_has_no_score_is_refused():
    with pytest.raises(DataError, match="needs a finite expected value"):
        information.crps(stats.cauchy(), 1.0)
    with pytest.raises(DataError, match="one distribution of one number"):
        information.crps(stats.norm([0.0, 1.0]), 1.0)
