"""Cross-validation against fits that are made anew for each fold."""

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from models import binary, categorical, counts

RNG = np.random.default_rng(4)
N = 90
X = RNG.normal(size=N)
FRAME = pd.DataFrame({
    "x": X, "visits": RNG.poisson(np.exp(0.4 + 0.5 * X)), "person": np.arange(N) // 3,
    "year": np.repeat(np.arange(9), 10), "yes": (X > 0).astype(float),
})  # fmt: skip


def fitted(table, definition=counts.poisson, formula="visits ~ x"):
    return wb.maximum_likelihood(wb.bind(definition, wb.design(formula, table)(table)))


@pytest.mark.parametrize(
    ("way", "roles"),
    [
        pytest.param("random", {}, marks=pytest.mark.slow),
        ("random", {"group": "person"}),
        pytest.param("blocked", {}, marks=pytest.mark.slow),
        pytest.param("future", {"time": "year"}, marks=pytest.mark.slow),
    ],
)
def test_each_fold_is_the_fit_of_the_other_rows(way, roles):
    table = wb.read(FRAME, **roles)
    design = wb.design("visits ~ x", table)
    folds = wb.folds(table, 5, way=way)
    found = wb.cross_validate(fitted(table), folds)
    for fold in range(5):
        training, heldout = folds.masks(fold)
        alone = wb.maximum_likelihood(
            wb.bind(counts.poisson, design(table.take(np.flatnonzero(training))))
        )
        held = wb.evaluate(alone, design(table.take(np.flatnonzero(heldout))))
        np.testing.assert_allclose(found.pointwise[heldout], held.pointwise, rtol=1e-6)
    none = folds.number < 0
    assert np.isnan(found.pointwise[none]).all()
    assert none.any() == (way == "future")
    assert found.cross_entropy.count == (~none).sum()
    later_years = len(np.unique(FRAME["year"][~none]))  # each a block, as they are few
    clusters = {"group": 30, "time": later_years}
    assert found.cross_entropy.clusters == next((clusters[role] for role in roles), None)
    assert found.advice == ""


def test_as_many_folds_as_rows_leave_one_out():
    table = wb.read(FRAME.iloc[:40])
    fit = fitted(table)
    found, left_out = wb.cross_validate(fit, wb.folds(table, 40)), wb.leave_one_out(fit)
    assert found.cross_entropy.value == pytest.approx(left_out.cross_entropy.value, rel=1e-3)
    assert found.optimism.value == pytest.approx(left_out.optimism.value, rel=0.05)  # of a step
    assert found.to_frame()["fold"].nunique() == 40


def test_a_fold_without_an_optimum_is_named_and_leaves_the_mean_unknown():
    frame = FRAME.assign(flag=(np.arange(N) < 5).astype(float))
    frame.loc[:4, "visits"] = [1, 2, 0, 1, 3]
    table = wb.read(frame)
    fit = fitted(table, formula="visits ~ x + flag")
    found = wb.cross_validate(fit, wb.folds(table, 6, way="blocked"))
    assert found.failed == (0,)  # which holds out all rows with the flag
    assert np.isnan(found.cross_entropy.value)
    assert "without fold 0 there is no optimum" in found.advice
    assert np.isfinite(found.pointwise[found.fold > 0]).all()


def test_what_cannot_be_validated_is_refused():
    table = wb.read(FRAME)
    with pytest.raises(wb.DataError, match="the folds number 90 rows, and the fit has 60"):
        wb.cross_validate(fitted(wb.read(FRAME.iloc[:60])), wb.folds(table, 5))
    with pytest.raises(wb.ModelError, match="no cross-validation: running away"):
        wb.cross_validate(fitted(table, binary.logit, "yes ~ x"), wb.folds(table, 5))


def test_folds_that_cut_a_group_are_refused():
    grouped, alone = wb.read(FRAME, group="person"), wb.read(FRAME)
    with pytest.raises(wb.DataError, match="the folds cut groups that the fit declares"):
        wb.cross_validate(fitted(grouped), wb.folds(alone, 5))


def test_choices_have_no_folds_of_rows():
    who, row = np.divmod(np.arange(60), 3)
    frame = pd.DataFrame({"who": who, "price": X[:60], "choice": (row == who % 3) * 1.0})
    table = wb.read(frame, group="who")
    choice = fitted(table, categorical.conditional_logit, "choice ~ price")
    with pytest.raises(wb.ModelError, match=r"leave groups out by wb.leave_one_out"):
        wb.cross_validate(choice, wb.folds(table, 5))
