"""Outcomes drawn from the declared model: their moments, their rows, and what is refused."""

import pickle
from dataclasses import replace

import numpy as np
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

import workbench as wb
from models import binary, continuous, counts, positive
from models.definition import definition
from tests import declarations
from tests.declarations import dataset
from workbench.problem.functions import Functions

RNG = np.random.default_rng(21)
N = 20_000
ERRORS = 4.5  # standard errors: one false alarm in 100,000
# Dvoretzky, Kiefer and Wolfowitz: farther apart once in a million, whatever the distribution.
DISTANCE = np.sqrt(np.log(2e6) / (2 * N))
X = RNG.normal(size=(60, 2))
COUNTS = RNG.poisson(np.exp(0.4 + 0.3 * X[:, 0]))


def bare(y):
    """Outcomes alone, for definitions without a design."""
    return xr.Dataset({"y": ("row", np.asarray(y, float))})


def theta_of(problem, values):
    """theta of natural values by name, each for all coordinates of its parameter."""
    pieces = [np.broadcast_to(values[p.name], p.shape).ravel() for p in problem.parameters]
    return problem.unconstrained(np.concatenate(pieces))


def truncated_normal(data):
    """Normal outcomes of which those below 0 were never seen."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        base = pm.Normal.dist(pm.Normal("mu", 0.0, 10.0), pm.HalfNormal("sigma", 10.0))
        pm.Truncated("outcome", base, lower=0.0, upper=None, observed=y, dims="row")
    return model


def ordered(data):
    """Ordered categories by a logit."""
    start = {"transform": pm.distributions.transforms.ordered, "initval": [-1.0, 1.0]}
    with pm.Model() as model:
        y = pm.Data("y", data["y"].astype(int), dims="row")
        cuts = pm.Normal("cuts", 0.0, 3.0, shape=2, **start)
        pm.OrderedLogistic("outcome", eta=0.0, cutpoints=cuts, observed=y, dims="row")
    return model


def shares(values, probabilities):
    return stats.rv_discrete(values=(values, probabilities))


def hurdle(psi, mu, alpha):
    """Zero with probability 1 - psi, else an NB2 above zero."""
    values = np.arange(200)
    above = stats.nbinom.pmf(values, alpha, alpha / (alpha + mu))
    mass = psi * above / (1 - above[0])
    mass[0] = 1 - psi
    return shares(values, mass / mass.sum())


def inflated(psi, mu):
    values = np.arange(100)
    mass = psi * stats.poisson.pmf(values, mu)
    mass[0] += 1 - psi
    return shares(values, mass / mass.sum())


E = np.exp(0.7)
HALF = 1 / (1 + np.exp(-0.7))
LOGIT = stats.logistic
# What is declared, at which natural values, and SciPy's distribution of every row.
FAMILIES = [
    (counts.poisson, {"beta": 0.7}, stats.poisson(E)),
    (counts.negative_binomial, {"beta": 0.7, "alpha": 1.5}, stats.nbinom(1.5, 1.5 / (1.5 + E))),
    (counts.zero_inflated_poisson, {"beta": 0.7, "gamma": -0.7}, inflated(HALF, E)),
    (
        counts.hurdle_negative_binomial,
        {"beta": 0.7, "alpha": 1.5, "gamma": -0.7},
        hurdle(HALF, E, 1.5),
    ),
    (continuous.normal, {"beta": 0.7, "sigma": 2.0}, stats.norm(0.7, 2.0)),
    (binary.logit, {"beta": 0.7}, stats.bernoulli(HALF)),
    (
        continuous.student_t,
        {"beta": 0.7, "nu": 9.0, "sigma": 2.0},
        stats.t(9.0, loc=0.7, scale=2.0),
    ),
    (declarations.gamma, {"beta": 0.7, "shape": 1.5}, stats.gamma(1.5, scale=E / 1.5)),
    (positive.exponential, {"beta": 0.7}, stats.expon(scale=E)),
    (
        declarations.beta_binomial,
        {"beta": 0.7, "size": 4.0},
        stats.betabinom(10, 4 * HALF, 4 * (1 - HALF)),
    ),
    (declarations.beta, {"mean": 0.3, "precision": 5.0}, stats.beta(1.5, 3.5)),
    (declarations.uniform, {"upper": 3.0}, stats.uniform(0, 3.0)),
    (declarations.simplex, {"p": [0.2, 0.3, 0.5]}, shares([0, 1, 2], [0.2, 0.3, 0.5])),
    (truncated_normal, {"mu": 0.7, "sigma": 2.0}, stats.truncnorm(-0.35, np.inf, 0.7, 2.0)),
    (
        ordered,
        {"cuts": [-0.5, 1.0]},
        shares([0, 1, 2], np.diff([0, LOGIT.cdf(-0.5), LOGIT.cdf(1.0), 1])),
    ),
]


def drawn_at(declared, values, seed=3):
    """N outcomes of the declaration at natural values by name."""
    y = np.arange(N) % 2 / 2 + 0.25 if declared is declarations.beta else np.arange(N) % 2
    data = dataset(y) if "beta" in values else bare(y)
    problem = wb.bind(declared, data)
    return problem.simulate(theta_of(problem, values), np.random.default_rng(seed))


def farthest(drawn, cdf):
    """The largest distance between the drawn and the expected distribution function."""
    values, seen = np.unique(drawn, return_counts=True)
    return np.abs(np.cumsum(seen) / len(drawn) - cdf(values)).max()


@pytest.mark.parametrize(
    ("declared", "values", "expected"), FAMILIES, ids=[d.__name__ for d, _, _ in FAMILIES]
)
def test_draws_have_scipys_mean_variance_and_distribution(declared, values, expected):
    drawn = drawn_at(declared, values)
    mean, variance = expected.mean(), expected.var()
    assert abs(drawn.mean() - mean) < ERRORS * np.sqrt(variance / N)
    squares = (drawn - mean) ** 2
    assert abs(squares.mean() - variance) < ERRORS * squares.std() / np.sqrt(N)
    assert farthest(drawn, expected.cdf) < DISTANCE


def test_censored_and_mixed_outcomes_have_their_distribution_function():
    censored = drawn_at(declarations.tobit, {"beta": 0.7, "sigma": 2.0})
    assert censored.min() == 0
    assert farthest(censored, stats.norm(0.7, 2.0).cdf) < DISTANCE
    parts = {"weight": 0.3, "mean_a": 0.0, "mean_b": 4.0, "scale_a": 1.0, "scale_b": 2.0}
    mixed = drawn_at(declarations.two_normals((0.0, 1.0), (4.0, 2.0)), parts)
    first, second = stats.norm(0.0, 1.0), stats.norm(4.0, 2.0)
    assert farthest(mixed, lambda x: 0.3 * first.cdf(x) + 0.7 * second.cdf(x)) < DISTANCE


def test_the_parts_of_a_mixture_are_drawn_apart_from_the_choice_between_them():
    def declared(data):
        with pm.Model() as model:
            y, weight = pm.Data("y", data["y"], dims="row"), pm.Beta("weight", 2.0, 2.0)
            parts = [pm.Uniform.dist(0.0, 1.0), pm.Uniform.dist(1.0, 2.0)]
            weights = pm.math.stack([weight, 1.0 - weight])
            pm.Mixture("outcome", w=weights, comp_dists=parts, observed=y, dims="row")
        return model

    drawn = drawn_at(declared, {"weight": 0.5})
    assert farthest(drawn, stats.uniform(0, 2).cdf) < DISTANCE


@pytest.mark.parametrize("engine", ["auto", "jax", "pytensor"])
def test_a_draw_is_reproducible_and_the_next_is_another(engine):
    problem = wb.bind(counts.zero_inflated_poisson, dataset(COUNTS, X), engine=engine)
    theta = problem.start()
    rng = np.random.default_rng(5)
    first, second = problem.simulate(theta, rng), problem.simulate(theta, rng)
    np.testing.assert_array_equal(first, problem.simulate(theta, np.random.default_rng(5)))
    assert (first != second).any()
    assert first.dtype == problem.rows.observed.dtype
    assert problem.functions.engines["outcome"] == "PyTensor"


@pytest.mark.parametrize("named", [False, True], ids=["plain", "rows with labels"])
def test_other_rows_draw_from_their_own_covariates(named):
    def declared(data):
        coords = {"row": data["row"].values} if named else {}
        with pm.Model(coords=coords | {"term": data["term"].values}) as model:
            pm.Data("unread", data["X"][:, 0], dims="row")  # the first to tell how many rows
            X, y = pm.Data("X", data["X"], dims=("row", "term")), pm.Data("y", data["y"])
            beta = pm.Normal("beta", 0.0, 1.0, dims="term")
            pm.Normal("outcome", X @ beta, 1e-6, observed=y, dims="row")
        return model

    problem = wb.bind(declared, dataset(COUNTS, X))
    theta = np.array([1.0, 2.0, -1.0])
    for rows in (slice(0, 60), slice(7, 31), slice(0, 1)):
        other = problem.on(dataset(COUNTS, X).isel(row=rows))
        drawn = other.simulate(theta, np.random.default_rng(0))
        np.testing.assert_allclose(drawn, 1 + X[rows] @ theta[1:], atol=6e-6)


def test_a_row_with_several_values_has_all_of_them_drawn():
    means = np.array([0.0, 10.0, 20.0])
    with pm.Model() as model:
        shift = pm.Normal("shift", 0.0, 1.0)
        pm.Normal("outcome", means + shift, 1.0, observed=np.zeros((4000, 3)))
    drawn = wb.bind(model).simulate(np.array([0.5]), np.random.default_rng(1))
    assert drawn.shape == (4000, 3)
    np.testing.assert_allclose(drawn.mean(axis=0), means + 0.5, atol=ERRORS / np.sqrt(4000))
    correlation = np.corrcoef(drawn, rowvar=False)[np.triu_indices(3, 1)]
    assert np.abs(correlation).max() < ERRORS / np.sqrt(4000)


def test_rows_that_depend_on_each_other_are_drawn_together():
    covariance = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.0], [0.0, 0.0, 1.0]])
    with pm.Model() as model:
        pm.MvNormal("outcome", pm.Normal("mu", 0.0, 1.0), covariance, observed=np.zeros(3))
    problem, rng = wb.bind(model), np.random.default_rng(2)
    assert not problem.independent
    drawn = np.array([problem.simulate(np.zeros(1), rng) for _ in range(2000)])
    np.testing.assert_allclose(np.cov(drawn, rowvar=False), covariance, atol=ERRORS * 0.032)


def test_nothing_is_compiled_anew_for_other_outcomes(monkeypatch):
    compiled = []
    make = Functions._compile
    monkeypatch.setattr(
        Functions, "_compile", lambda self, name, example: compiled.append(name)
        or make(self, name, example),
    )  # fmt: skip
    problem = wb.bind(counts.negative_binomial, dataset(COUNTS, X))
    theta, rng = problem.start(), np.random.default_rng(0)
    for _ in range(3):
        other = problem.with_outcomes(problem.simulate(theta, rng))
        other.derivatives(theta)
        other.simulate(theta, rng)
    problem.on(dataset(COUNTS[:9], X[:9])).simulate(theta, rng)
    assert compiled == ["outcome", "derivatives"]


def test_other_outcomes_are_those_bound_from_the_start():
    data = dataset(COUNTS, X)
    problem, y = wb.bind(counts.poisson, data), COUNTS[::-1].astype(float)
    other, fresh = problem.with_outcomes(y), wb.bind(counts.poisson, dataset(y, X))
    theta = np.array([0.3, 0.2, -0.1])
    np.testing.assert_array_equal(other.pointwise(theta), fresh.pointwise(theta))
    np.testing.assert_array_equal(other.data_start(), fresh.data_start())
    arrived = pickle.loads(pickle.dumps(other))
    np.testing.assert_array_equal(arrived.pointwise(theta), fresh.pointwise(theta))
    xr.testing.assert_identical(other.dataset, fresh.dataset)
    xr.testing.assert_identical(problem.dataset, data)  # as it was


def test_a_ready_model_takes_other_outcomes_even_written_in():
    with pm.Model() as model:
        pm.Poisson("visits", pm.math.exp(X @ pm.Normal("beta", 0, 1, shape=2)), observed=COUNTS)
    problem = wb.bind(model)
    drawn = problem.simulate(np.zeros(2), np.random.default_rng(0))
    expected = stats.poisson.logpmf(drawn, 1.0)
    np.testing.assert_allclose(problem.with_outcomes(drawn).pointwise(np.zeros(2)), expected)
    assert drawn.dtype == COUNTS.dtype


def test_the_outcome_may_bear_another_name_in_the_data():
    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["visits"], dims="row")
            pm.Poisson("outcome", pm.HalfNormal("mu", 5.0), observed=y, dims="row")
        return model

    problem = wb.bind(
        declared, xr.Dataset({"visits": ("row", COUNTS), "other": ("row", COUNTS + 1)})
    )
    other = problem.with_outcomes(COUNTS[::-1])
    np.testing.assert_array_equal(other.dataset["visits"], COUNTS[::-1])


def simulated_by_hand(simulate):
    @definition(simulate=simulate)
    def by_hand(data):
        return continuous.normal(data)

    return wb.bind(by_hand, dataset(COUNTS, X))


def test_a_definitions_own_simulator_is_used():
    def simulate(data, values, rng):
        mean = data["X"].values @ values["beta"]
        return {"y": mean + values["sigma"] + 0 * rng.normal(size=len(mean))}

    problem = simulated_by_hand(simulate)
    theta = theta_of(problem, {"beta": [1.0, 2.0, 3.0], "sigma": 0.5})
    drawn = problem.simulate(theta, np.random.default_rng(0))
    np.testing.assert_allclose(drawn, 1.5 + X @ [2.0, 3.0], rtol=1e-12)
    other = problem.on(dataset(COUNTS[:5], X[:5])).simulate(theta, np.random.default_rng(0))
    np.testing.assert_allclose(other, drawn[:5], rtol=1e-12)


def broken(data, values, rng):
    raise KeyError("alpha")


@pytest.mark.parametrize(
    ("simulate", "message"),
    [
        (lambda data, values, rng: {"Y": data["y"]}, "draws 'Y', and the outcome is 'y', did you"),
        (lambda data, values, rng: {"y": data["y"][:5]}, r"shape \(5,\), where \(60,\) was"),
        (lambda data, values, rng: {"y": data["y"] + np.inf}, "outcome is inf at row 0"),
        (broken, "simulator of by_hand raised KeyError: 'alpha'"),
    ],
)
def test_a_definitions_simulator_that_does_not_fit_is_told(simulate, message):
    problem = simulated_by_hand(simulate)
    with pytest.raises(wb.ModelError, match=message):
        problem.simulate(problem.start(), np.random.default_rng(0))


def normal_logp(value, mu, sigma):
    return pm.logp(pm.Normal.dist(mu, sigma), value)


def ready(build):
    with pm.Model() as model:
        build(pm.Normal("mu", 0.0, 1.0))
    return wb.bind(model)


SEEN = np.array([1.0, 2.0, 4.0])


def two_outcomes(mu):
    pm.Normal("a", mu, np.float64(1.0), observed=SEEN)
    pm.Normal("b", mu, np.float64(1.0), observed=SEEN)


def fed_back(mu):
    y = pm.Data("y", SEEN)
    pm.Normal("outcome", mu * y, np.float64(1.0), observed=y)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (two_outcomes, "several outcomes on one row"),
        (fed_back, "reads the outcome's own values"),
        (
            lambda mu: pm.CustomDist("outcome", mu, 1.0, logp=normal_logp, observed=SEEN),
            r"no random draw of its outcome .*pm\.CustomDist\(\.\.\., random=",
        ),
        (
            lambda mu: pm.Normal("outcome", mu, 1.0, observed=pm.Data("y", np.arange(3))),
            "stored in whole numbers .int.*, and these are not",
        ),
    ],
    ids=["two outcomes", "fed back", "no random", "whole numbers"],
)
def test_what_cannot_be_drawn_is_refused(build, message):
    with pytest.raises(wb.ModelError, match=message):
        ready(build).simulate(np.zeros(1), np.random.default_rng(0))


@pytest.mark.slow
def test_a_simulator_that_gives_up_is_one_sentence():
    problem = wb.bind(counts.hurdle_negative_binomial, dataset(COUNTS))
    theta = theta_of(problem, {"beta": -30.0, "alpha": 1.0, "gamma": 0.0})  # none above zero
    with pytest.raises(wb.ModelError, match="cannot be simulated: TruncationError"):
        problem.simulate(theta, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("outcomes", "error", "message"),
    [
        (COUNTS[:5], wb.DataError, r"have shape \(60,\), not \(5,\)"),
        (np.where(np.arange(60) == 3, np.nan, COUNTS), wb.DataError, "NaN or infinite"),
        (COUNTS + 0.5, wb.DataError, "which is not a whole number"),
    ],
)
def test_outcomes_that_do_not_fit_are_refused(outcomes, error, message):
    with pytest.raises(error, match=message):
        wb.bind(counts.poisson, dataset(COUNTS, X)).with_outcomes(outcomes)


def transformed(data):
    with pm.Model() as model:
        y = pm.Data("log_y", np.log(data["y"]), dims="row")
        pm.Normal("outcome", pm.Normal("mu", 0.0, 1.0), 1.0, observed=y, dims="row")
    return model


def renamed(data):
    with pm.Model() as model:
        y = pm.Data("seen", data["y"], dims="row")
        pm.Normal("outcome", pm.Normal("mu", 0.0, 1.0), 1.0, observed=y, dims="row")
    return model


def test_outcomes_without_one_column_of_their_own_are_refused():
    problem = wb.bind(transformed, bare(SEEN))
    with pytest.raises(wb.ModelError, match="'log_y' stands in no column of the data"):
        problem.with_outcomes(np.zeros(3))
    twice = bare(SEEN).assign(copy=("row", SEEN))
    with pytest.raises(wb.ModelError, match="'seen' stands 'y' and 'copy' alike"):
        wb.bind(renamed, twice).with_outcomes(np.zeros(3))
    inside = ready(lambda mu: pm.Normal("o", mu, 1.0, observed=pm.math.log(pm.Data("y", SEEN))))
    with pytest.raises(wb.ModelError, match="computed inside the model"):
        inside.with_outcomes(np.zeros(3))
    with pytest.raises(wb.ModelError, match="no single one can be replaced"):
        ready(two_outcomes).with_outcomes(np.zeros(3))


def test_a_row_of_weight_three_stands_there_three_times():
    weights = RNG.integers(0, 4, 60).astype(float)
    problem = wb.bind(counts.poisson, dataset(COUNTS, X, weight=weights))
    theta, repeated = np.array([0.3, 0.2, -0.1]), problem.unweighted()
    assert repeated.rows.count == weights.sum()
    assert repeated.value_and_gradient(theta)[0] == pytest.approx(
        problem.value_and_gradient(theta)[0], rel=1e-12
    )
    drawn = repeated.simulate(theta, np.random.default_rng(0))
    assert len(drawn) == weights.sum()
    arrived = pickle.loads(pickle.dumps(repeated))
    np.testing.assert_array_equal(arrived.pointwise(theta), repeated.pointwise(theta))
    plain = wb.bind(counts.poisson, dataset(COUNTS, X))
    assert plain.unweighted() is plain


def test_weights_that_are_no_numbers_of_rows_are_refused():
    problem = wb.bind(counts.poisson, dataset(COUNTS, X, weight=np.full(60, 1.5)))
    with pytest.raises(wb.ModelError, match="no whole numbers"):
        problem.unweighted()
    written_in = ready(lambda mu: pm.Normal("o", mu, 1.0, observed=SEEN))
    weighted = replace(written_in, rows=replace(written_in.rows, weights=np.array([1.0, 2, 3])))
    with pytest.raises(wb.ModelError, match=r"wrap it in pm\.Data"):
        weighted.unweighted()
