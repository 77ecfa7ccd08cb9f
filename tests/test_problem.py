"""A bound declaration: exact values, exact derivatives, refusals."""

import math
import pickle
from functools import partial

import numpy as np
import pymc as pm
import pytensor
import pytest
import xarray as xr
from pytensor.compile.mode import Mode
from scipy import special, stats

import workbench as wb
from models import binary, continuous, counts, positive
from tests import declarations
from tests.declarations import dataset
from tests.marking import slow_but
from workbench.problem import lowerings

# PyMC's own rewrites (FAST_COMPILE would lose digits), run as Python: quick to build.
STABLE = Mode(linker="py", optimizer="fast_run")
RNG = np.random.default_rng(7)
X = RNG.normal(size=(60, 2))
COUNTS = RNG.poisson(np.exp(0.4 + 0.3 * X[:, 0]))


def central_differences(function, theta, step=1e-6):
    return np.array([(function(theta + h) - function(theta - h)) / (2 * step)
                     for h in step * np.eye(len(theta))])  # fmt: skip


def some_theta(problem):
    return problem.start() + 0.2 * np.random.default_rng(1).normal(size=len(problem.start()))


COUNT_MODELS = [
    counts.poisson,
    counts.negative_binomial,
    counts.zero_inflated_poisson,
    counts.hurdle_negative_binomial,
]
OTHERS = [
    (continuous.normal, RNG.normal(size=60)),
    (binary.logit, RNG.integers(0, 2, 60)),
    (continuous.student_t, RNG.standard_t(4, 60)),
    (declarations.gamma, RNG.gamma(2.0, 1.0, 60)),
    (positive.exponential, RNG.exponential(1.0, 60)),
    (declarations.tobit, np.maximum(RNG.normal(size=60), 0)),
    (declarations.beta_binomial, RNG.integers(0, 11, 60)),
]
ALL = [(definition, COUNTS) for definition in COUNT_MODELS] + OTHERS
NAMES = [definition.__name__ for definition, _ in ALL]
QUICK = {"poisson", "negative_binomial", "normal", "logit", "tobit"}


@pytest.fixture(scope="module")
def problems():
    return {d.__name__: wb.bind(d, dataset(y, X)) for d, y in ALL}


@pytest.mark.parametrize("name", slow_but(QUICK, NAMES))
def test_nll_is_pymcs_own_summed_logp(problems, name):
    problem = problems[name]
    theta = some_theta(problem)
    with pytensor.config.change_flags(cast_policy="numpy+floatX"):
        model = problem.source(problem.dataset)
        logp = model.compile_logp(vars=model.observed_RVs, jacobian=False, mode=STABLE)
    point, end = {}, 0
    for variable in model.value_vars:
        shape = np.shape(model.initial_point()[variable.name])
        begin, end = end, end + int(np.prod(shape))
        point[variable.name] = theta[begin:end].reshape(shape)
    # The same formulae, rewritten differently and summed in another order.
    assert -problem.value_and_gradient(theta)[0] == pytest.approx(float(logp(point)), rel=1e-12)


def test_poisson_nll_is_the_exact_sum_of_scipys_terms(problems):
    problem = problems["poisson"]
    theta = some_theta(problem)
    mu = np.exp(problem.dataset["X"].values @ theta)
    exact = -math.fsum(stats.poisson.logpmf(COUNTS, mu))
    assert problem.value_and_gradient(theta)[0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("name", slow_but(QUICK, NAMES))
def test_gradient_is_the_slope_of_the_value(problems, name):
    problem = problems[name]
    theta = some_theta(problem)
    slope = central_differences(lambda t: problem.value_and_gradient(t)[0], theta)
    # Rounding of the value, 1e-14 of it, over a step of 1e-6.
    np.testing.assert_allclose(problem.value_and_gradient(theta)[1], slope, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", slow_but(QUICK, NAMES))
def test_hessian_is_the_slope_of_the_gradient(problems, name):
    problem = problems[name]
    theta = some_theta(problem)
    slope = central_differences(lambda t: problem.value_and_gradient(t)[1], theta)
    np.testing.assert_allclose(problem.hessian(theta), slope, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("name", slow_but(QUICK, NAMES))
def test_scores_are_the_slopes_of_the_rows_and_add_up(problems, name):
    problem = problems[name]
    theta = some_theta(problem)
    slope = central_differences(problem.pointwise, theta).T
    scores = problem.scores(theta)
    np.testing.assert_allclose(scores, slope, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        -scores.sum(axis=0), problem.value_and_gradient(theta)[1], rtol=1e-9, atol=1e-10
    )


@pytest.mark.parametrize(
    "name",
    ["poisson", "negative_binomial",
     pytest.param("hurdle_negative_binomial", marks=pytest.mark.slow)],
)  # fmt: skip
def test_both_engines_agree(problems, name):
    problem = problems[name]
    fallback = wb.bind(problem.source, problem.dataset, engine="pytensor")
    theta = some_theta(problem)
    value, gradient = fallback.value_and_gradient(theta)
    assert value == pytest.approx(problem.value_and_gradient(theta)[0], rel=1e-12)
    np.testing.assert_allclose(gradient, problem.value_and_gradient(theta)[1], rtol=1e-9, atol=1e-9)
    # The hurdle has no second derivative in PyTensor: differences of its gradient, 1e-7 of it.
    np.testing.assert_allclose(
        fallback.hessian(theta), problem.hessian(theta), rtol=1e-6, atol=1e-4
    )
    np.testing.assert_allclose(fallback.scores(theta), problem.scores(theta), rtol=1e-9, atol=1e-9)
    assert fallback.functions.engines["value_and_gradient"] == "PyTensor"


def test_the_fallback_is_chosen_without_asking_and_is_told():
    problem = wb.bind(declarations.censored_gamma, dataset(np.minimum(np.arange(1.0, 9.0), 5.0)))
    theta = problem.start() + 0.1
    slope = central_differences(lambda t: problem.value_and_gradient(t)[1], theta, step=1e-4)
    # The gradient's series is cut at 1e-9 or so; over a step of 1e-4 that leaves 1e-5.
    np.testing.assert_allclose(problem.hessian(theta), slope, rtol=2e-5)
    assert problem.functions.engines["value_and_gradient"] == "JAX"
    assert "PyTensor" in problem.functions.engines["hessian"]


@pytest.mark.parametrize(
    "name", slow_but(QUICK, [name for name in NAMES if name != "beta_binomial"])
)
def test_the_engine_is_jax_where_it_can(problems, name):
    problems[name].derivatives(some_theta(problems[name]))
    assert problems[name].functions.engines["derivatives"] == "JAX"


def test_python_literals_cost_no_digits():
    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            a = pm.HalfNormal("a", 1.0)
            pm.NegativeBinomial("outcome", mu=10.0, alpha=2.0 * a, observed=y, dims="row")
        return model

    problem = wb.bind(declared, dataset([3, 11, 0]))
    expected = stats.nbinom.logpmf([3, 11, 0], 2.0, 2.0 / 12.0)
    np.testing.assert_allclose(problem.pointwise(np.zeros(1)), expected, rtol=1e-14)


def test_a_ready_model_with_single_precision_literals_says_so():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, np.float32(1.5))
        pm.Normal("outcome", mu, np.float32(1.1), observed=np.arange(5.0))
    assert wb.bind(model).graph.single_precision


def test_a_row_of_weight_zero_is_as_if_absent(problems):
    problem = problems["negative_binomial"]
    theta = some_theta(problem)
    weights = np.ones(60)
    weights[:10] = 0
    short = problem.on(problem.dataset.isel(row=slice(10, None)))
    value, gradient = problem.value_and_gradient(theta, weights=weights)
    assert value == pytest.approx(short.value_and_gradient(theta)[0], rel=1e-13)
    np.testing.assert_allclose(gradient, short.value_and_gradient(theta)[1], rtol=1e-12)


def test_an_impossible_row_of_weight_zero_leaves_the_gradient_finite():
    data = dataset([-1.0, 2.0, 3.0])
    with pytensor.config.change_flags(cast_policy="numpy+floatX"):
        problem = wb.bind(declarations.gamma, data)
    weights = np.array([0.0, 1.0, 1.0])
    value, gradient = problem.value_and_gradient(problem.start(), weights=weights)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert np.isfinite(problem.hessian(problem.start(), weights=weights)).all()


def test_declared_weights_are_repeated_rows():
    y, x = COUNTS[:20], X[:20]
    weights = RNG.integers(1, 4, 20)
    weighted = wb.bind(counts.poisson, dataset(y, x, weight=weights.astype(float)))
    repeated = wb.bind(
        counts.poisson, dataset(np.repeat(y, weights), np.repeat(x, weights, axis=0))
    )
    theta = some_theta(weighted)
    assert weighted.value_and_gradient(theta)[0] == pytest.approx(
        repeated.value_and_gradient(theta)[0], rel=1e-13
    )


def test_other_rows_need_no_new_functions(problems):
    problem = problems["poisson"]
    other = problem.on(dataset(COUNTS[:25], X[:25]))
    assert other.functions is problem.functions
    theta = some_theta(problem)
    np.testing.assert_allclose(other.pointwise(theta), problem.pointwise(theta)[:25], rtol=1e-14)


def test_rows_named_by_a_coordinate_move_to_other_rows_too():
    def declared(data):
        coords = {"row": data["row"].values, "term": data["term"].values}
        with pm.Model(coords=coords) as model:
            X = pm.Data("X", data["X"], dims=("row", "term"))
            y = pm.Data("y", data["y"], dims="row")
            beta = pm.Normal("beta", 0.0, 1.0, dims="term")
            pm.Normal("outcome", X @ beta, 1.0, observed=y, dims="row")
        return model

    problem = wb.bind(declared, dataset(COUNTS, X))
    other = problem.on(dataset(COUNTS[:25], X[:25]))
    theta = some_theta(problem)
    np.testing.assert_allclose(other.pointwise(theta), problem.pointwise(theta)[:25], rtol=1e-14)


def test_a_ready_model_with_constants_binds_but_does_not_move():
    with pm.Model() as model:
        beta = pm.Normal("beta", 0.0, 10.0, shape=2)
        pm.Poisson("visits", pm.math.exp(X @ beta), observed=COUNTS)
    problem = wb.bind(model)
    expected = stats.poisson.logpmf(COUNTS, 1.0)
    np.testing.assert_allclose(problem.pointwise(np.zeros(2)), expected, rtol=1e-13)
    with pytest.raises(wb.ModelError, match=r"constant.*wrap it in pm\.Data"):
        problem.on({"visits": COUNTS[:5]})


def test_a_ready_model_moves_by_the_names_of_its_data():
    with pm.Model() as model:
        x, y = pm.Data("x", X[:, 0]), pm.Data("seen", COUNTS)
        beta = pm.Normal("beta", 0.0, 10.0)
        pm.Poisson("visits", pm.math.exp(x * beta), observed=y)
    problem = wb.bind(model)
    other = problem.on({"x": X[:5, 0], "seen": COUNTS[:5]})
    np.testing.assert_allclose(other.pointwise(np.zeros(1)), stats.poisson.logpmf(COUNTS[:5], 1.0))
    assert other.rows.count == 5
    with pytest.raises(wb.DataError, match="did you mean 'seem'"):
        problem.on({"x": X[:5, 0], "seem": COUNTS[:5]})


def test_a_problem_travels_and_is_compiled_again_on_arrival(problems):
    problem = problems["poisson"]
    arrived = pickle.loads(pickle.dumps(problem))
    theta = some_theta(problem)
    assert arrived.value_and_gradient(theta)[0] == problem.value_and_gradient(theta)[0]


def test_natural_values_and_their_slope_come_from_the_transform(problems):
    problem = problems["negative_binomial"]
    theta = some_theta(problem)
    assert problem.labels[-1] == "alpha"
    assert problem.theta_labels[-1] == "log alpha"
    assert problem.natural(theta)[-1] == pytest.approx(np.exp(theta[-1]), rel=1e-15)
    expected = np.diag([1, 1, 1, np.exp(theta[-1])])
    np.testing.assert_allclose(problem.natural_jacobian(theta), expected, rtol=1e-14)
    np.testing.assert_allclose(problem.unconstrained(problem.natural(theta)), theta, rtol=1e-14)


def test_a_simplex_has_more_natural_values_than_coordinates():
    problem = wb.bind(declarations.simplex, dataset([0, 1, 2, 2, 1, 2]))
    assert problem.labels == ("p[a]", "p[b]", "p[c]")
    assert len(problem.theta_labels) == 2
    assert problem.natural(problem.start()).sum() == pytest.approx(1.0, rel=1e-15)


def test_the_prior_is_natural_and_adds_no_jacobian(problems):
    problem = problems["negative_binomial"]
    theta = some_theta(problem)
    alpha = np.exp(theta[-1])
    expected = stats.norm.logpdf(theta[:-1], 0, 10).sum() + stats.halfnorm.logpdf(alpha, 0, 5)
    assert problem.log_prior(theta) == pytest.approx(expected, rel=1e-13)
    joint, likelihood = (problem.value_and_gradient(theta, prior)[0] for prior in (1.0, 0.0))
    assert joint - likelihood == pytest.approx(-expected, rel=1e-9)


def test_maximum_likelihood_keeps_the_priors_support():
    with pm.Model() as model:
        mu = pm.Uniform("mu", 0.0, 1.0, default_transform=None)
        pm.Normal("outcome", mu, 1.0, observed=np.zeros(3))
    problem = wb.bind(model)
    assert problem.value_and_gradient(np.array([-0.1]))[0] == np.inf
    assert np.isfinite(problem.value_and_gradient(np.array([0.1]))[0])


def test_a_parameter_out_of_range_is_impossible_and_not_a_wrong_number():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Poisson("outcome", mu=mu, observed=np.zeros(3, int))
    # exp(-mu) would be 1.1 at mu = -.1, a probability above 1.
    assert wb.bind(model).value_and_gradient(np.array([-0.1]))[0] == np.inf


def test_rows_that_depend_on_each_other_are_noticed():
    problem = wb.bind(declarations.centred_inside, dataset([1.0, 2.0, 6.0]))
    assert not problem.independent
    with pytest.raises(wb.ModelError, match="one row's data change another"):
        problem.scores(problem.start())


def test_outcomes_on_the_same_rows_add_up():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 1.0)
        pm.Normal("a", mu, np.float64(1.0), observed=np.arange(4.0))
        pm.Normal("b", mu, np.float64(2.0), observed=np.ones((4, 3)))
    expected = stats.norm.logpdf(np.arange(4.0), 0, 1) + 3 * stats.norm.logpdf(1, 0, 2)
    np.testing.assert_allclose(wb.bind(model).pointwise(np.zeros(1)), expected, rtol=1e-14)


def bound(build, data=None):
    with pm.Model() as model:
        build()
    return wb.bind(model)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: pm.Normal("a"), "observes nothing"),
        (lambda: pm.Normal("a", observed=np.zeros(3)), "no free variable"),
        (lambda: pm.Potential("extra", pm.Normal("y", pm.Normal("m"), observed=[1.0])),
         "'extra' is a pm.Potential"),
        (lambda: pm.Normal("y", pm.Poisson("k", 3.0), observed=[1.0]), "'k' is a discrete unknown"),
        (lambda: (pm.Normal("a", pm.Normal("m"), observed=np.zeros(3)),
                  pm.Normal("b", observed=np.zeros(4))), "different numbers of rows"),
    ],
)  # fmt: skip
def test_what_has_no_likelihood_is_refused(build, message):
    with pytest.raises(wb.ModelError, match=message):
        bound(build)


@pytest.mark.filterwarnings("ignore:Data in y contains missing values")
def test_imputation_is_refused():
    with pytest.raises(wb.ModelError, match="'y' has missing values"):
        bound(lambda: pm.Normal("y", pm.Normal("m"), observed=np.array([1.0, np.nan])))


def test_a_latent_variable_is_refused_by_maximum_likelihood_only():
    problem = wb.bind(declarations.hierarchical, dataset([1.0, 2.0, 3.0], group=[0, 0, 1]))
    assert problem.graph.latent == ("level",)
    with pytest.raises(wb.ModelError, match="'level' is latent"):
        wb.maximum_likelihood(problem)


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        ([1, 1.9, 0], "1.9 at row 1, which is not a whole number"),
        ([1, -2, 0], "-2 at row 1, which is negative"),
        ([1, np.nan, 0], "'y' is nan at row 1"),
        ([1, np.inf, 0], "'y' is inf at row 1"),
    ],
)
def test_impossible_counts_are_refused_by_row(outcome, message):
    with pytest.raises(wb.DataError, match=message):
        wb.bind(counts.poisson, dataset(outcome))


def test_integers_beyond_32_bits_are_refused():
    data = dataset([1, 2]).assign(big=("row", np.array([1, 3_000_000_000])))
    with pytest.raises(wb.DataError, match="3000000000 at row 1"):
        wb.bind(counts.poisson, data)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"X_zero": (("row", "term_zero"), np.ones((3, 1)))}, "no predictor 'zero'"),
        ({"exposure": ("row", np.ones(3))}, "'exposure', which normal never reads"),
    ],
)
def test_a_prepared_column_that_is_never_used_is_refused(extra, message):
    with pytest.raises(wb.ModelError, match=message):
        wb.bind(continuous.normal, dataset([1, 2, 3]).assign(extra))


def test_a_definition_that_wants_another_column_is_told():
    def declared(data):
        return continuous.normal(data.assign(z=data["yy"]))

    with pytest.raises(wb.ModelError, match="reads 'yy', which the data do not have"):
        wb.bind(declared, dataset([1, 2, 3]))


def test_a_definition_that_raises_is_one_sentence():
    def broken(data):
        raise ValueError("no such thing")

    with pytest.raises(wb.ModelError, match="broken raised ValueError: no such thing"):
        wb.bind(broken, dataset([1, 2, 3]))
    with pytest.raises(wb.ModelError, match="returned int"):
        wb.bind(lambda data: 3, dataset([1, 2, 3]))


def test_the_main_terms_stand_in_for_a_missing_predictor():
    problem = wb.bind(counts.zero_inflated_poisson, dataset(COUNTS, X))
    assert "gamma[x1]" in problem.labels


def test_data_without_a_row_coordinate_count_from_zero():
    data = xr.Dataset({"y": ("row", np.arange(4.0))})

    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Normal("outcome", pm.Normal("mu", 0.0, 1.0), 1.0, observed=y, dims="row")
        return model

    np.testing.assert_array_equal(wb.bind(declared, data).rows.labels, np.arange(4))


@pytest.mark.parametrize(
    ("ours", "scipys"),
    [
        (lowerings._gammaln, special.gammaln),
        (lowerings._digamma, special.digamma),
        (lowerings._trigamma, partial(special.polygamma, 1)),
    ],
    ids=["log gamma", "digamma", "trigamma"],
)
def test_gamma_functions_are_scipys(ours, scipys):
    x = np.concatenate([np.geomspace(1e-100, 1e100, 2001), np.linspace(0.5, 12.0, 2001)])
    # Terms of about 13 cancel, or some twenty operations are each rounded once.
    np.testing.assert_allclose(np.asarray(ours(x)), scipys(x), rtol=8e-15, atol=8e-15)
    assert np.isnan(ours(np.array([-0.5]))).all()


def test_log_gamma_of_zero_is_infinite():
    assert lowerings._gammaln(np.array(0.0)) == np.inf


def test_a_definition_that_standardises_inside_does_not_move():
    def declared(data):
        x = (data["x"] - data["x"].mean()) / data["x"].std()
        with pm.Model() as model:
            z, y = pm.Data("z", x, dims="row"), pm.Data("y", data["y"], dims="row")
            beta = pm.Normal("beta", 0.0, 10.0)
            pm.Normal("outcome", beta * z, 1.0, observed=y, dims="row")
        return model

    data = xr.Dataset({"x": ("row", X[:, 0]), "y": ("row", X[:, 1])})
    problem = wb.bind(declared, data)
    assert wb.maximum_likelihood(problem).status == "a minimum"
    with pytest.raises(wb.ModelError, match="computes 'z' from all its rows together"):
        problem.on(data.isel(row=slice(0, 10)))


@pytest.mark.parametrize(
    "term",
    [
        lambda x: x - x.mean(),  # of a binary x whose ends are equal
        lambda x: pm.math.concatenate([x[1:], x[-1:]]),  # the next row's
        lambda x: pm.math.concatenate([x[:1], x[:-1]]),  # the one's before
    ],
)
def test_dependence_between_rows_is_noticed_wherever_it_hides(term):
    def declared(data):
        with pm.Model() as model:
            x, y = pm.Data("x", data["x"], dims="row"), pm.Data("y", data["y"], dims="row")
            beta = pm.Normal("beta", 0.0, 10.0)
            pm.Normal("outcome", beta * term(x), 1.0, observed=y, dims="row")
        return model

    x = np.array([1.0, 0, 0, 1, 1, 0, 1])
    data = xr.Dataset({"x": ("row", x), "y": ("row", np.arange(7.0))})
    assert not wb.bind(declared, data).independent


def test_the_outcome_of_a_ready_model_is_known_by_identity():
    with pm.Model() as model:
        lag, y = pm.Data("lag", np.arange(4.0)), pm.Data("y", np.arange(4.0))
        pm.Normal("outcome", pm.Normal("b", 0, 1) * lag, 1.0, observed=y)
    other = wb.bind(model).on({"lag": np.zeros(4), "y": np.arange(1.0, 5.0)})
    np.testing.assert_array_equal(other.rows.observed, np.arange(1.0, 5.0))


def test_an_outcome_computed_inside_is_itself_and_does_not_move():
    with pm.Model() as model:
        y = pm.Data("y", np.array([1.0, 2.0, 4.0]))
        pm.Normal("outcome", pm.Normal("m", 0, 1), 1.0, observed=pm.math.log(y))
    problem = wb.bind(model)
    np.testing.assert_allclose(problem.rows.observed, np.log([1.0, 2.0, 4.0]))
    with pytest.raises(wb.ModelError, match="the outcome is computed inside"):
        problem.on({"y": np.array([1.0, 2.0])})


def test_fractional_counts_in_a_ready_model_are_refused_too():
    with pm.Model() as model:
        y = pm.Data("y", np.array([1.9, 2.0, 3.5]))
        pm.Poisson("outcome", pm.HalfNormal("mu", 5.0), observed=y)
    with pytest.raises(wb.DataError, match=r"1\.9 at row 0"):
        wb.bind(model)


def test_effects_of_single_rows_bind_for_map_but_are_not_independent_rows():
    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            effect = pm.Normal("effect", 0.0, 1.0, shape=data.sizes["row"])
            pm.Normal("outcome", effect, 1.0, observed=y, dims="row")
        return model

    y = np.linspace(-1, 1, 30)
    problem = wb.bind(declared, dataset(y))
    assert not problem.independent
    fit = wb.maximum_a_posteriori(problem)
    np.testing.assert_allclose(fit.params, y / 2, rtol=1e-9, atol=1e-12)  # halfway to the prior


@pytest.mark.parametrize("engine", slow_but({"jax"}, ["jax", "pytensor"]))
@pytest.mark.parametrize("logit", [-300.0, -37.0, 37.0, 300.0])
def test_a_zero_part_far_out_keeps_its_digits_and_its_derivatives(logit, engine):
    y = np.array([0.0, 1.0, 2.0, 0.0])
    problem = wb.bind(counts.zero_inflated_poisson, dataset(y), engine=engine)
    value, gradient = problem.value_and_gradient(np.array([0.3, logit]))
    log_zero, log_count = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    log_poisson = stats.poisson.logpmf(y, np.exp(0.3))
    mixed = np.logaddexp(log_zero, log_count + log_poisson)
    expected = -np.where(y == 0, mixed, log_count + log_poisson).sum()
    assert value == pytest.approx(expected, rel=1e-14)
    assert np.isfinite(gradient).all()
    # Of rows above zero only: a zero part of one forbids them, at one nat a unit of the logit.
    assert gradient[1] == pytest.approx(2.0 if logit > 0 else 0.0, abs=1e-12)


def test_a_prior_is_told_in_numbers():
    """PyMC prints what it computes, such as a scale from a rate, as '<constant>'."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 2.5)
        nu = pm.Gamma("nu", 2.0, 0.1)
        sigma = pm.Exponential("sigma", 4.0)
        pm.StudentT("y", nu, mu=mu, sigma=sigma, observed=np.arange(12.0))
    priors = {parameter.name: parameter.prior for parameter in wb.bind(model).parameters}
    assert priors == {
        "mu": "Normal(0, 2.5)",
        "nu": "Gamma(2, scale 10)",
        "sigma": "Exponential(scale 0.25)",
    }
