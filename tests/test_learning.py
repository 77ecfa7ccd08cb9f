"""The learning curve of a normal mean is known; its parts are nested, and keep groups whole."""

import numpy as np
import pytest

import workbench as wb
from models import binary, counts
from tests.declarations import dataset
from tests.test_leaving_out import known_spread
from workbench.learning import _nested

N = 2000
REPLICATES = 200


@pytest.fixture(scope="module")
def normal():
    """A normal mean of known spread, on rows that the held-out ones agree with to the last digit.

    So the fit to all rows is the family's best member on the held-out ones.
    """
    y = np.random.default_rng(41).normal(size=N)
    y = (y - y.mean()) / y.std(ddof=1)
    fit = wb.maximum_likelihood(wb.bind(known_spread, dataset(y)))
    heldout = dataset([-1.0, 1.0]).assign_coords(row=["a", "b"])
    return wb.learning_curve(fit, heldout, shares=(0.01, 0.02, 0.05), replicates=REPLICATES), fit


def test_a_normal_mean_costs_one_over_two_n(normal):
    curve, _ = normal
    best = 0.5 * np.log(2 * np.pi) + 0.5  # of a mean of 0, on -1 and 1
    rows = np.array([20.0, 40.0, 100.0])
    np.testing.assert_array_equal(curve.rows, np.tile(rows, (REPLICATES, 1)))
    excess = curve.heldout - best
    # A mean of n of N rows drawn without replacement has variance (1 / n - 1 / N), of which CE
    # loses half; the excess is that times a chi-square of one degree of freedom.
    expected = (1 / rows - 1 / N) / 2
    error = expected * np.sqrt(2 / REPLICATES)
    np.testing.assert_array_less(np.abs(excess.mean(axis=0) - expected), 4 * error)
    # and so the line that is drawn: CE* + k / (2 n), where CE* lies 1 / (2 N) below all rows' CE
    assert curve.limit == pytest.approx(best - curve.effective / (2 * N), rel=1e-12)
    np.testing.assert_allclose(curve.expected(rows) - best, expected, rtol=2e-3)  # K is y's
    assert curve.effective == pytest.approx(1, rel=2 / N)


def test_each_part_is_fitted_to_its_own_optimum(normal):
    curve, fit = normal
    y = fit.problem.dataset["y"].values
    # CE on -1 and 1 says how far the mean lies from 0, and with it the training CE is known.
    best = 0.5 * np.log(2 * np.pi) + 0.5
    square = 2 * (curve.heldout - best)  # of the part's mean
    rng = np.random.default_rng(0)
    for found, inside in zip(square[:5], curve.training[:5], strict=True):
        place = rng.permutation(N)
        for at, rows in enumerate((20, 40, 100)):
            part = y[place < rows]
            assert found[at] == pytest.approx(part.mean() ** 2, abs=1e-10)
            known = 0.5 * np.log(2 * np.pi) + part.var() / 2
            assert inside[at] == pytest.approx(known, rel=1e-10)


def test_the_curve_ends_at_the_fit_to_all_rows(normal):
    curve, fit = normal
    frame = curve.to_frame()
    last = frame.iloc[-1]
    assert (last["share"], last["rows"], last["replicate"]) == (1.0, N, -1)
    assert last["heldout"] == pytest.approx(curve.full.cross_entropy.value, rel=1e-12)
    assert last["expected"] == pytest.approx(last["heldout"], rel=1e-12)
    assert last["training"] == pytest.approx(-fit.llf / N, rel=1e-12)
    assert len(frame) == 3 * REPLICATES + 1


def test_groups_stay_whole_and_the_smaller_part_lies_in_the_larger():
    rng = np.random.default_rng(42)
    groups = np.repeat(np.arange(10), rng.integers(2, 6, 10))
    data = dataset(rng.poisson(3.0, len(groups)), group=groups)
    problem = wb.bind(counts.poisson, data)
    first, second = _nested(problem, (0.3, 0.6), rng)
    assert (first <= second).all()
    for mask, count in ((first, 3), (second, 6)):
        assert len(np.unique(groups[mask])) == count
        assert not set(groups[mask]) & set(groups[~mask])


def test_weights_count_rows():
    rng = np.random.default_rng(43)
    weights = rng.integers(1, 4, 40).astype(float)
    data = dataset(rng.poisson(3.0, 40), weight=weights)
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, data))
    curve = wb.learning_curve(fit, dataset([3.0, 2.0]), shares=(0.5,), replicates=1)
    mask = np.random.default_rng(0).permutation(40) < 20
    assert curve.rows[0, 0] == weights[mask].sum()
    mean = weights[mask] @ data["y"].values[mask] / weights[mask].sum()
    expected = np.mean([mean - 3 * np.log(mean) + np.log(6), mean - 2 * np.log(mean) + np.log(2)])
    assert curve.heldout[0, 0] == pytest.approx(expected, rel=1e-9)


def test_a_part_without_an_optimum_is_counted():
    y = np.append(np.zeros(38), np.ones(2))
    fit = wb.maximum_likelihood(wb.bind(binary.logit, dataset(y)))
    curve = wb.learning_curve(fit, dataset([0.0, 1.0, 0.0]), shares=(0.1, 0.9), replicates=4)
    rng = np.random.default_rng(0)
    alike = [not y[rng.permutation(40) < 4].any() for _ in range(4)]  # four outcomes of 0
    np.testing.assert_array_equal(np.isnan(curve.heldout[:, 0]), alike)
    assert curve.failed == sum(alike) > 0


@pytest.mark.parametrize("shares", [(), (0.5, 0.2), (0.0, 0.5), (0.5, 1.0), (0.3, 0.3)])
def test_shares_that_do_not_grow_are_refused(normal, shares):
    with pytest.raises(wb.DataError, match="shares grow between 0 and 1"):
        wb.learning_curve(normal[1], dataset([1.0]), shares=shares)


def test_what_has_no_curve_is_refused(normal):
    with pytest.raises(wb.DataError, match="takes a replicate or more, not 0"):
        wb.learning_curve(normal[1], dataset([1.0]), replicates=0)
    x = np.linspace(-1, 1, 20)
    data = dataset(x > 0, x[:, None])
    with pytest.raises(wb.ModelError, match="no learning curve: running away"):
        wb.learning_curve(wb.maximum_likelihood(wb.bind(binary.logit, data)), data)
