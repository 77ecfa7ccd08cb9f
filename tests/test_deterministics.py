"""Deterministics are functions of the parameters, with errors by the delta method."""

import pickle

import numpy as np
import pymc as pm
import pytest
import statsmodels.api as sm
from scipy import stats

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from tests.declarations import dataset
from workbench.problem.deterministics import Deterministics

RNG = np.random.default_rng(20261123)
N = 120
X = RNG.normal(size=(N, 2))
EXOG = sm.add_constant(X)
Y = EXOG @ [1.0, 0.5, -0.7] + 1.5 * RNG.normal(size=N)
DOSE = RNG.gamma(2.0, 1.0, N)
LABELS = [f"r{row}" for row in range(N)]
DATA = dataset(Y, X, dose=DOSE).assign_coords(row=LABELS)


def described(data):
    """Normal regression that tells more than its parameters."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        design = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        dose = pm.Data("dose", data["dose"], dims="row")
        grid = pm.Data("grid", np.linspace(0.0, 1.0, 3))
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        sigma = pm.HalfNormal("sigma", 10.0)
        mu = pm.Deterministic("mu", design @ beta)
        pm.Deterministic("ratio", pm.math.exp(beta), dims="term")
        pm.Deterministic("variance", sigma**2)
        pm.Deterministic("response", dose * sigma, dims="row")
        pm.Deterministic("curve", grid * beta[0])
        pm.Deterministic("products", beta[:, None] * beta[None, :], dims=("term", None))
        pm.Deterministic("positive", beta[1] > 0)
        outcome = pm.Normal("outcome", mu, sigma, observed=y, dims="row")
        pm.Deterministic("residual", outcome - mu)
        pm.Deterministic("half", 0.5 * dose)
        pm.Deterministic("drawn", mu + pm.Normal.dist(0.0, 1.0))
    return model


@pytest.fixture(scope="module")
def fit():
    return wb.maximum_likelihood(wb.bind(described, DATA))


def test_a_transformed_parameter_has_the_error_of_the_delta_method(fit):
    found = fit.deterministics("ratio", "variance")
    assert list(found.index) == ["ratio[Intercept]", "ratio[x1]", "ratio[x2]", "variance"]
    beta, sigma = fit.params.to_numpy()[:3], fit.params["sigma"]
    np.testing.assert_allclose(found["estimate"][:3], np.exp(beta), rtol=1e-14)
    np.testing.assert_allclose(found["se"][:3], np.exp(beta) * fit.bse[:3], rtol=1e-12)
    # sigma^2 = RSS / n has the variance 2 sigma^4 / n.
    assert found["se"]["variance"] == pytest.approx(sigma**2 * np.sqrt(2 / N), rel=1e-9)
    half = stats.norm.ppf(0.975) * found["se"]
    np.testing.assert_allclose(found["upper"] - found["estimate"], half, rtol=1e-12)
    np.testing.assert_allclose(found["estimate"] - found["lower"], half, rtol=1e-12)


def test_a_mean_by_row_is_statsmodels_prediction(fit):
    found = fit.deterministics("mu")
    assert list(found.index[:2]) == ["mu[r0]", "mu[r1]"]
    theirs = sm.OLS(Y, EXOG).fit().get_prediction()
    np.testing.assert_allclose(found["estimate"], theirs.predicted_mean, rtol=1e-9)
    # Least squares divide by n - 3, maximum likelihood by n.
    np.testing.assert_allclose(found["se"], theirs.se_mean * np.sqrt((N - 3) / N), rtol=1e-9)


def test_the_jacobian_is_exact_and_that_of_both_engines():
    problems = [wb.bind(described, DATA, engine=engine) for engine in ("jax", "pytensor")]
    theta = np.array([0.3, -0.2, 0.9, 0.4])
    ours, theirs = (problem.deterministics(theta) for problem in problems)
    assert ours.labels == theirs.labels
    smooth = np.array([label != "positive" for label in ours.labels])
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ours.jacobian, theirs.jacobian, rtol=1e-12, atol=1e-14)
    step = 1e-5
    for place, unit in enumerate(np.eye(4)):
        ahead, behind = (problems[0].deterministics(theta + s * step * unit).values
                         for s in (1, -1))  # fmt: skip
        difference = (ahead - behind) / (2 * step)
        # Central differences: 1e-10 left out, 1e-11 of rounding, of numbers up to 10.
        np.testing.assert_allclose(
            ours.jacobian[smooth, place], difference[smooth], rtol=1e-8, atol=1e-8
        )
    np.testing.assert_array_equal(ours.jacobian[:N, :3], EXOG)


def test_other_rows_have_their_own_values_and_labels(fit):
    other = DATA.isel(row=[5, 2]).assign(dose=("row", [10.0, 20.0]))
    found = fit.problem.on(other).deterministics(fit.theta, "mu", "response", "curve")
    assert found.labels[:4] == ("mu[r5]", "mu[r2]", "response[r5]", "response[r2]")
    assert found.labels[4:] == ("curve[0]", "curve[1]", "curve[2]")
    beta, sigma = fit.params.to_numpy()[:3], fit.params["sigma"]
    expected = [*(EXOG[[5, 2]] @ beta), 10 * sigma, 20 * sigma, 0, beta[0] / 2, beta[0]]
    np.testing.assert_allclose(found.values, expected, rtol=1e-13)


def test_data_that_only_a_deterministic_reads_follow_although_the_likelihood_stays(fit):
    """The same rows at another dose: what a counterfactual asks for."""
    other = fit.problem.on(DATA.assign(dose=("row", DOSE + 1)))
    found = other.deterministics(fit.theta, "response").values
    np.testing.assert_allclose(found, (DOSE + 1) * fit.params["sigma"], rtol=1e-13)


def test_nothing_is_read_or_compiled_before_it_is_asked_for(monkeypatch):
    def touched(*_):
        raise AssertionError("read without being asked for")

    monkeypatch.setattr(Deterministics, "__getitem__", touched)
    found = wb.maximum_likelihood(wb.bind(described, DATA))
    found.summary()
    assert not [name for name in found.problem.functions.engines if "determin" in name]


def test_a_pickled_problem_brings_its_deterministics():
    problem = wb.bind(described, DATA).on(DATA.isel(row=slice(3)))
    theta = np.array([0.3, -0.2, 0.9, 0.4])
    arrived = pickle.loads(pickle.dumps(problem)).deterministics(theta, "mu", "response")
    sent = problem.deterministics(theta, "mu", "response")
    assert arrived.labels == sent.labels
    np.testing.assert_array_equal(arrived.values, sent.values)


def test_what_moves_in_steps_has_no_error(fit):
    found = fit.deterministics("positive").loc["positive"]
    assert found["estimate"] == 1
    assert found[["se", "lower", "upper"]].isna().all()


def test_held_parameters_leave_no_error():
    problem = wb.bind(described, DATA)
    fit = wb.maximum_likelihood(problem, fixed={"beta[x1]": 0.5})
    found = fit.deterministics("ratio")
    assert found["se"]["ratio[x1]"] == 0
    assert found["lower"]["ratio[x1]"] == found["estimate"]["ratio[x1]"]
    assert (found["se"].drop("ratio[x1]") > 0).all()


def test_a_simplex_is_gone_through_in_full():
    """log(p_b / p_a) of a multinomial has the variance 1 / n_a + 1 / n_b."""

    def odds(data):
        model = declarations.simplex(data)
        with model:
            pm.Deterministic("log odds", pm.math.log(model["p"][1] / model["p"][0]))
        return model

    fit = wb.maximum_likelihood(wb.bind(odds, dataset(np.repeat([0, 1, 2], [20, 30, 50]))))
    found = fit.deterministics().loc["log odds"]
    assert found["estimate"] == pytest.approx(np.log(30 / 20), rel=1e-6)
    assert found["se"] == pytest.approx(np.sqrt(1 / 20 + 1 / 30), rel=1e-6)


def test_few_groups_take_students_t():
    groups = np.repeat(np.arange(12), N // 12)
    fit = wb.maximum_likelihood(wb.bind(described, DATA.assign(group=("row", groups))))
    found = fit.deterministics("variance").loc["variance"]
    half = stats.t.ppf(0.95, 11) * found["se"]
    narrower = fit.deterministics("variance", level=0.9).loc["variance"]
    assert narrower["upper"] - found["estimate"] == pytest.approx(half, rel=1e-12)
    jacobian = 2 * fit.params["sigma"]
    assert found["se"] == pytest.approx(jacobian * fit.bse["sigma"], rel=1e-12)
    rows = fit.deterministics("variance", kind="sandwich").loc["variance"]
    assert rows["se"] == pytest.approx(
        jacobian * fit.standard_errors("sandwich")["sigma"], rel=1e-12
    )


def test_without_a_regular_optimum_there_are_values_alone():
    apart = dataset([0, 0, 1, 1], [-2.0, -1.0, 1.0, 2.0])

    def told(data):
        model = binary.logit(data)
        with model:
            pm.Deterministic("double", 2 * model["beta"])
        return model

    fit = wb.maximum_likelihood(wb.bind(told, apart))
    assert fit.status == "running away"
    found = fit.deterministics()
    np.testing.assert_allclose(found["estimate"], 2 * fit.params, rtol=1e-14)
    assert found[["se", "lower", "upper"]].isna().all(axis=None)


def test_expressions_may_name_deterministics(fit):
    found = fit.derived("log(variance) / 2", "mu[r3] - ratio[x1]")
    sigma = fit.params["sigma"]
    assert found["estimate"].iloc[0] == pytest.approx(np.log(sigma), rel=1e-12)
    assert found["se"].iloc[0] == pytest.approx(fit.bse["sigma"] / sigma, rel=1e-12)
    slope = EXOG[3] - [0, np.exp(fit.params["beta[x1]"]), 0]
    covariance = fit.cov_params().to_numpy()[:3, :3]
    assert found["se"].iloc[1] == pytest.approx(np.sqrt(slope @ covariance @ slope), rel=1e-12)
    wald = fit.wald_test("variance = 1")
    assert wald.statistic == pytest.approx(
        ((sigma**2 - 1) / (2 * sigma * fit.bse["sigma"])) ** 2, rel=1e-12
    )


def test_a_parameter_comes_before_a_deterministic_of_the_same_label(fit):
    def twice(data):
        model = described(data)
        with model:
            pm.Deterministic("beta[x1]", 100 * model["beta"][1])
        return model

    other = wb.maximum_likelihood(wb.bind(twice, DATA))
    assert other.derived("beta[x1]")["estimate"].item() == pytest.approx(
        fit.params["beta[x1]"], rel=1e-6
    )
    assert other.deterministics("beta[x1]")["estimate"].item() == pytest.approx(
        100 * fit.params["beta[x1]"], rel=1e-6
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("residual", "'residual' depends on the observed 'outcome'"),
        ("drawn", "'drawn' is drawn at random even if the parameters are known"),
        ("half", "'half' depends on no parameter"),
        ("vairance", "no Deterministic 'vairance', did you mean 'variance'"),
    ],
)
def test_what_is_no_function_of_the_parameters_is_told_so(fit, name, message):
    with pytest.raises(wb.ModelError, match=message):
        fit.deterministics(name)
    assert not any(label.startswith(name) for label in fit.deterministics().index)


def test_a_model_without_deterministics_says_so():
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(RNG.poisson(2.0, 20))))
    with pytest.raises(wb.ModelError, match=r"declares no pm\.Deterministic"):
        fit.deterministics()


def test_rows_written_into_a_deterministic_are_refused():
    def fixed(data):
        model = continuous.normal(data)
        with model:
            pm.Deterministic("scaled", data["dose"].values * model["sigma"])
        return model

    problem = wb.bind(fixed, DATA)
    with pytest.raises(wb.ModelError, match=r"stands in the model as a constant.*pm\.Data"):
        problem.deterministics(problem.start(), "scaled")


def test_a_ready_model_wants_what_its_deterministics_read():
    problem = wb.bind(described(DATA))
    theta = np.array([0.3, -0.2, 0.9, 0.4])
    expected = DOSE * np.exp(0.4)
    np.testing.assert_allclose(problem.deterministics(theta, "response").values, expected)
    other = {"X": EXOG[:2], "y": Y[:2]}
    assert problem.on(other).deterministics(theta, "curve").values.shape == (3,)
    moved = problem.on(other | {"dose": DOSE[:2]}).deterministics(theta, "response")
    np.testing.assert_allclose(moved.values, expected[:2])
    with pytest.raises(wb.DataError, match="'response' needs 'dose', which these rows do not"):
        problem.on(other).deterministics(theta, "response")


def test_a_ready_model_with_its_rows_as_constants_has_deterministics_too():
    with pm.Model() as model:
        slope = pm.Normal("slope", 0.0, 10.0)
        mu = pm.Deterministic("mu", slope * X[:, 0])
        pm.Normal("outcome", mu, 1.0, observed=Y)
    fit = wb.maximum_likelihood(wb.bind(model))
    np.testing.assert_allclose(
        fit.deterministics()["se"], np.abs(X[:, 0]) * fit.bse["slope"], rtol=1e-12
    )
