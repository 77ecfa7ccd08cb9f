"""Held-out log-likelihoods computed in R, and exact leave-one-out by row weights."""

import numpy as np
import pytest

import workbench as wb
from models import continuous
from tests.published import categories, samples
from tests.published.records import PUBLISHED, dataset
from workbench.optimum import Status

# Definition, formula, and which rows are held out of so many.
SPLITS = {
    "held.lew_normal": (samples.normal, "y ~ 1", lambda n: slice(100, n)),
    "held.discoveries_nb": (samples.negative_binomial, "y ~ 1", lambda n: slice(50, n)),
    "held.rivers_lognormal": (samples.lognormal, "y ~ 1", lambda n: slice(1, n, 2)),
    "held.wine_polr": (
        categories.proportional_odds,
        "y ~ 0 + tempwarm + contactyes",
        lambda n: slice(48, n),
    ),
}
LEFT_OUT = {
    "held.michelso_loo_normal": (samples.normal, "y ~ 1"),
    "held.faithful_loo_lm": (continuous.normal, "waiting ~ eruptions"),
}


@pytest.mark.parametrize("case", SPLITS)
def test_held_out_likelihoods_are_rs(case):
    definition, formula, held_out = SPLITS[case]
    data, record = dataset(case, formula), PUBLISHED[case]
    test = np.zeros(data.sizes["row"], bool)
    test[held_out(len(test))] = True
    fit = wb.maximum_likelihood(wb.bind(definition, data.isel(row=~test)))
    assert fit.status == Status.MINIMUM
    np.testing.assert_allclose(fit.params, record["refined"]["params"], rtol=1e-10)
    assert fit.llf == pytest.approx(record["refined"]["train_llf"], abs=1e-9)
    evaluation, printed = wb.evaluate(fit, data.isel(row=test)), record["reference"]
    assert -evaluation.nll == pytest.approx(record["refined"]["test_llf"], abs=1e-9)
    assert -evaluation.cross_entropy.value == pytest.approx(printed["test_mean"], abs=1e-10)
    # The record's test_se is of the sum: n times that of the mean.
    error = evaluation.cross_entropy.count * evaluation.cross_entropy.se
    assert error == pytest.approx(printed["test_se"], rel=1e-9)


@pytest.mark.parametrize(
    "case",
    ["held.michelso_loo_normal", pytest.param("held.faithful_loo_lm", marks=pytest.mark.slow)],
)
def test_a_weight_of_zero_leaves_a_row_out(case):
    definition, formula = LEFT_OUT[case]
    data = dataset(case, formula)
    problem, count = wb.bind(definition, data), data.sizes["row"]
    scores = []
    for row in range(count):
        weights = np.where(np.arange(count) == row, 0.0, 1.0)
        fit = wb.maximum_likelihood(problem.on(data.assign(weight=("row", weights))))
        assert fit.status == Status.MINIMUM
        scores.append(fit.problem.pointwise(fit.theta)[row])
    record = PUBLISHED[case]
    assert np.sum(scores) == pytest.approx(record["refined"]["cv_llf"], abs=1e-9)
    error = np.std(scores, ddof=1) * np.sqrt(count)
    assert error == pytest.approx(record["reference"]["cv_se"], rel=1e-10)
