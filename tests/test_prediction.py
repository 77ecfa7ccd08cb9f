"""Predictions of each row's outcome, with standard errors by the delta method."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import statsmodels.api as sm
from scipy import stats

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from tests.declarations import dataset
from tests.marking import slow_but
from workbench import density, functionals

RNG = np.random.default_rng(20261123)
N = 250
X = RNG.normal(size=(N, 2))
EXOG = sm.add_constant(X)
ETA = EXOG @ [0.4, 0.5, -0.3]
NORMAL = ETA + 1.5 * RNG.normal(size=N)
OUTCOMES = {
    "normal": NORMAL,
    "poisson": RNG.poisson(np.exp(ETA)),
    "logistic": RNG.binomial(1, 1 / (1 + np.exp(-ETA))),
    "gamma": RNG.gamma(2.5, np.exp(ETA) / 2.5),
    "counts": RNG.negative_binomial(2.0, 2.0 / (2.0 + np.exp(ETA))),
}
OUTCOMES["inflated"] = OUTCOMES["counts"] * RNG.binomial(1, 0.7, N)
DEFINITIONS = {
    "normal": continuous.normal,
    "poisson": counts.poisson,
    "logistic": binary.logit,
    "gamma": declarations.gamma,
    "counts": counts.negative_binomial,
    "inflated": counts.hurdle_negative_binomial,
}
FITS = {}


def fitted(name):
    if name not in FITS:
        problem = wb.bind(DEFINITIONS[name], dataset(OUTCOMES[name], X))
        FITS[name] = wb.maximum_likelihood(problem)
    return FITS[name]


def test_least_squares_means_are_statsmodels_on_held_out_rows():
    frame = pd.DataFrame({"y": NORMAL, "a": X[:, 0], "b": X[:, 1]})
    table = wb.read(frame)
    train, test = wb.split(table, heldout=0.3, rng=np.random.default_rng(1))
    design = wb.design("y ~ a + b", train)
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, design(train)))
    rows = design(test)["row"].values
    left = np.setdiff1d(np.arange(N), rows)
    theirs = sm.OLS(NORMAL[left], EXOG[left]).fit().get_prediction(EXOG[rows])
    found = fit.predict(design(test))
    assert list(found.index) == list(rows)
    np.testing.assert_allclose(found["estimate"], theirs.predicted_mean, rtol=1e-8)
    # Least squares divide by n - 3, maximum likelihood by n.
    shrunk = np.sqrt((len(left) - 3) / len(left))
    np.testing.assert_allclose(found["se"], theirs.se_mean * shrunk, rtol=1e-8)
    half = stats.norm.ppf(0.975) * found["se"]
    np.testing.assert_allclose(found["upper"] - found["estimate"], half, rtol=1e-10)


@pytest.mark.parametrize(
    ("name", "family"),
    [("poisson", sm.families.Poisson()), ("logistic", sm.families.Binomial())],
)
def test_canonical_means_and_their_limits_are_statsmodels(name, family):
    """Its limits are mapped from the linear predictor: the log of a mean, the logit of a share."""
    theirs = sm.GLM(OUTCOMES[name], EXOG, family=family).fit(tol=1e-14).get_prediction()
    found = fitted(name).predict(level=0.9)
    np.testing.assert_allclose(found["estimate"], theirs.predicted_mean, rtol=1e-8)
    np.testing.assert_allclose(found["se"], theirs.se_mean, rtol=1e-7)
    np.testing.assert_allclose(found[["lower", "upper"]], theirs.conf_int(alpha=0.1), rtol=1e-7)


def test_gamma_means_are_statsmodels_by_the_expected_information():
    fit = fitted("gamma")
    family = sm.families.Gamma(link=sm.families.links.Log())
    theirs = sm.GLM(OUTCOMES["gamma"], EXOG, family=family).fit(tol=1e-14)
    # Its dispersion is Pearson's, ours 1 / shape.
    same = np.sqrt(1 / fit.params["shape"] / theirs.scale)
    found = fit.predict(kind="expected")
    np.testing.assert_allclose(found["estimate"], theirs.predict(), rtol=1e-7)
    np.testing.assert_allclose(found["se"], theirs.get_prediction().se_mean * same, rtol=1e-7)


def test_the_covariance_goes_by_its_name():
    theirs = sm.GLM(OUTCOMES["poisson"], EXOG, family=sm.families.Poisson())
    robust = theirs.fit(tol=1e-14, cov_type="HC0").get_prediction()
    np.testing.assert_allclose(
        fitted("poisson").predict(kind="sandwich")["se"], robust.se_mean, rtol=1e-7
    )


def test_the_probability_of_zero_is_the_expression_by_hand():
    fit = fitted("counts")
    found = fit.predict(of="probability", at=0)
    for row in (0, 7, 100):
        a, b = X[row]
        mean = f"exp(beta[Intercept] + {a!r} * beta[x1] + {b!r} * beta[x2])".replace(
            "np.float64", ""
        )
        by_hand = fit.derived(f"(alpha / (alpha + {mean})) ** alpha")
        for column in ("estimate", "se"):
            assert found.loc[row, column] == pytest.approx(by_hand[column].item(), rel=1e-10)


@pytest.mark.parametrize(
    "name", slow_but({"poisson", "logistic"}, ["poisson", "logistic", "counts", "inflated"])
)
def test_probabilities_of_the_least_outcome_are_those_of_at_most_it(name):
    """One from the model's own likelihood, one from SciPy's distribution function."""
    fit = fitted(name)
    exact, ours = fit.predict(of="probability", at=0), fit.predict(of="at most", at=0)
    np.testing.assert_allclose(ours, exact, rtol=1e-7)
    total = sum(fit.predict(of="probability", at=k)["estimate"] for k in range(4))
    np.testing.assert_allclose(fit.predict(of="at most", at=3)["estimate"], total, rtol=1e-10)


def test_a_normal_quantile_is_mean_and_deviations():
    fit = fitted("normal")
    z = stats.norm.ppf(0.9)
    found = fit.predict(of="quantile", at=0.9)
    slopes = np.column_stack([EXOG, np.full(N, z)])
    values = slopes @ fit.params.to_numpy()
    errors = np.sqrt(np.einsum("ni,ij,nj->n", slopes, fit.cov_params(), slopes))
    np.testing.assert_allclose(found["estimate"], values, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found["se"], errors, rtol=1e-10)


def told(outcome, of, at):
    """What is asked of a distribution, from its values alone."""
    if of == "mean":
        return density.mean(outcome)
    if of == "quantile":
        return functionals.quantile(outcome, at)
    return density.distribution_function(outcome, at)


ASKED = [("mean", None), ("quantile", 0.8), ("at most", 2.0)]
SHAPED = {
    **{name: lambda name=name: fitted(name) for name in ("gamma", "counts", "inflated")},
    "student": lambda: wb.maximum_likelihood(
        wb.bind(continuous.student_t, dataset(ETA + stats.t.rvs(4, size=N, random_state=5), X))
    ),
    "tobit": lambda: wb.maximum_likelihood(
        wb.bind(declarations.tobit, dataset(np.maximum(NORMAL, 0), X))
    ),
    "zero-inflated": lambda: wb.maximum_likelihood(
        wb.bind(counts.zero_inflated_poisson, dataset(OUTCOMES["inflated"], X))
    ),
    "mixture": lambda: wb.maximum_likelihood(
        wb.bind(
            declarations.two_normals((0.0, 1.0), (6.0, 1.5)),
            dataset(np.where(np.arange(N) % 3 == 0, 6 + 1.5 * NORMAL, NORMAL)),
        )
    ),
}


@pytest.mark.parametrize("name", slow_but({"tobit", "mixture"}, SHAPED))
def test_errors_are_those_of_differences_in_theta(name):
    fit = SHAPED[name]()
    assert fit.optimum.verdict.regular
    covariance, step = fit.theta_covariance("observed"), 1e-3
    for of, at in ASKED:
        found = fit.predict(of=of, at=at)

        def values(theta, of=of, at=at):
            return np.broadcast_to(told(fit.problem.distribution(theta), of, at), (N,))

        columns = [
            (8 * (values(fit.theta + h) - values(fit.theta - h))
             - values(fit.theta + 2 * h) + values(fit.theta - 2 * h)) / (12 * step)
            for h in step * np.eye(len(fit.theta))
        ]  # fmt: skip
        slopes = np.column_stack(columns)
        errors = np.sqrt(np.einsum("ni,ij,nj->n", slopes, covariance, slopes))
        known = found["se"].notna()
        steps = of == "quantile" and density.is_discrete(fit.problem.distribution(fit.theta))
        assert known.any() != steps
        # Fourth-order differences: 1e-12 left out times fifth derivatives, 1e-12 of rounding.
        np.testing.assert_allclose(found["se"][known], errors[known], rtol=1e-7)
        np.testing.assert_allclose(found["estimate"], values(fit.theta), rtol=1e-10, atol=1e-12)


def test_a_quantile_of_counts_is_scipys_and_moves_in_steps():
    fit = fitted("poisson")
    found = fit.predict(of="quantile", at=0.75)
    mu = np.exp(EXOG @ fit.params.to_numpy())
    np.testing.assert_array_equal(found["estimate"], stats.poisson.ppf(0.75, mu))
    assert found[["se", "lower", "upper"]].isna().all(axis=None)


def test_censored_outcomes_are_their_closed_forms():
    """E max(0, Z) = mu F + sigma f and P(Y <= 0) = 1 - F at mu / sigma (Tobin 1958)."""
    fit = SHAPED["tobit"]()
    mu, sigma = EXOG @ fit.params.to_numpy()[:3], fit.params["sigma"]
    z = mu / sigma
    shares, heights = stats.norm.cdf(z), stats.norm.pdf(z)
    expected = {
        ("mean", None): (mu * shares + sigma * heights, shares, heights),
        ("at most", 0.0): (1 - shares, -heights / sigma, z * heights / sigma),
    }
    for (of, at), (values, by_mu, by_sigma) in expected.items():
        slopes = np.column_stack([by_mu[:, None] * EXOG, by_sigma])
        errors = np.sqrt(np.einsum("ni,ij,nj->n", slopes, fit.cov_params(), slopes))
        found = fit.predict(of=of, at=at)
        np.testing.assert_allclose(found["estimate"], values, rtol=1e-9)
        np.testing.assert_allclose(found["se"], errors, rtol=1e-8)
    median = fit.predict(of="quantile", at=0.5)
    at_limit = (mu < 0).to_numpy() if hasattr(mu, "to_numpy") else mu < 0
    assert 0 < at_limit.sum() < N
    assert (median["estimate"][at_limit] == 0).all()
    assert median["se"][at_limit].isna().all()
    assert median["se"][~at_limit].notna().all()


def test_limits_lie_inside_the_support():
    few = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(OUTCOMES["poisson"][:9], X[:9])))
    far = dataset(np.zeros(2), np.array([[-9.0, 9.0], [0.0, 0.0]]))
    for of, at in (("mean", None), ("at most", 0.0), ("probability", 3)):
        found = few.predict(far, of, at)
        assert (found["lower"] > 0).all()
        assert (found["lower"] < found["estimate"]).all()
        assert (found["estimate"] < found["upper"]).all()
        if of != "mean":
            assert (found["upper"] < 1).all()
    symmetric = few.predict(far)
    assert (symmetric["estimate"] < 1.96 * symmetric["se"]).any()  # which would reach below 0


def test_categories_have_probabilities_and_no_mean():
    """A share p of n rows has the variance p (1 - p) / n; of two shares, that of their sum."""
    fit = wb.maximum_likelihood(
        wb.bind(declarations.simplex, dataset(np.repeat([0, 1, 2], [20, 30, 50])))
    )
    for of, at, share in (("probability", 1, 0.3), ("at most", 1, 0.5), ("probability", 2, 0.5)):
        found = fit.predict(of=of, at=at)
        np.testing.assert_allclose(found["estimate"], share, rtol=1e-6)
        np.testing.assert_allclose(found["se"], np.sqrt(share * (1 - share) / 100), rtol=1e-6)
    assert (fit.predict(of="quantile", at=0.45)["estimate"] == 1).all()
    with pytest.raises(wb.ModelError, match="a category, whose codes have no mean"):
        fit.predict()


def test_ordered_outcomes_are_the_declarations_own_probabilities():
    def ordered(data):
        with pm.Model() as model:
            x, y = (pm.Data(name, data[name], dims="row") for name in ("x", "y"))
            cuts = pm.Normal(
                "cuts", 0.0, 5.0, shape=2, initval=[-1.0, 1.0],
                transform=pm.distributions.transforms.ordered,
            )  # fmt: skip
            slope = pm.Normal("slope", 0.0, 5.0)
            pm.OrderedLogistic(
                "outcome", eta=slope * x, cutpoints=cuts, observed=y.astype(int), dims="row"
            )
        return model

    latent = X[:, 0] + RNG.logistic(size=N)
    data = dataset(np.digitize(latent, [-1.0, 0.5]), x=X[:, 0])
    fit = wb.maximum_likelihood(wb.bind(ordered, data.drop_vars("X")))
    told = fit.deterministics("outcome_probs").to_numpy().reshape(N, 3, 4)
    for code in range(3):
        found = fit.predict(of="probability", at=code)[["estimate", "se"]]
        np.testing.assert_allclose(found, told[:, code, :2], rtol=1e-9)
    cumulative = fit.predict(of="at most", at=1)
    np.testing.assert_allclose(cumulative["estimate"], 1 - told[:, 2, 0], rtol=1e-9)
    np.testing.assert_allclose(cumulative["se"], told[:, 2, 1], rtol=1e-7)


def test_trials_are_known_and_need_no_error():
    trials = RNG.integers(1, 20, N)

    def successes(data):
        with pm.Model() as model:
            n = pm.Data("n", data["n"].astype(int), dims="row")
            y = pm.Data("y", data["y"], dims="row")
            pm.Binomial("outcome", n=n, p=pm.Beta("p", 1.0, 1.0), observed=y, dims="row")
        return model

    y = RNG.binomial(trials, 0.3)
    fit = wb.maximum_likelihood(wb.bind(successes, dataset(y, n=trials)))
    found, p = fit.predict(), y.sum() / trials.sum()
    np.testing.assert_allclose(found["estimate"], trials * p, rtol=1e-6)
    error = np.sqrt(p * (1 - p) / trials.sum())
    np.testing.assert_allclose(found["se"], trials * error, rtol=1e-6)
    assert (found["upper"] < trials).all()


def test_few_groups_take_students_t():
    groups = np.repeat(np.arange(10), N // 10)
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, dataset(NORMAL, X, group=groups)))
    found, slopes = fit.predict(), np.column_stack([EXOG, np.zeros(N)])
    errors = np.sqrt(np.einsum("ni,ij,nj->n", slopes, fit.cov_params("cluster"), slopes))
    np.testing.assert_allclose(found["se"], errors, rtol=1e-10)
    half = stats.t.ppf(0.975, 9) * errors
    np.testing.assert_allclose(found["upper"] - found["estimate"], half, rtol=1e-9)


def test_too_few_groups_leave_values_alone():
    groups = np.repeat(np.arange(2), N // 2)
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, dataset(NORMAL, X, group=groups)))
    assert fit.predict()[["se", "lower", "upper"]].isna().all(axis=None)
    assert fit.predict(kind="observed").notna().all(axis=None)


def test_without_a_regular_optimum_there_are_values_alone():
    apart = dataset([0, 0, 1, 1], [-2.0, -1.0, 1.0, 2.0])
    fit = wb.maximum_likelihood(wb.bind(binary.logit, apart))
    assert fit.status == "running away"
    for of, at in (("mean", None), ("probability", 1), ("at most", 0)):
        found = fit.predict(of=of, at=at)
        assert found["estimate"].notna().all()
        assert found[["se", "lower", "upper"]].isna().all(axis=None)


def test_held_parameters_count_as_known():
    problem = fitted("poisson").problem
    fit = wb.maximum_likelihood(problem, fixed={"beta[x1]": 0.5, "beta[x2]": -0.3})
    found = fit.predict()
    # log mu moves with the intercept alone.
    np.testing.assert_allclose(
        found["se"], found["estimate"] * fit.bse["beta[Intercept]"], rtol=1e-10
    )


def test_a_mean_that_does_not_exist_has_no_error():
    y = stats.t.rvs(0.8, size=400, random_state=3)
    fit = wb.maximum_likelihood(wb.bind(continuous.student_t, dataset(y)))
    assert fit.params["nu"] < 1
    found = fit.predict()
    assert not np.isfinite(found["estimate"]).any()
    assert found["se"].isna().all()
    assert fit.predict(of="quantile", at=0.5)["se"].notna().all()


def test_an_estimated_limit_of_the_outcome_has_no_smooth_error():
    y = np.random.default_rng(4).normal(size=60)

    def truncated(data):
        with pm.Model() as model:
            observed = pm.Data("y", data["y"], dims="row")
            base = pm.Normal.dist(pm.Normal("mu", 0.0, 1.0), 1.0)
            end = pm.Normal("end", 10.0, 0.1, initval=10.0)
            pm.Truncated("outcome", base, lower=None, upper=end, observed=observed)
        return model

    fit = wb.maximum_a_posteriori(wb.bind(truncated, dataset(y)))
    assert fit.optimum.verdict.regular
    with pytest.raises(wb.ModelError, match="estimates a limit or a number of trials"):
        fit.predict()


def test_rows_that_hang_together_are_refused():
    fit = wb.maximum_likelihood(wb.bind(declarations.centred_inside, dataset(NORMAL)))
    # A mean that nothing identifies leaves values; with a prior there is an optimum.
    fit = wb.maximum_a_posteriori(fit.problem)
    with pytest.raises(wb.ModelError, match="no distribution by row"):
        fit.predict()


def test_several_outcomes_or_values_on_a_row_are_refused():
    with pm.Model() as pair:
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("first", mu, 1.0, observed=NORMAL)
        pm.Normal("second", mu, 2.0, observed=NORMAL[::-1])
    with pytest.raises(wb.ModelError, match="several outcomes on one row"):
        wb.maximum_likelihood(wb.bind(pair)).predict()
    with pm.Model() as wide:
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("outcome", mu, 1.0, observed=X)
    with pytest.raises(wb.ModelError, match="several values on one row"):
        wb.maximum_likelihood(wb.bind(wide)).predict()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("poisson", {"of": "meen"}, "not 'meen', did you mean 'mean'"),
        ("poisson", {"at": 2}, "a mean is at nothing"),
        ("poisson", {"of": "quantile"}, "between 0 and 1, such as 0.5, not None"),
        ("poisson", {"of": "quantile", "at": 95}, "between 0 and 1, such as 0.5, not 95"),
        ("poisson", {"of": "probability"}, "of an outcome, given as at, and not of None"),
        ("poisson", {"of": "probability", "at": 1.5}, "a whole number, so at is one"),
        ("poisson", {"of": "at most", "at": np.inf}, "and not of inf"),
        ("normal", {"of": "probability", "at": 1}, "a single value has no probability"),
        ("poisson", {"level": 95}, "level lies between 0 and 1"),
        ("poisson", {"kind": "hc3"}, "'observed', 'expected', 'opg', 'sandwich'"),
    ],
)
def test_what_cannot_be_asked_is_told(name, arguments, message):
    with pytest.raises(wb.ModelError, match=message):
        fitted(name).predict(**arguments)


def test_an_outcome_computed_inside_the_model_takes_no_other():
    def shifted(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Poisson("outcome", pm.Gamma("mu", 2.0, 1.0), observed=y + 1, dims="row")
        return model

    fit = wb.maximum_likelihood(wb.bind(shifted, dataset(OUTCOMES["poisson"])))
    with pytest.raises(wb.ModelError, match="the outcome is computed inside the model"):
        fit.predict(of="probability", at=0)
    assert fit.predict(of="at most", at=0)["se"].notna().all()
