"""Limits for several differences at once, against Dunnett's (1964) published tables."""

import numpy as np
import pytest
from scipy import linalg

from workbench.errors import DataError
from workbench.information import simultaneous_limit, simultaneous_z

MONTE_CARLO = 0.015  # of 200,000 draws, three standard errors


def with_a_control(rivals, units):
    """Differences from one control of as variable rivals: every correlation is one half."""
    columns = np.random.default_rng(0).normal(size=(units, rivals + 1))
    basis = linalg.qr(np.column_stack([np.ones(units), columns]), mode="economic")[0]
    control, *others = basis[:, 1:].T
    return np.array([other - control for other in others])


@pytest.mark.parametrize(
    ("rivals", "units", "published"), [(2, 400, 2.21), (3, 400, 2.35), (2, 11, 2.57), (3, 11, 2.76)]
)
def test_equal_rivals_of_one_control_have_dunnetts_limit(rivals, units, published):
    found = simultaneous_limit(with_a_control(rivals, units))
    assert found == pytest.approx(published, abs=0.005 + MONTE_CARLO)


def test_one_difference_told_twice_needs_no_more_than_one():
    d = np.random.default_rng(1).normal(size=500)
    assert simultaneous_limit([d, 3 * d]) == pytest.approx(simultaneous_z(1), abs=MONTE_CARLO)
    assert simultaneous_limit([d]) == simultaneous_z(1)


def test_it_is_never_wider_than_bonferronis():
    d = np.random.default_rng(2).normal(size=(5, 300))
    assert simultaneous_limit(d) <= simultaneous_z(5)
    assert simultaneous_limit([d[0], 0 * d[0]]) == simultaneous_z(2)  # no correlation is known
    assert simultaneous_limit([d[0], d[1] + np.inf]) == simultaneous_z(2)


def test_rows_of_a_group_are_one_unit():
    """Rows written four times over, as groups of four: the limit of the rows written once."""
    once = with_a_control(3, 12)
    groups = np.repeat(np.arange(12), 4)
    grouped = simultaneous_limit(np.repeat(once, 4, axis=1), groups=groups)
    assert grouped == pytest.approx(simultaneous_limit(once), abs=MONTE_CARLO)
    weighted = simultaneous_limit(once, weights=np.full(12, 4.0), groups=np.arange(12))
    assert weighted == pytest.approx(simultaneous_limit(once), abs=MONTE_CARLO)


def test_a_single_line_of_values_is_refused():
    with pytest.raises(DataError, match="a line for each rival"):
        simultaneous_limit([1.0, 2.0])
