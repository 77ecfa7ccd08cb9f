"""Bands hold a perfect model as often as they say; coverage and reliability are what SciPy says."""

import numpy as np
import pytest
from scipy import stats

from workbench import information
from workbench.errors import DataError
from workbench.information import bands

GRID = np.linspace(0.005, 0.995, 100)
SAMPLES = 2000


@pytest.mark.parametrize("rows", [100, 1000])
def test_a_perfect_sample_stays_inside_the_band_in_95_percent(rows):
    u = np.sort(np.random.default_rng(51).random((SAMPLES, rows)), axis=1)
    ranks = np.round(GRID * rows + 0.5).astype(int)
    drawn = u[:, ranks - 1]
    lower, upper = information.quantile_band(rows, (ranks - 0.5) / rows)
    inside = ((drawn >= lower) & (drawn <= upper)).all(axis=1).mean()
    # Three binomial errors of these samples and of those behind the band, .0049 and .0069.
    assert inside == pytest.approx(0.95, abs=3 * np.hypot(0.0049, 0.0069))


def test_a_single_point_is_the_order_statistics_own_law():
    lower, upper = information.quantile_band(99, [0.5])
    law = stats.beta(50, 50)
    assert law.cdf(lower[0]) == pytest.approx(0.025, abs=3 * 0.0069 / 2)  # of its simulation
    assert law.sf(upper[0]) == pytest.approx(law.cdf(lower[0]), rel=1e-9)


def test_a_band_ends_where_probabilities_do():
    with pytest.raises(DataError, match="strictly between 0 and 1"):
        information.quantile_band(100, [0.0, 0.5])


def test_coverage_is_a_binomial_share():
    u = np.array([0.05, 0.2, 0.3, 0.5, 0.7, 0.8, 0.99, 0.6])
    found = information.interval_coverage(u, 0.5)
    assert found.value == 4 / 8  # .3, .5, .7, .6 lie between .25 and .75
    assert found.se == pytest.approx(np.sqrt(0.25 / 7))
    assert found.unit == "share of rows"
    every = information.interval_coverage(u, 0.99)
    assert every.value == 1.0
    assert every.se == pytest.approx(np.sqrt(0.99 * 0.01 / 8))  # of a model that is right


def test_the_coverage_of_a_count_is_exact_on_average():
    rng = np.random.default_rng(52)
    y = rng.poisson(1.3, 40_000)
    below, at = stats.poisson.cdf(y - 1, 1.3), stats.poisson.cdf(y, 1.3)
    u = information.probability_integral_transform(below, at, rng)
    for level in (0.5, 0.8, 0.95):
        found = information.interval_coverage(u, level)
        assert abs(found.value - level) < 4 * found.se


def test_recalibration_is_the_best_rising_fit():
    p = np.array([0.1, 0.2, 0.2, 0.4, 0.6, 0.9])
    y = np.array([0, 1, 0, 0, 1, 1])
    # by hand: the half at .2 is above the none at .4, so they are pooled to a third
    np.testing.assert_allclose(
        information.recalibrated(p, y), [0, 1 / 3, 1 / 3, 1 / 3, 1, 1], rtol=1e-12
    )
    weighted = information.recalibrated(p, y, [1, 1, 1, 3, 1, 1])
    np.testing.assert_allclose(weighted, [0, 0.2, 0.2, 0.2, 1, 1], rtol=1e-12)


def test_recalibration_of_what_is_not_binary_is_refused():
    with pytest.raises(DataError, match="outcomes of 0 and 1"):
        information.recalibrated([0.1, 0.2], [0, 2])


def test_the_consistency_band_holds_the_true_model_point_by_point():
    rng = np.random.default_rng(53)
    p = rng.beta(2, 3, 500)
    at = np.array([0.2, 0.4, 0.6])
    lower, upper = information.reliability_band(p, at)
    order = np.argsort(p)
    inside = []
    for _ in range(400):
        share = information.recalibrated(p, rng.random(500) < p)
        drawn = np.interp(at, p[order], share[order])
        inside.append((drawn >= lower) & (drawn <= upper))
    # Four errors of 400 samples, and of the two quantiles of 200 that are the band.
    allowed = 4 * np.hypot(np.sqrt(0.95 * 0.05 / 400), np.sqrt(2 * 0.025 * 0.975 / 200))
    np.testing.assert_allclose(np.mean(inside, axis=0), 0.95, atol=allowed)
    overconfident = np.clip(3.0 * (p - 0.4) + 0.4, 0.01, 0.99)
    share = information.recalibrated(overconfident, rng.random(500) < p)
    low, high = information.reliability_band(overconfident, [0.1, 0.8])
    order = np.argsort(overconfident)
    drawn = np.interp([0.1, 0.8], overconfident[order], share[order])
    assert drawn[0] > high[0]
    assert drawn[1] < low[1]


def test_bands_are_the_same_in_every_run():
    first = information.quantile_band(100, GRID)
    bands._local_level.cache_clear()
    np.testing.assert_array_equal(first, information.quantile_band(100, GRID))
