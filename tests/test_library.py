"""The library's definitions: each against SciPy row by row, a known truth, and statsmodels."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.genmod import families

import workbench as wb
from tests.library import DEFINITIONS, TRUTH, each, problem, simulated, theta_of
from tests.marking import slow_but
from workbench import density
from workbench.examples import KINDS, example

ROWS = 300
# Their maxima stand on kinks, where there is no curvature to tell an error by.
KINKED = {"continuous:laplace", "continuous:asymmetric_laplace"}
WITH_EQUIVALENT = [name for name in DEFINITIONS if DEFINITIONS[name].statsmodels]


def test_every_definition_has_a_truth():
    assert set(TRUTH) == set(DEFINITIONS)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_says_what_it_is(name):
    one = DEFINITIONS[name]
    first = one.__doc__.partition("\n")[0]
    assert first.endswith((".", ":"))
    assert len(first) <= 100
    assert one.latex
    assert one.outcome in KINDS


@pytest.mark.parametrize("name", each(DEFINITIONS))
def test_every_row_has_scipys_density(name):
    """At the truth and far from it: simulated outcomes, so that all parts of the support occur."""
    bound, rng = simulated(name, ROWS, seed=0), np.random.default_rng(1)
    observed = np.asarray(bound.rows.observed, float)
    theta = theta_of(bound, TRUTH[name])
    for spread in (0.0, 0.1, 0.5):
        here = theta + spread * rng.standard_normal(len(theta))
        ours = bound.pointwise(here)
        theirs = np.broadcast_to(
            density.log_density(bound.distribution(here), observed), ours.shape
        )
        known = np.isfinite(theirs)
        assert known.mean() > 0.5
        np.testing.assert_array_equal(ours[~known], theirs[~known])
        # Log gamma functions of some hundred cancel.
        np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_only_absolute_deviations_have_kinks(name):
    assert problem(name, ROWS).kinked == (name in KINKED)


@pytest.mark.parametrize("name", each(DEFINITIONS))
def test_the_truth_is_recovered(name):
    fit = wb.maximum_likelihood(simulated(name, ROWS, seed=3))
    status, kind = ("a minimum on a kink", "expected") if name in KINKED else ("a minimum", None)
    assert fit.status == status, fit.optimum.verdict.advice
    truth = fit.problem.natural(theta_of(fit.problem, TRUTH[name]))
    away = (fit.params - truth) / fit.standard_errors(kind)
    assert away.abs().max() < 4, away


@pytest.mark.parametrize(
    "name", slow_but({"counts:negative_binomial", "categorical:multinomial_logit"}, WITH_EQUIVALENT)
)
def test_statsmodels_has_the_same_maximum(name):
    fit = wb.maximum_likelihood(simulated(name, ROWS, seed=3))
    checks = [one for one in wb.check(fit, budget=100) if one.code.startswith("namesake")]
    assert {one.outcome for one in checks} == {"pass"}, [vars(one) for one in checks]
    named = {one.quantity.partition(" by ")[0] for one in checks} - {"log-likelihood"}
    if DEFINITIONS[name].statsmodels.same_likelihood:
        assert named == set(fit.params.index)
        assert any(one.code == "namesake-llf" for one in checks)
    else:
        assert named == {label for label in fit.params.index if label.startswith("beta")}


def test_a_group_of_which_none_is_chosen_is_named():
    one = DEFINITIONS["categorical:conditional_logit"]
    bound = problem("categorical:conditional_logit", 30)
    data = bound.dataset.assign(y=bound.dataset["y"].copy())
    data["y"][4] = 0.0
    with pytest.raises(wb.ModelError, match="each group has one row with y = 1, and group 4 has"):
        wb.bind(one, data)


# What applies to each of them; the others say why they were not tried.
ALWAYS = {
    "optimum", "starts", "sum", "total", "joint", "stationary", "gradient", "hessian", "scores",
    "density", "statsmodels-llf", "statsmodels-estimate", "statsmodels-se", "statsmodels-aic",
    "statsmodels-better", "simulator",
}  # fmt: skip


ON_KINKS = {"optimum", "starts", "sum", "total", "joint", "density", "simulator"}


def fit_has_one_number(fit):
    return fit.problem.rows.observed.ndim == 1


@pytest.mark.parametrize("name", each(DEFINITIONS))
def test_every_check_passes_and_held_out_rows_have_a_cross_entropy(name):
    """The fit by statsmodels' generic class on SciPy's density; other draws as held-out rows."""
    fit = wb.maximum_likelihood(simulated(name, ROWS, seed=4))
    checks = wb.check(fit, budget=100, level=1e-4 / len(DEFINITIONS))  # of a false alarm in any
    assert checks.outcome == "pass", checks.to_frame()
    tried = {one.code for one in checks if one.outcome == "pass"}
    named = {"namesake-estimate"} if fit.problem.source.statsmodels else set()
    assert tried >= (ON_KINKS if name in KINKED else ALWAYS) | named
    assert ("density-tails" in tried) == fit_has_one_number(fit)
    other = simulated(name, ROWS, seed=5).dataset
    other = other.assign_coords(row=[f"other {row}" for row in other["row"].values])
    evaluation = wb.evaluate(fit, other)
    theta = theta_of(fit.problem, TRUTH[name])
    truth = -fit.problem.on(other).pointwise(theta).mean()
    # What the estimate costs beyond the truth: k / 2n on average, within chance.
    assert abs(evaluation.cross_entropy.value - truth) < 5 * fit.k / fit.nobs
    assert (evaluation.kl.reason != "") == (not evaluation.ordered)


COUNTS = [name for name in DEFINITIONS if "exposure" in DEFINITIONS[name].takes]


@pytest.mark.parametrize("name", slow_but({"counts:poisson", "counts:negative_binomial"}, COUNTS))
def test_an_exposure_is_an_offset_of_its_logarithm(name):
    data = simulated(name, 120, seed=2).dataset
    exposure = np.random.default_rng(0).uniform(0.5, 3.0, data.sizes["row"])
    exposed = wb.bind(DEFINITIONS[name], data.assign(exposure=("row", exposure)))
    offset = wb.bind(DEFINITIONS[name], data.assign(offset=("row", np.log(exposure))))
    theta = theta_of(exposed, TRUTH[name])
    np.testing.assert_allclose(exposed.pointwise(theta), offset.pointwise(theta), rtol=1e-12)
    for key, value in exposed.source.start(exposed.dataset).items():
        np.testing.assert_allclose(value, offset.source.start(offset.dataset)[key], rtol=1e-9)


def test_a_poisson_rate_is_statsmodels():
    data = simulated("counts:poisson", 200, seed=2).dataset
    exposure = np.random.default_rng(0).uniform(0.5, 3.0, 200)
    fit = wb.maximum_likelihood(
        wb.bind(DEFINITIONS["counts:poisson"], data.assign(exposure=("row", exposure)))
    )
    theirs = sm.Poisson(data["y"].values, data["X"].values, exposure=exposure).fit(disp=0)
    np.testing.assert_allclose(fit.params, theirs.params, atol=1e-6 * fit.bse.max())
    assert fit.llf == pytest.approx(theirs.llf, rel=1e-10)


LINKS = {"logit": "Logit", "probit": "Probit", "complementary_log_log": "CLogLog"}


@pytest.mark.parametrize("name", slow_but({"logit"}, LINKS))
def test_successes_among_trials_are_statsmodels_binomial(name):
    rng = np.random.default_rng(1)
    data = simulated(f"binary:{name}", 150, seed=2).dataset
    trials = rng.integers(1, 9, 150)
    y = rng.binomial(trials, 0.4).astype(float)
    grouped = data.assign(y=("row", y), trials=("row", trials.astype(float)))
    fit = wb.maximum_likelihood(wb.bind(DEFINITIONS[f"binary:{name}"], grouped))
    family = families.Binomial(link=getattr(families.links, LINKS[name])())
    theirs = sm.GLM(np.column_stack([y, trials - y]), data["X"].values, family=family)
    results = theirs.fit(tol=1e-14)
    np.testing.assert_allclose(fit.params, results.params, atol=1e-7 * fit.bse.max())
    assert fit.llf == pytest.approx(results.llf, rel=1e-10)


@pytest.mark.slow
def test_far_from_its_threshold_a_probit_keeps_its_digits():
    """Where Phi is 1 to double precision: log(1 - Phi(12)) = -75.4."""
    data = example(DEFINITIONS["binary:probit"], 4)
    data = data.assign(X=(("row", "term"), np.ones((4, 2))), y=("row", [0.0, 1.0, 0.0, 1.0]))
    bound = wb.bind(DEFINITIONS["binary:probit"], data)
    rows = bound.pointwise(np.array([6.0, 6.0]))
    np.testing.assert_allclose(rows[0], stats.norm.logsf(12), rtol=1e-12)
    np.testing.assert_allclose(rows[1], stats.norm.logcdf(12), rtol=1e-12)
    assert np.isfinite(bound.derivatives(np.array([6.0, 6.0]))[2]).all()


def test_categories_without_a_known_order_are_no_ordered_outcome():
    frame = pd.DataFrame({"rating": ["low", "high", "middle"] * 20, "x": np.arange(60.0)})
    table = wb.read(frame)
    with pytest.raises(wb.ModelError, match=r"write C\(..., levels=\['low', 'high', 'middle'\]\)"):
        wb.bind(DEFINITIONS["ordered:logit"], wb.design("rating ~ x", table)(table))
    known = "C(rating, levels=['low', 'middle', 'high']) ~ x"
    bound = wb.bind(DEFINITIONS["ordered:logit"], wb.design(known, table)(table))
    assert bound.labels == ("beta[x]", "cut[low]", "cut[middle]")
    ranked = pd.Categorical(frame["rating"], ["low", "middle", "high"], ordered=True)
    table = wb.read(frame.assign(rating=ranked))
    bound = wb.bind(DEFINITIONS["ordered:logit"], wb.design("rating ~ x", table)(table))
    assert bound.labels == ("beta[x]", "cut[low]", "cut[middle]")


def test_numbers_are_categories_in_their_own_order():
    table = wb.read(pd.DataFrame({"stars": [3.0, 1.0, 2.0, 1.0] * 10, "x": np.arange(40.0)}))
    bound = wb.bind(DEFINITIONS["ordered:logit"], wb.design("C(stars) ~ x", table)(table))
    assert bound.labels == ("beta[x]", "cut[1]", "cut[2]")


@pytest.mark.parametrize("stars", [[1.0, 2.0, 3.0], [0.0, 1.0, 1.5]])
def test_numbers_that_are_no_codes_are_no_categories(stars):
    table = wb.read(pd.DataFrame({"stars": stars * 10, "x": np.arange(30.0)}))
    with pytest.raises(wb.ModelError, match=r"goes from .* write C\(...\) left of the ~"):
        wb.bind(DEFINITIONS["ordered:logit"], wb.design("stars ~ x", table)(table))


def test_several_outcomes_are_not_taken_for_one():
    frame = pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9.0) % 4})

    with pytest.raises(wb.ModelError, match="takes one outcome, not several: a, b"):
        wb.fit(DEFINITIONS["continuous:normal"], frame)
