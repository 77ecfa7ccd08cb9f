import math
import warnings
from dataclasses import replace

import numpy as np
import pymc as pm
import pytensor
import pytest
from scipy import stats

from models import counts, positive, proportions
from workbench.density import (
    FAMILIES,
    VECTORS,
    Distribution,
    distribution_function,
    distribution_function_below,
    has_atoms,
    is_discrete,
    just_below,
    log_density,
    log_distribution_function,
    log_survival_function,
    mean,
    probabilities,
    survival_function,
    survival_function_below,
)
from workbench.errors import ModelError

COUNTS = np.array([0.0, 1, 2, 7, 40])
TIMES = np.array([0.01, 0.5, 1.3, 4.0, 60.0])
REALS = np.array([-30.0, -1.2, 0.0, 0.7, 25.0])
SHARES = np.array([1e-6, 0.2, 0.5, 0.9, 0.999])
MU = np.array([0.2, 1.1, 2.0, 9.0, 30.0])


def array(*values):
    return tuple(np.asarray(value, float) for value in values)


def family(name, *parameters):
    return Distribution(name, array(*parameters))


def point(c):
    return family("DiracDelta", c)


def mixture(weights, *components, name="Mixture"):
    return Distribution(name, array(weights), components)


def bounded(name, base, lower, upper):
    return Distribution(name, array(lower, upper), (base,))


# One declaration each of all that is known, with outcomes: PyMC's graph is read for the rest.
DECLARED = {
    "Bernoulli": (lambda: pm.Bernoulli.dist(logit_p=REALS / 10), np.array([0.0, 1, 1, 0, 1])),
    "Beta": (lambda: pm.Beta.dist(mu=0.4, nu=MU), SHARES),
    "Binomial": (lambda: pm.Binomial.dist(n=50, p=SHARES), COUNTS),
    "Exponential": (lambda: pm.Exponential.dist(lam=MU), TIMES),
    "Gamma": (lambda: pm.Gamma.dist(mu=MU, sigma=1.5), TIMES),
    "Geometric": (lambda: pm.Geometric.dist(p=SHARES), COUNTS + 1),
    "HalfNormal": (lambda: pm.HalfNormal.dist(sigma=MU), TIMES),
    "Laplace": (lambda: pm.Laplace.dist(mu=1.0, b=MU), REALS),
    "LogNormal": (lambda: pm.LogNormal.dist(mu=REALS / 10, sigma=0.8), TIMES),
    "Logistic": (lambda: pm.Logistic.dist(mu=1.0, s=MU), REALS),
    "NegativeBinomial": (lambda: pm.NegativeBinomial.dist(mu=MU, alpha=1.7), COUNTS),
    "Normal": (lambda: pm.Normal.dist(mu=MU, sigma=2.0), REALS),
    "Poisson": (lambda: pm.Poisson.dist(mu=MU), COUNTS),
    "StudentT": (lambda: pm.StudentT.dist(nu=4.0, mu=MU, sigma=2.0), REALS),
    "TruncatedNormal": (
        lambda: pm.TruncatedNormal.dist(mu=MU, sigma=2.0, lower=0.0, upper=50.0),
        TIMES,
    ),
    "Uniform": (lambda: pm.Uniform.dist(lower=-MU, upper=70.0), TIMES),
    "Weibull": (lambda: pm.Weibull.dist(alpha=1.4, beta=MU), TIMES),
    "AsymmetricLaplace": (lambda: pm.AsymmetricLaplace.dist(b=0.7, kappa=MU, mu=0.5), REALS),
    "BetaBinomial": (lambda: pm.BetaBinomial.dist(n=50, alpha=MU, beta=2.5), COUNTS),
    "Cauchy": (lambda: pm.Cauchy.dist(alpha=1.0, beta=MU), REALS),
    "DiscreteUniform": (lambda: pm.DiscreteUniform.dist(lower=0, upper=50), COUNTS),
    "DiscreteWeibull": (lambda: pm.DiscreteWeibull.dist(q=SHARES, beta=1.4), COUNTS),
    "ExGaussian": (lambda: pm.ExGaussian.dist(mu=0.3, sigma=1.5, nu=MU), REALS),
    "GeneralizedPareto": (
        lambda: pm.CustomDist.dist(
            MU, REALS / 100, logp=positive._generalised_pareto, class_name="GeneralizedPareto"
        ),
        TIMES / 100,
    ),
    "GeneralizedPoisson": (
        lambda: pm.CustomDist.dist(
            MU,
            0.02,
            logp=counts._generalised_poisson,
            class_name="GeneralizedPoisson",
            dtype="int64",
        ),
        COUNTS,
    ),
    "Gumbel": (lambda: pm.Gumbel.dist(mu=1.0, beta=MU), REALS),
    "HalfCauchy": (lambda: pm.HalfCauchy.dist(beta=MU), TIMES),
    "HalfStudentT": (lambda: pm.HalfStudentT.dist(nu=4.0, sigma=MU), TIMES),
    "HyperGeometric": (lambda: pm.HyperGeometric.dist(N=90, k=60, n=45), COUNTS),
    "InverseGamma": (lambda: pm.InverseGamma.dist(alpha=3.0, beta=MU), TIMES),
    "Kumaraswamy": (lambda: pm.Kumaraswamy.dist(a=MU, b=1.7), SHARES),
    "LogitNormal": (lambda: pm.LogitNormal.dist(mu=0.4, sigma=MU), SHARES),
    "Moyal": (lambda: pm.Moyal.dist(mu=1.0, sigma=MU), np.maximum(REALS, 0.0)),
    "Pareto": (lambda: pm.Pareto.dist(alpha=MU, m=0.4), 0.4 + TIMES),
    "Rice": (lambda: pm.Rice.dist(nu=2.0, sigma=MU), np.minimum(TIMES, 9)),
    "SkewNormal": (
        lambda: pm.SkewNormal.dist(mu=0.3, sigma=MU, alpha=1.5),
        np.maximum(REALS, -0.1),
    ),
    "SkewStudentT": (lambda: pm.SkewStudentT.dist(a=2.0, b=MU, mu=0.3, sigma=2.0), REALS),
    "Triangular": (lambda: pm.Triangular.dist(lower=0.0, c=3.0, upper=70.0), TIMES),
    "VonMises": (lambda: pm.VonMises.dist(mu=0.7, kappa=MU), np.clip(REALS, -3, 3)),
    "Wald": (lambda: pm.Wald.dist(mu=MU, lam=2.5), TIMES),
    "ZeroOneInflatedBeta": (
        lambda: pm.CustomDist.dist(
            SHARES,
            0.3,
            MU,
            2.0,
            logp=proportions._zero_one_inflated_beta,
            class_name="ZeroOneInflatedBeta",
        ),
        np.array([0.0, 0.2, 1.0, 0.9, 0.5]),
    ),
    "zero-inflated Poisson": (lambda: pm.ZeroInflatedPoisson.dist(psi=SHARES, mu=MU), COUNTS),
    "hurdle Poisson": (lambda: pm.HurdlePoisson.dist(psi=SHARES, mu=MU), COUNTS),
    "hurdle negative binomial": (
        lambda: pm.HurdleNegativeBinomial.dist(psi=0.3, mu=MU, alpha=1.7),
        COUNTS,
    ),
    "hurdle gamma": (
        lambda: pm.HurdleGamma.dist(psi=0.3, mu=MU, sigma=1.5),
        np.array([0.0, 0.5, 0.0, 4, 60]),
    ),
    "hurdle log-normal": (
        lambda: pm.HurdleLogNormal.dist(psi=SHARES, mu=0.5, sigma=MU),
        np.array([0.0, 0.5, 0.0, 4, 60]),
    ),
    "truncated Poisson": (
        lambda: pm.Truncated.dist(pm.Poisson.dist(mu=MU), lower=2, upper=30),
        COUNTS,
    ),
    "truncated Student": (
        lambda: pm.Truncated.dist(pm.StudentT.dist(nu=4.0, mu=MU, sigma=2.0), lower=0.0),
        REALS,
    ),
    "truncated gamma": (
        lambda: pm.Truncated.dist(pm.Gamma.dist(mu=MU, sigma=1.5), upper=4.0),
        TIMES,
    ),
    "censored normal": (
        lambda: pm.Censored.dist(pm.Normal.dist(mu=MU, sigma=9.0), lower=-1.2, upper=25.0),
        REALS,
    ),
    "censored Poisson": (
        lambda: pm.Censored.dist(pm.Poisson.dist(mu=MU), lower=None, upper=7),
        COUNTS,
    ),
    "normal mixture": (
        lambda: pm.NormalMixture.dist(w=[0.3, 0.0, 0.7], mu=[0.0, 1.0, 4.0], sigma=2.0),
        REALS,
    ),
    "mixture of two kinds": (
        lambda: pm.Mixture.dist(
            w=[0.3, 0.7], comp_dists=[pm.Normal.dist(MU, 2.0), pm.Laplace.dist(1.0, MU)]
        ),
        REALS,
    ),
}


def read(variable):
    """PyMC's random variable as a tree of names and parameter variables."""
    node, op = variable.owner, variable.owner.op
    name = op._print_name[0]
    if type(op).__name__ == "TruncatedRV":
        *base_inputs, lower, upper = node.inputs
        return "Truncated", [lower, upper], [read(op.base_rv_op.make_node(*base_inputs).out)]
    inputs = op.dist_params(node)
    inner = [value for value in inputs if value.owner and hasattr(value.owner.op, "dist_params")]
    return name, [value for value in inputs if value not in inner], [read(v) for v in inner]


def variables(tree):
    return [*tree[1], *(value for inner in tree[2] for value in variables(inner))]


def filled(tree, numbers):
    name, parameters, inner = tree
    values = tuple(np.asarray(next(numbers)) for _ in parameters)
    return Distribution(name, values, tuple(filled(part, numbers) for part in inner))


@pytest.fixture(scope="module")
def compared():
    """Every declaration as a Distribution, with outcomes and PyMC's log p, in one compilation."""
    with pytensor.config.change_flags(cast_policy="numpy+floatX"), warnings.catch_warnings():
        graphs = {key: declare() for key, (declare, _) in DECLARED.items()}
        trees = {key: read(graph) for key, graph in graphs.items()}
        outputs = [pm.logp(graphs[key], y) for key, (_, y) in DECLARED.items()]
        outputs += [value for tree in trees.values() for value in variables(tree)]
        mode = pytensor.compile.mode.Mode(linker="py", optimizer=None)
        numbers = iter(pytensor.function([], outputs, mode=mode)())
    theirs = {key: next(numbers) for key in DECLARED}
    ours = {key: filled(tree, numbers) for key, tree in trees.items()}
    return {key: (ours[key], y, theirs[key]) for key, (_, y) in DECLARED.items()}


def test_every_family_is_compared_with_pymc():
    assert set(FAMILIES) <= set(DECLARED)


@pytest.mark.parametrize("key", DECLARED)
def test_log_density_is_pymcs(key, compared):
    distribution, y, theirs = compared[key]
    ours = log_density(distribution, y)
    assert ours.shape == y.shape
    # Log gamma functions of about 100 cancel, and log p may pass through 0.
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("key", DECLARED)
def test_both_tails_sum_to_one(key, compared):
    distribution, y, _ = compared[key]
    for values in (y, just_below(y)):
        total = distribution_function(distribution, values) + survival_function(
            distribution, values
        )
        np.testing.assert_allclose(total, 1, rtol=1e-13)


@pytest.mark.parametrize("key", DECLARED)
def test_distribution_function_jumps_by_the_probability_of_an_atom(key, compared):
    distribution, y, _ = compared[key]
    jump = distribution_function(distribution, y) - distribution_function_below(distribution, y)
    down = survival_function_below(distribution, y) - survival_function(distribution, y)
    np.testing.assert_allclose(jump, down, atol=1e-14)
    if is_discrete(distribution):
        np.testing.assert_allclose(jump, np.exp(log_density(distribution, y)), atol=1e-14)
    elif not has_atoms(distribution):
        np.testing.assert_allclose(jump, 0, atol=1e-13)  # one rounding of y, times the density


@pytest.mark.parametrize("key", [key for key in DECLARED if DECLARED[key][1] is COUNTS])
def test_probabilities_of_counts_sum_to_one_and_give_the_mean(key, compared):
    distribution, _, _ = compared[key]
    values = np.arange(1500)[:, None]  # against the five rows
    table = np.broadcast_to(np.exp(log_density(distribution, values)), (1500, 5))
    np.testing.assert_allclose(table.sum(axis=0), 1, rtol=1e-12)
    np.testing.assert_allclose(table.T @ np.arange(1500), mean(distribution), rtol=1e-11)
    few = probabilities(distribution, [0, 3, 40])
    np.testing.assert_allclose(few, table[[0, 3, 40]].mean(axis=1), rtol=1e-13)


@pytest.mark.parametrize(
    ("key", "lowest", "highest"),
    [
        ("truncated Student", 0, 1e6),
        ("truncated gamma", 0, 4),
        ("TruncatedNormal", 0, 50),
        ("censored normal", -1.2, 25),
        ("hurdle gamma", 0, 200),
    ],
)
def test_mean_is_the_integral_of_the_tail(key, lowest, highest, compared):
    """E Y = a + ∫ P(Y > y) dy from a, below which there is nothing."""
    distribution, _, _ = compared[key]
    edges = lowest + (highest - lowest) * np.linspace(0, 1, 400) ** 6
    nodes, weights = np.polynomial.legendre.leggauss(20)
    starts, widths = edges[:-1, None], np.diff(edges)[:, None]
    y = (starts + widths * (nodes + 1) / 2).reshape(-1, 1)  # against the five rows
    steps = (widths * weights / 2).ravel()
    total = lowest + steps @ survival_function(distribution, y)
    # Student's tail with 4 degrees of freedom beyond 10⁶ is below 1e-16.
    np.testing.assert_allclose(mean(distribution), total, rtol=1e-8)


def test_zero_inflated_poisson_is_the_hand_formula():
    weights = np.stack([1 - SHARES, SHARES], axis=-1)
    model = mixture(weights, point(0), family("Poisson", MU))
    zero = np.log(1 - SHARES + SHARES * np.exp(-MU))
    # The hand formula takes the logarithm of a number rounded near 1.
    np.testing.assert_allclose(log_density(model, np.zeros(5)), zero, rtol=1e-13, atol=1e-16)
    three = np.log(SHARES) - MU + 3 * np.log(MU) - math.log(6)
    np.testing.assert_allclose(log_density(model, np.full(5, 3.0)), three, rtol=1e-13)
    np.testing.assert_allclose(mean(model), SHARES * MU, rtol=1e-14)
    np.testing.assert_allclose(distribution_function_below(model, np.zeros(5)), 0)


def test_rows_may_differ_in_their_weights_alone():
    model = mixture(np.stack([1 - SHARES, SHARES], axis=-1), point(0), family("Poisson", 2))
    expected = np.mean(1 - SHARES + SHARES * math.exp(-2))
    assert probabilities(model, [0])[0] == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(mean(model), 2 * SHARES, rtol=1e-14)


def test_weighted_rows_are_repeated_rows():
    repeats = np.array([3, 1, 0, 2, 5])
    model = mixture(np.stack([1 - SHARES, SHARES], axis=-1), point(0), family("Poisson", 2))
    for weighted, repeated in [
        (family("Poisson", MU), family("Poisson", MU.repeat(repeats))),
        (model, replace(model, parameters=(model.parameters[0].repeat(repeats, axis=0),))),
        (family("Poisson", 2), family("Poisson", 2)),  # one probability for all rows
    ]:
        np.testing.assert_allclose(
            probabilities(weighted, [0, 3, 40], weights=repeats),
            probabilities(repeated, [0, 3, 40]),
            rtol=1e-13,  # sums in another order
        )


def test_hurdle_is_the_hand_formula():
    weights = np.stack([1 - SHARES, SHARES], axis=-1)
    positive = bounded("Truncated", family("Poisson", MU), 1, math.inf)
    model = mixture(weights, point(0), positive, name="Hurdle")
    np.testing.assert_allclose(log_density(model, np.zeros(5)), np.log(1 - SHARES), rtol=1e-12)
    three = np.log(SHARES) - MU + 3 * np.log(MU) - math.log(6) - np.log(-np.expm1(-MU))
    np.testing.assert_allclose(log_density(model, np.full(5, 3.0)), three, rtol=1e-13)
    np.testing.assert_allclose(mean(model), SHARES * MU / -np.expm1(-MU), rtol=1e-13)
    np.testing.assert_allclose(distribution_function(model, np.zeros(5)), 1 - SHARES, rtol=1e-13)


def test_a_component_without_weight_is_not_seen():
    nothing = family("Poisson", 1e300)
    model = mixture([1.0, 0.0], family("Poisson", MU), nothing)
    np.testing.assert_array_equal(log_density(model, COUNTS), stats.poisson.logpmf(COUNTS, MU))
    never = mixture([0.0, 1.0], point(0), family("Gamma", 2, 1), name="Hurdle")
    assert log_density(never, 0.0) == -math.inf
    assert log_density(never, 1.0) == pytest.approx(-1)


def test_an_atom_outweighs_any_density():
    """A density adds nothing to a probability: at 0 only the point counts."""
    model = mixture([0.3, 0.7], point(0), family("Normal", 0, 1))
    assert log_density(model, 0.0) == pytest.approx(math.log(0.3), rel=1e-15)
    at_limits = bounded("Censored", family("Normal", 0, 1), 0, math.inf)
    both = mixture([0.5, 0.5], at_limits, family("Normal", 0, 1))
    expected = [0.25, stats.norm.pdf(1)]
    np.testing.assert_allclose(np.exp(log_density(both, np.array([0.0, 1.0]))), expected)


def test_far_tails_stay_finite():
    assert log_survival_function(family("Normal", 0, 1), 100.0) == pytest.approx(
        -5005.524, abs=1e-3
    )
    assert np.isfinite(log_density(family("Poisson", 1e-8), 1e4))
    assert survival_function(family("Poisson", 1.0), 100.0) == pytest.approx(
        math.exp(-1) / math.factorial(101), rel=0.01
    )
    far = bounded("Truncated", family("Normal", 0, 1), 30, math.inf)
    # Exponential with rate 30 to first order; E(Y | Y > a) is the inverse Mills ratio.
    assert log_density(far, 30.0) == pytest.approx(math.log(30), abs=0.002)
    ratio = math.exp(stats.norm.logpdf(30) - stats.norm.logsf(30))
    assert mean(far) == pytest.approx(ratio, rel=1e-9)
    assert log_distribution_function(far, 29.0) == -math.inf
    assert log_survival_function(far, 29.0) == 0


@pytest.mark.parametrize(
    "distribution",
    [
        family("Poisson", [0, 1e-320, 1e300]),
        family("NegativeBinomial", [1e-300, 1e10, 2], [1, 1 - 1e-12, 1e-300]),
        family("Binomial", 5, [0, 1, 1e-320]),
        family("Gamma", [1e-300, 1e10, 2], [1e300, 1, 1e-300]),
        family("Beta", [1e-10, 1, 1e10], [1, 1e-10, 1e10]),
        family("StudentT", [1e-3, 1e300, 4], 0, [1e-300, 1, 1e300]),
        family("LogNormal", [-600, 600, 0], [1, 1, 1e-10]),
        family("Weibull", [1e-3, 100, 1], [1, 1, 1e-300]),
    ],
    ids=lambda distribution: distribution.name,
)
@pytest.mark.parametrize("y", [-1.0, 0.0, 1.0, 1e6])
def test_extremes_give_probabilities_and_no_warning(distribution, y):
    for value in (y, just_below(y)):
        total = distribution_function(distribution, value) + survival_function(distribution, value)
        np.testing.assert_allclose(total, 1, rtol=1e-12)
    assert not np.isnan(log_density(distribution, y)).any()
    mean(distribution)


def test_truncation_to_the_impossible_is_not_a_number():
    nowhere = bounded("Truncated", family("Uniform", 0, 1), 2, 3)
    assert np.isnan(log_density(nowhere, 2.5))
    assert np.isnan(survival_function(nowhere, 2.5))
    assert np.isnan(mean(nowhere))
    assert np.isnan(mean(bounded("Truncated", family("Poisson", 0), 1, math.inf)))


def test_moments_that_do_not_exist_are_not_numbers():
    assert not np.isfinite(mean(family("StudentT", 1, 0, 1)))


def test_kinds_are_told():
    poisson, normal = family("Poisson", 1), family("Normal", 0, 1)
    assert is_discrete(mixture([0.5, 0.5], point(0), poisson))
    assert not is_discrete(mixture([0.5, 0.5], point(0), normal, name="Hurdle"))
    assert has_atoms(mixture([0.5, 0.5], point(0), normal, name="Hurdle"))
    assert has_atoms(bounded("Censored", normal, 0, math.inf))
    assert not has_atoms(bounded("Censored", normal, -math.inf, math.inf))
    assert not has_atoms(bounded("Truncated", normal, 0, math.inf))


def test_an_unknown_family_is_named_with_the_nearest_known():
    with pytest.raises(ModelError, match="no second density for 'Poison' yet, did you mean 'Pois"):
        log_density(family("Poison", 1), COUNTS)
    with pytest.raises(ModelError, match=r"no second density for 'PG' yet.*known are Asymm"):
        mean(family("PG", 1))


VECTOR_FAMILIES = {
    "Dirichlet": (
        lambda: pm.Dirichlet.dist(a=np.array([[1.0, 2.0, 0.5], [4.0, 0.3, 7.0]])),
        np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]]),
    ),
    "DirichletMultinomial": (
        lambda: pm.DirichletMultinomial.dist(n=9, a=np.array([1.0, 2.0, 0.5])),
        np.array([[2, 3, 4], [9, 0, 0]]),
    ),
    "Multinomial": (
        lambda: pm.Multinomial.dist(n=9, p=np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]])),
        np.array([[2, 3, 4], [9, 0, 0]]),
    ),
    "MultivariateNormal": (
        lambda: pm.MvNormal.dist(
            mu=np.array([[0.0, 1.0], [2.0, -1.0]]), cov=np.array([[2.0, 0.6], [0.6, 1.0]])
        ),
        np.array([[0.3, 0.1], [9.0, -4.0]]),
    ),
    "MvStudentT": (
        lambda: pm.MvStudentT.dist(
            nu=4.0, mu=np.array([0.0, 1.0]), scale=np.array([[2.0, 0.6], [0.6, 1.0]])
        ),
        np.array([[0.3, 0.1], [9.0, -4.0]]),
    ),
}


def test_every_vectors_family_is_compared_with_pymc():
    assert set(VECTORS) == set(VECTOR_FAMILIES)


@pytest.mark.parametrize("name", VECTOR_FAMILIES)
def test_log_density_of_vectors_is_pymcs(name):
    declare, y = VECTOR_FAMILIES[name]
    with pytensor.config.change_flags(cast_policy="numpy+floatX"):
        graph = declare()
        tree = read(graph)
        mode = pytensor.compile.mode.Mode(linker="py", optimizer=None)
        theirs, *numbers = pytensor.function([], [pm.logp(graph, y), *variables(tree)], mode=mode)()
    ours = log_density(filled(tree, iter(numbers)), y)
    assert ours.shape == (2,)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_vectors_have_no_order():
    with pytest.raises(ModelError, match="several numbers, which have no order"):
        distribution_function(Distribution("Dirichlet", array([1.0, 2.0])), np.array([0.5, 0.5]))
