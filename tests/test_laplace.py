"""Laplace draws against conjugate posteriors in closed form, and the log Jacobian beneath them."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytensor
import pytest
from pymc.distributions import transforms
from pytensor.compile.mode import Mode
from scipy import special, stats

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from tests.declarations import dataset
from tests.marking import slow_but

CASES = Path(__file__).parent / "cases"
RNG = np.random.default_rng(4)
COUNTS = RNG.poisson(3.0, 12)
NORMALS = RNG.normal(1.0, 2.0, 30)
DISCOVERIES = pd.read_csv(CASES / "pathological" / "discoveries_year.csv")["y"].to_numpy(float)
LEW = pd.read_csv(CASES / "Lew.csv")["y"].to_numpy(float)


def normal_mean(sigma, prior_sd):
    """Normal outcomes of known spread around an unknown mean."""

    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Normal("outcome", pm.Normal("mu", 0.0, prior_sd), sigma, observed=y, dims="row")
        return model

    return declared


def gamma_poisson(shape, rate):
    """Counts of one rate with its conjugate prior."""

    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Poisson("outcome", pm.Gamma("mu", shape, rate), observed=y, dims="row")
        return model

    return declared


def beta_binomial(a, b):
    """Successes out of ten with one probability and its conjugate prior."""

    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Binomial("outcome", n=10, p=pm.Beta("p", a, b), observed=y, dims="row")
        return model

    return declared


def inverse_gamma_variance(mean, shape, scale):
    """Normal outcomes of known mean, their variance with its conjugate prior."""

    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            variance = pm.InverseGamma("variance", shape, scale)
            pm.Normal("outcome", mean, pm.math.sqrt(variance), observed=y, dims="row")
        return model

    return declared


def map_of(definition, y, **arguments):
    return wb.maximum_a_posteriori(wb.bind(definition, dataset(y), **arguments))


# --- The log Jacobian


def every_transform():
    """One free variable of each transform; the last interval's ends are themselves unknown."""
    with pytensor.config.change_flags(cast_policy="numpy+floatX"), pm.Model() as model:
        low, width = pm.Normal("low"), pm.HalfNormal("width")
        pm.Uniform("inside", low, low + width)
        pm.Beta("share", 2.0, 3.0, shape=2)
        pm.Uniform("bounded", -1.0, 3.0)
        pm.Pareto("above", 2.0, 1.5)
        pm.Dirichlet("simplex", np.ones(3))
        pm.Normal("order", 0.0, 1.0, shape=3, transform=transforms.ordered, initval=[0, 1, 2])
        pm.VonMises("angle", 0.0, 1.0)
        pm.ZeroSumNormal("contrast", shape=3)
        pm.LKJCorr("correlation", n=3, eta=2.0)
        pm.LKJCholeskyCov("factor", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0),
                          compute_corr=False)  # fmt: skip
        total = sum(variable.sum() for variable in model.free_RVs)
        pm.Normal("outcome", total, 1.0, observed=np.arange(4.0))
    return model


@pytest.fixture(scope="module")
def transformed():
    return wb.bind(every_transform())


def point_of(problem, theta):
    """theta cut into PyMC's value variables."""
    point, end = {}, 0
    for parameter, value in zip(problem.parameters, problem.source.value_vars, strict=True):
        begin, end = end, end + len(parameter.theta_labels)
        point[value.name] = theta[begin:end].reshape((-1,) * value.ndim)
    return point


def some_thetas(problem, count=5):
    rng = np.random.default_rng(2)
    return problem.start() + 0.7 * rng.standard_normal((count, len(problem.start())))


@pytest.mark.slow
def test_likelihood_prior_and_jacobian_are_pymcs_own_density_of_theta(transformed):
    mode = Mode(linker="py", optimizer="fast_run").excluding("fusion", "BlasOpt")
    logp = transformed.source.compile_logp(jacobian=True, mode=mode)
    thetas = some_thetas(transformed)
    ours = transformed.log_jacobians(thetas) - transformed.values(thetas, 1.0)
    theirs = [float(logp(point_of(transformed, theta))) for theta in thetas]
    # The same formulae, rewritten differently and summed in another order.
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


SQUARE = {  # natural values that determine the others of their kind, by the transform
    "log": (lambda: pm.HalfNormal("x", shape=2), slice(None)),
    "logodds": (lambda: pm.Beta("x", 2.0, 3.0), slice(None)),
    "interval": (lambda: pm.Uniform("x", -1.0, 3.0), slice(None)),
    "simplex": (lambda: pm.Dirichlet("x", np.ones(4)), slice(0, 3)),
    "ordered": (
        lambda: pm.Normal("x", shape=3, transform=transforms.ordered, initval=[0, 1, 2]),
        slice(None),
    ),
    "correlation": (lambda: pm.LKJCorr("x", n=3, eta=2.0), [3, 6, 7]),
    "covariance": (
        lambda: pm.LKJCholeskyCov("x", n=2, eta=2.0, sd_dist=pm.Exponential.dist(1.0),
                                  compute_corr=False),
        slice(None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SQUARE)
def test_the_log_jacobian_is_the_determinant_of_the_transforms_slope(name):
    declare, own = SQUARE[name]
    with pytensor.config.change_flags(cast_policy="numpy+floatX"), pm.Model() as model:
        declare()
        pm.Normal("outcome", model["x"].sum(), 1.0, observed=np.arange(4.0))
    problem = wb.bind(model)
    for theta in some_thetas(problem, 2):
        determinant = np.linalg.slogdet(problem.natural_jacobian(theta)[own])[1]
        assert problem.log_jacobian(theta) == pytest.approx(determinant, rel=1e-12)


@pytest.mark.parametrize("engine", slow_but({"jax"}, ["jax", "pytensor"]))
def test_the_log_jacobians_derivatives_are_its_slopes(engine):
    problem = wb.bind(every_transform(), engine=engine)
    theta, step = some_thetas(problem, 1)[0], 1e-5
    value, gradient, hessian = problem.log_jacobian_derivatives(theta)
    ahead = [problem.log_jacobian_derivatives(theta + h) for h in step * np.eye(len(theta))]
    behind = [problem.log_jacobian_derivatives(theta - h) for h in step * np.eye(len(theta))]
    assert value == pytest.approx(problem.log_jacobian(theta), rel=1e-14)
    slopes = [(a[0] - b[0]) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    bends = [(a[1] - b[1]) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    # Central differences: step squared, and rounding of 1e-15 over the step.
    np.testing.assert_allclose(gradient, slopes, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(hessian, bends, rtol=1e-8, atol=1e-8)
    assert set(problem.functions.engines.values()) == {"JAX" if engine == "jax" else "PyTensor"}


# --- Conjugate posteriors


def test_a_normal_posterior_is_met_exactly():
    n, sigma, prior = len(NORMALS), 2.0, 1.5
    laplace = map_of(normal_mean(sigma, prior), NORMALS).laplace(2000)
    precision = n / sigma**2 + 1 / prior**2
    mean, sd = NORMALS.sum() / sigma**2 / precision, precision**-0.5
    assert laplace.mode["mu"] == pytest.approx(mean, rel=1e-9)
    assert laplace.theta_covariance == pytest.approx(sd**2, rel=1e-12)
    # Every weight is the evidence, and there is no tail to tell k-hat from.
    together = sigma**2 * np.eye(n) + prior**2
    evidence = stats.multivariate_normal.logpdf(NORMALS, np.zeros(n), together)
    np.testing.assert_allclose(laplace.log_weights, evidence, rtol=1e-11)
    assert laplace.log_evidence == pytest.approx(evidence, rel=1e-11)
    assert laplace.k_hat == -np.inf
    assert laplace.usable
    # Four standard errors of a mean and of a standard deviation.
    draws = laplace.draws["mu"]
    assert draws.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(2000))
    assert draws.std() == pytest.approx(sd, abs=4 * sd / np.sqrt(2 * 2000))


@pytest.mark.parametrize("engine", ["jax", "pytensor"])
def test_weights_of_a_gamma_posterior_are_its_density_over_the_normals(engine):
    shape, rate = 2.0, 0.5
    laplace = map_of(gamma_poisson(shape, rate), COUNTS, engine=engine).laplace(200)
    a, b = shape + COUNTS.sum(), rate + len(COUNTS)
    assert laplace.mode["mu"] == pytest.approx(a / b, rel=1e-9)  # of log mu; the MAP: (a - 1) / b
    assert laplace.fit.params["mu"] == pytest.approx((a - 1) / b, rel=1e-9)
    assert laplace.theta_covariance == pytest.approx(1 / a, rel=1e-9)
    theta = laplace.thetas[:, 0]
    exact = stats.gamma.logpdf(np.exp(theta), a, scale=1 / b) + theta
    normal = stats.norm.logpdf(theta, np.log(a / b), a**-0.5)
    evidence = (
        special.gammaln(a) - a * np.log(b) - special.gammaln(shape) + shape * np.log(rate)
        - special.gammaln(COUNTS + 1.0).sum()
    )  # fmt: skip
    np.testing.assert_allclose(laplace.log_weights, exact - normal + evidence, rtol=1e-9)
    np.testing.assert_allclose(laplace.draws["mu"], np.exp(theta), rtol=1e-14)
    # Laplace's evidence is Stirling's formula for gamma(a), less by 1 / 12 a to the next term.
    assert laplace.log_evidence - evidence == pytest.approx(-1 / (12 * a), rel=1e-3)


def test_weights_of_a_beta_posterior_are_its_density_over_the_normals():
    y = np.array([3.0, 7.0, 4.0])
    laplace = map_of(beta_binomial(2.0, 3.0), y).laplace(200)
    a, b = 2 + y.sum(), 3 + (10 - y).sum()
    assert laplace.mode["p"] == pytest.approx(a / (a + b), rel=1e-9)
    assert laplace.fit.params["p"] == pytest.approx((a - 1) / (a + b - 2), rel=1e-9)
    assert laplace.theta_covariance == pytest.approx(1 / a + 1 / b, rel=1e-9)
    p = laplace.draws["p"].to_numpy()
    exact = stats.beta.logpdf(p, a, b) + np.log(p * (1 - p))
    normal = stats.norm.logpdf(special.logit(p), np.log(a / b), np.sqrt(1 / a + 1 / b))
    np.testing.assert_allclose(np.ptp(laplace.log_weights - exact + normal), 0, atol=1e-10)


def test_a_simplex_has_its_mode_at_the_posterior_mean():
    # Of softmax-like coordinates the Jacobian is the product of the parts, so the density of
    # theta is that product to the power of the counts, and its mode is their share.
    y = np.repeat([0.0, 1.0, 2.0], [5, 3, 2])
    laplace = map_of(declarations.simplex, y).laplace(100)
    np.testing.assert_allclose(laplace.mode, np.array([6, 4, 3]) / 13, rtol=1e-9)
    np.testing.assert_allclose(laplace.draws.sum(axis=1), 1.0, rtol=1e-12)
    assert (laplace.draws > 0).all(axis=None)


PUBLISHED = {  # definition, data, mode of the natural value, of theta, and sd of the natural one
    "discoveries": (
        gamma_poisson(2.0, 0.5), DISCOVERIES,
        3.0945273631840795, 3.1044776119402986, 0.17547454814476018,
    ),
    "Lew, mean": (
        normal_mean(277.332168044316, 50.0), LEW,
        -153.77965098447805, -153.77965098447805, 18.25639564223381,
    ),
    "Lew, variance": (
        inverse_gamma_variance(-177.435, 3.0, 1e5), LEW,
        74546.69786057691, 75270.45220873786, 7309.905135865139,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED)
def test_the_two_modes_are_those_of_the_records(case):
    # R's discoveries and NIST's beam deflections with conjugate priors, in closed form.
    definition, y, natural, unconstrained, sd = PUBLISHED[case]
    fit = map_of(definition, y)
    assert fit.params.iloc[0] == pytest.approx(natural, rel=1e-7)
    assert fit.bse.iloc[0] == pytest.approx(sd, rel=1e-7)
    assert fit.laplace().mode.iloc[0] == pytest.approx(unconstrained, rel=1e-7)


# --- What k-hat says


def test_a_skewed_posterior_is_flagged():
    # log mu is log gamma with shape 1/20: to the left it falls as exp(theta / 20), far above the
    # normal around its mode, so that the weights there have no finite mean.
    laplace = map_of(gamma_poisson(0.05, 1.0), np.zeros(1)).laplace()
    assert laplace.k_hat > 0.7
    assert laplace.good_k == 0.7
    assert not laplace.usable
    assert "is not below 0.7. The normal approximation is not good enough" in laplace.summary()


def test_the_bound_of_k_hat_is_lower_for_few_draws():
    fit = map_of(gamma_poisson(2.0, 0.5), COUNTS)
    assert fit.laplace(100).good_k == pytest.approx(0.5)
    assert fit.laplace(1000).good_k == pytest.approx(2 / 3)
    assert fit.laplace().good_k == 0.7
    assert "is below 0.7: the draws are usable" in fit.laplace().advice


def test_draws_beyond_the_support_make_k_hat_unknown():
    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            # A scale on the real line: a normal reaches below zero, where no density is.
            pm.Normal("outcome", 0.0, pm.Normal("scale", 1.0, 1.0), observed=y, dims="row")
        return model

    laplace = map_of(declared, [0.5, -1.0, 1.5]).laplace()
    lost = int((laplace.draws["scale"] <= 0).sum())
    assert lost > 0
    assert np.isnan(laplace.k_hat)
    assert not laplace.usable
    assert f"no finite density at {lost} of 4000 draws" in laplace.advice


# --- Modes, and where there is none


def test_a_map_at_an_edge_may_have_a_regular_mode_on_the_unconstrained_scale():
    fit = map_of(gamma_poisson(0.5, 1.0), np.zeros(3))  # of mu: mode 0; of log mu: 1/2 / 4
    assert not fit.optimum.verdict.regular
    # A search stops within a millionth of a standard error: here 1.4 times the value.
    assert fit.laplace().mode["mu"] == pytest.approx(0.125, rel=1.5e-6)


def test_a_posterior_without_a_mode_is_refused_with_the_reason():
    # Groups hardly apart: the density of their levels grows without end as the spread shrinks.
    data = dataset([2.0, 0.0, 1.0, -1.0], group=np.arange(4))
    fit = wb.maximum_a_posteriori(wb.bind(declarations.hierarchical, data))
    with pytest.raises(wb.ModelError, match=r"no Laplace draws: .* the mode is not .* log spread"):
        fit.laplace()


def test_likelihoods_and_few_draws_are_refused():
    problem = wb.bind(gamma_poisson(2.0, 0.5), dataset(COUNTS))
    with pytest.raises(wb.ModelError, match=r"use wb.maximum_a_posteriori\(problem\)"):
        wb.maximum_likelihood(problem).laplace()
    with pytest.raises(wb.ModelError, match="takes 100 draws or more, not 99"):
        wb.maximum_a_posteriori(problem).laplace(99)


def test_what_is_held_stays_and_the_others_are_conditional_on_it():
    x = RNG.normal(2.0, 1.0, len(NORMALS))  # off centre: slope and intercept are correlated
    problem = wb.bind(continuous.normal, dataset(NORMALS, x))
    laplace = wb.maximum_a_posteriori(problem, fixed={"sigma": 2.0}).laplace()
    np.testing.assert_allclose(laplace.draws["sigma"], 2.0, rtol=1e-12)
    design = np.column_stack([np.ones_like(x), x])
    # Of the prior N(0, 10 standard deviations of the outcome).
    precision = design.T @ design / 4 + np.eye(2) / (100 * np.var(NORMALS))
    covariance = laplace.theta_covariance
    np.testing.assert_allclose(covariance[:2, :2], np.linalg.inv(precision), rtol=1e-9)
    assert (covariance[2] == 0).all()
    # Given sigma the posterior is normal: draws of it have all the same weight.
    np.testing.assert_allclose(np.ptp(laplace.log_weights), 0, atol=1e-9)
    assert laplace.k_hat == -np.inf
    drawn = np.corrcoef(laplace.draws.drop(columns="sigma").T)[0, 1]
    exact = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert drawn == pytest.approx(exact, abs=4 * (1 - exact**2) / np.sqrt(4000))
    with pytest.raises(wb.ModelError, match="no evidence of the declared model"):
        _ = laplace.log_evidence


def test_an_improper_prior_has_no_evidence():
    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Normal("outcome", pm.Flat("mu"), 1.0, observed=y, dims="row")
        return model

    laplace = map_of(declared, NORMALS).laplace()
    assert laplace.mode["mu"] == pytest.approx(NORMALS.mean(), rel=1e-9)
    with pytest.raises(wb.ModelError, match="the prior of 'mu' is improper"):
        _ = laplace.log_evidence


def test_each_draw_has_the_log_likelihood_of_each_row():
    laplace = map_of(gamma_poisson(2.0, 0.5), COUNTS).laplace(100)
    expected = stats.poisson.logpmf(COUNTS, laplace.draws["mu"].to_numpy()[:, None])
    np.testing.assert_allclose(laplace.log_likelihood(), expected, rtol=1e-11)


def test_draws_are_those_of_the_generator_and_travel():
    fit = wb.maximum_a_posteriori(wb.bind(counts.negative_binomial, dataset(COUNTS)))
    first, second = fit.laplace(100), fit.laplace(100, rng=np.random.default_rng(0))
    pd.testing.assert_frame_equal(first.draws, second.draws)
    other = fit.laplace(100, rng=np.random.default_rng(1))
    assert (other.draws != first.draws).all(axis=None)
    arrived = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(arrived.draws, first.draws)
    assert arrived.k_hat == first.k_hat
    assert list(first.draws.columns) == ["beta[Intercept]", "alpha"]


# --- The prior's pull


def test_the_pull_of_a_prior_is_the_shift_in_standard_errors():
    sigma, prior, n = 2.0, 0.5, len(NORMALS)
    problem = wb.bind(normal_mean(sigma, prior), dataset(NORMALS))
    table = wb.prior_pull(wb.maximum_likelihood(problem), wb.maximum_a_posteriori(problem))
    assert list(table.columns) == ["likelihood", "se", "posterior", "se (posterior)", "shift"]
    row = table.loc["mu"]
    se, shrunk = sigma / np.sqrt(n), (n / sigma**2) / (n / sigma**2 + 1 / prior**2)
    assert row["likelihood"] == pytest.approx(NORMALS.mean(), rel=1e-9)
    assert row["se"] == pytest.approx(se, rel=1e-9)
    assert row["posterior"] == pytest.approx(shrunk * NORMALS.mean(), rel=1e-9)
    assert row["se (posterior)"] == pytest.approx(np.sqrt(shrunk) * se, rel=1e-9)
    assert row["shift"] == pytest.approx((shrunk - 1) * NORMALS.mean() / se, rel=1e-8)


def test_no_shift_is_told_from_an_irregular_maximum():
    x = np.linspace(-1, 1, 20)
    problem = wb.bind(binary.logit, dataset(x > 0, x[:, None]))  # separated
    table = wb.prior_pull(wb.maximum_likelihood(problem), wb.maximum_a_posteriori(problem))
    assert table["shift"].isna().all()
    assert table["se (posterior)"].notna().all()
    assert table.attrs == {"likelihood": "running away", "posterior": "a minimum"}


def test_a_pull_is_refused_unless_the_prior_alone_differs():
    problem = wb.bind(counts.poisson, dataset(COUNTS, NORMALS[:12, None]))
    fit, posterior = wb.maximum_likelihood(problem), wb.maximum_a_posteriori(problem)
    with pytest.raises(wb.ModelError, match="a maximum of the likelihood first and a MAP second"):
        wb.prior_pull(posterior, fit)
    fewer = wb.maximum_a_posteriori(problem.on(dataset(COUNTS[:9], NORMALS[:9, None])))
    with pytest.raises(wb.ModelError, match="different rows"):
        wb.prior_pull(fit, fewer)
    scaled = wb.maximum_a_posteriori(problem.on(dataset(COUNTS, 2 * NORMALS[:12, None])))
    with pytest.raises(wb.ModelError, match="have other parameters or predictors"):
        wb.prior_pull(fit, scaled)
    held = wb.maximum_a_posteriori(problem, fixed={"beta[x1]": 0.0})
    with pytest.raises(wb.ModelError, match="hold the same in both"):
        wb.prior_pull(fit, held)
    both = wb.prior_pull(wb.maximum_likelihood(problem, fixed={"beta[x1]": 0.0}), held)
    assert np.isnan(both.loc["beta[x1]", "shift"])
    assert np.isfinite(both.loc["beta[Intercept]", "shift"])
