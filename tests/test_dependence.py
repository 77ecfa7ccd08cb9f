"""What predictors still tell of u: the estimate of mutual information, and its permutation null."""

import math

import numpy as np
import pytest
from scipy import stats

from workbench import information
from workbench.errors import DataError
from workbench.information.dependence import PERMUTATIONS

# y = x + .5 (x² - 1) + e under the model N(x, 1.5), all normal: KL = log(1.5) / 2. What the PIT
# alone shows of it, and what x still tells, by quadrature of the density of .5 (x² - 1) + e.
TOTAL = 0.5 * math.log(1.5)
IN_X = 0.181193112619


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


def missed_square(rng, n):
    x, e = rng.standard_normal((2, n))
    return (e + 0.5 * (x**2 - 1)) / math.sqrt(1.5), x


def test_information_of_a_missed_square_is_that_of_quadrature():
    x = np.linspace(-9, 9, 2001)
    y = np.linspace(-10, 45, 4001)
    density = np.array([np.trapezoid(stats.norm.pdf(x) * stats.norm.pdf(v, (x**2 - 1) / 2), x)
                        for v in y])  # fmt: skip
    entropy = np.trapezoid(np.where(density > 0, -density * np.log(density + 1e-300), 0), y)
    assert entropy - stats.norm.entropy() == pytest.approx(IN_X, abs=1e-8)


def test_calibration_and_what_predictors_tell_add_up_to_kl(rng):
    """E KL = KL(u ‖ uniform) + I(u; x), on the missed square."""
    found = []
    for _ in range(10):
        z, x = missed_square(rng, 1000)
        calibration = information.calibration_divergence(z).mean.value
        found.append((calibration, information.mutual_information(z, x, rng)))
    calibration, told = np.mean(found, axis=0)
    # Spread of either at 1,000 rows: .010 and .023, of ten .003 and .007; KSG understates by .002.
    assert calibration == pytest.approx(TOTAL - IN_X, abs=0.012)
    assert told == pytest.approx(IN_X, abs=0.03)
    assert calibration + told == pytest.approx(TOTAL, abs=0.03)


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_information_of_normals_is_known(rho, rng):
    estimates = []
    for _ in range(10):
        x, e = rng.standard_normal((2, 1000))
        y = rho * x + math.sqrt(1 - rho**2) * e
        estimates.append(information.mutual_information(y, x, rng))
    truth = -0.5 * math.log(1 - rho**2)
    # Spread .012 and .022 at 1,000 rows; by a tenth neighbour it is .007 too high at the second.
    assert np.mean(estimates) == pytest.approx(truth, abs=0.012 + 0.025 * rho)


def test_a_binary_predictor_tells_what_it_tells(rng):
    grid = np.linspace(-9, 9, 4001)
    density = 0.5 * (stats.norm.pdf(grid, -0.4) + stats.norm.pdf(grid, 0.4))
    truth = np.trapezoid(-density * np.log(density), grid) - stats.norm.entropy()
    estimates = []
    for _ in range(10):
        x = rng.integers(0, 2, 1000)
        estimates.append(information.mutual_information(rng.normal(0.8 * x - 0.4), x, rng))
    assert np.mean(estimates) == pytest.approx(truth, abs=0.02)  # spread .016, of ten .005


def test_information_does_not_change_under_increasing_maps(rng):
    x, e = rng.standard_normal((2, 300))
    y = x + e
    first = information.mutual_information(y, x, rng)
    second = information.mutual_information(np.exp(3 * y), stats.norm.cdf(x), rng)
    assert first == second


def test_the_predictor_that_was_missed_is_named(rng):
    z, x = missed_square(rng, 800)
    others = rng.standard_normal((800, 2))
    found = information.information_left(
        z, np.column_stack([others[:, 0], x, others[:, 1]]), ("age", "dose", "time"), rng=rng
    )
    name, value = found.largest
    assert name == "dose"
    assert found.resolved
    assert value == pytest.approx(IN_X, abs=0.1)
    assert found.p_value == found.p_values[1] == pytest.approx(1 / (1 + PERMUTATIONS))
    assert min(found.p_values[0], found.p_values[2]) > 0.005
    assert (found.rows, found.permutations, found.grouped) == (800, 200, False)


@pytest.mark.slow
def test_p_values_of_the_largest_are_uniform_where_nothing_is_left(rng):
    """Predictors depend on each other, and one is binary: the largest of three is picked."""
    p = []
    for _ in range(80):
        x = rng.standard_normal((150, 3))
        x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
        x[:, 2] = x[:, 2] > 0
        p.append(information.information_left(rng.random(150), x, "abc", rng=rng).p_value)
    grid = np.arange(1, PERMUTATIONS + 2) / (PERMUTATIONS + 1)
    assert stats.ks_2samp(p, grid).pvalue > 1e-3


def test_many_rows_are_represented_by_a_thousand_drawn_with_the_seed(rng, monkeypatch):
    monkeypatch.setattr("workbench.information.dependence.PERMUTATIONS", 10)
    u, x = rng.random(3000), rng.standard_normal((3000, 1))
    first, second, other = (
        information.information_left(u, x, ["x"], rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first.rows == 1000
    assert first == second != other


def test_of_each_group_one_row_is_looked_at(rng):
    groups = np.repeat(np.arange(120), 5)
    u = rng.standard_normal(120)[groups] + 1e-3 * rng.standard_normal(600)
    x = rng.standard_normal(120)[groups][:, None]
    found = information.information_left(u, x, ["x"], groups=groups, rng=rng)
    assert (found.rows, found.grouped) == (120, True)
    # All 600 rows would tell that a group's rows are alike, and take it for what x says.
    assert information.information_left(u, x, ["x"], rng=rng).p_value < 0.01
    assert found.p_value > 0.01


@pytest.mark.parametrize(
    ("rows", "names", "groups", "reason"),
    [
        (99, ("x",), None, "99 rows are fewer than the 100"),
        (300, ("x",), np.repeat(np.arange(60), 5), "60 groups or blocks are fewer than the 100"),
        (300, (), None, "no predictor varies"),
    ],
)
def test_too_little_says_so(rows, names, groups, reason, rng):
    x = rng.standard_normal((rows, len(names)))
    found = information.information_left(rng.random(rows), x, names, groups=groups)
    assert reason in found.reason
    assert found.largest is None
    assert not found.resolved
    assert math.isnan(found.p_value)


def test_columns_that_do_not_fit_are_refused(rng):
    with pytest.raises(DataError, match=r"u has shape \(9,\) and the covariates \(9, 2\), of 1"):
        information.information_left(rng.random(9), rng.random((9, 2)), ["x"])
    with pytest.raises(DataError, match="none of them NaN"):
        information.information_left(rng.random(9), np.full((9, 1), np.nan), ["x"])
    with pytest.raises(DataError, match="above 10"):
        information.mutual_information(np.arange(10.0), np.arange(10.0), rng)
    with pytest.raises(DataError, match="NaN have no order"):
        information.mutual_information(np.arange(20.0), np.full(20, np.nan), rng)
