"""Expected information: by SciPy's densities alone, and against what NIST and R published."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr
from scipy import stats

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from tests.declarations import dataset
from workbench import fisher
from workbench.density import Distribution
from workbench.uncertainty import inverse

CASES = Path(__file__).parent / "cases"
VISITS = Path(__file__).parent.parent / "reports" / "doctor-visits" / "visits.csv.gz"
PUBLISHED = json.loads((CASES / "published.json").read_text(encoding="utf-8"))
RNG = np.random.default_rng(11)
X = RNG.normal(size=(60, 2))
COUNTS = RNG.negative_binomial(1.5, 0.4, 60)
STEP = 1e-3  # of fourth order: 1e-12 of truncation, and as much of rounding


def named(value):
    return getattr(value, "__name__", "")


def family(name, *parameters, components=()):
    return Distribution(name, tuple(np.asarray(p, float) for p in parameters), components)


def block(distribution):
    return fisher.information(distribution, 1)[0]


def slopes(log_density, parameters, step=STEP):
    """d log density / d parameter by differences of fourth order, one row a parameter."""
    parameters = np.asarray(parameters, float)

    def change(h):
        return log_density(*(parameters + h)) - log_density(*(parameters - h))

    steps = np.diag(step * np.maximum(np.abs(parameters), 0.1))
    return np.stack([(8 * change(h) - change(2 * h)) / (12 * h.sum()) for h in steps])


def by_quadrature(scipys, parameters, step=STEP, middle=0.5):
    """E s s', from either tail to the middle, over the logarithm of the tail's probability."""
    nodes, lengths = np.polynomial.legendre.leggauss(200)
    total, low, one = 0.0, np.log(1e-15), scipys(*parameters)
    for outcome, share in ((one.ppf, middle), (one.isf, 1 - middle)):
        tail = np.exp(low + (np.log(share) - low) * (nodes + 1) / 2)
        probability, y = tail * lengths * (np.log(share) - low) / 2, outcome(tail)
        s = slopes(lambda *moved, y=y: scipys(*moved).logpdf(y), parameters, step)
        total = total + np.einsum("y,iy,jy->ij", probability, s, s)
    return total


def by_summation(log_mass, parameters, last):
    """E s s' over counts up to `last`."""
    y = np.arange(last + 1.0)
    log_p = log_mass(y, *parameters)
    y = y[log_p > -600]
    s = slopes(lambda *moved: log_mass(y, *moved), parameters)
    return np.einsum("y,iy,jy->ij", np.exp(log_mass(y, *parameters)), s, s)


# In PyMC's parameters, those that have an information; the rest, by name, are held.
CONTINUOUS = {
    "Beta": (stats.beta, [(2.0, 3.0), (0.6, 4.0)]),
    "Cauchy": (stats.cauchy, [(1.0, 2.0), (-3.0, 0.5)]),
    "Exponential": (lambda scale: stats.expon(scale=scale), [(0.3,), (4.0,)]),
    "Gamma": (lambda k, scale: stats.gamma(k, scale=scale), [(0.7, 2.0), (5.0, 0.3)]),
    "Gumbel": (stats.gumbel_r, [(1.0, 2.0), (-3.0, 0.5)]),
    "HalfCauchy": (lambda beta: stats.halfcauchy(scale=beta), [(2.0,), (0.3,)]),
    "InverseGamma": (lambda a, b: stats.invgamma(a, scale=b), [(3.0, 2.0), (0.8, 5.0)]),
    "Laplace": (stats.laplace, [(1.0, 2.0), (-3.0, 0.5)]),
    "LogNormal": (lambda mu, s: stats.lognorm(s, scale=np.exp(mu)), [(0.5, 0.8), (-2.0, 1.5)]),
    "Logistic": (stats.logistic, [(1.0, 2.0), (-3.0, 0.5)]),
    "Moyal": (stats.moyal, [(1.0, 2.0), (-3.0, 0.5)]),
    "Normal": (stats.norm, [(1.0, 2.0), (-3.0, 0.5)]),
    "StudentT": (stats.t, [(4.0, 1.0, 2.0), (1.5, -3.0, 0.5), (30.0, 0.2, 1.0)]),
    "VonMises": (lambda mu, kappa: stats.vonmises(kappa, loc=mu), [(0.4, 2.0), (-1.0, 0.3)]),
    "Weibull": (lambda a, b: stats.weibull_min(a, scale=b), [(1.4, 2.0), (0.7, 0.5)]),
}
POINTS = [(name, point) for name, (_, points) in CONTINUOUS.items() for point in points]


@pytest.mark.parametrize(("name", "point"), POINTS)
def test_a_block_is_the_mean_square_of_the_scores(name, point):
    # Differences across a Laplace's peak are wrong in as much of the outcomes as the step is long.
    expected = by_quadrature(CONTINUOUS[name][0], point, 1e-6 if name == "Laplace" else STEP)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(block(family(name, *point)) / scale, expected / scale, atol=1e-8)


@pytest.mark.parametrize("point", [(0.7, 1.3, 2.0), (2.0, 0.6, -1.0), (1.0, 1.0, 0.0)])
def test_a_block_of_an_asymmetric_laplace_is_the_mean_square_of_the_scores(point):
    def scipys(rate, kappa, place):
        return stats.laplace_asymmetric(kappa, place, 1 / rate)

    expected = by_quadrature(scipys, point, 1e-6, middle=scipys(*point).cdf(point[2]))
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    ours = block(family("AsymmetricLaplace", *point))
    np.testing.assert_allclose(ours / scale, expected / scale, atol=1e-7)


@pytest.mark.parametrize(
    ("ours", "known"),
    [
        # |T| tells of its spread what T does, and a logit-normal what its logit does.
        (family("HalfStudentT", 4.0, 2.0), block(family("StudentT", 4.0, 0.0, 2.0))[::2, ::2]),
        (family("LogitNormal", 0.3, 2.0), block(family("Normal", 0.3, 2.0))),
        (family("Categorical", [0.2, 0.5, 0.3]), np.diag([5, 2, 1 / 0.3])),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_block_is_that_of_what_tells_the_same(ours, known):
    np.testing.assert_allclose(block(ours), known, rtol=1e-15)


@pytest.mark.parametrize(
    ("name", "scipys", "point", "held"),
    [
        ("HalfNormal", lambda s: stats.halfnorm(0.0, s), (0.0, 2.0), [0]),
        ("Pareto", lambda a: stats.pareto(a, scale=3.0), (1.5, 3.0), [1]),
    ],
)
def test_a_limit_of_the_support_has_no_information(name, scipys, point, held):
    ours = block(family(name, *point))
    free = [i for i in range(len(point)) if i not in held]
    assert np.isnan(ours[held]).all()
    assert np.isnan(ours[:, held]).all()
    expected = by_quadrature(scipys, [point[i] for i in free])
    np.testing.assert_allclose(ours[np.ix_(free, free)], expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("point", [(0.7, 2.0), (3.0, 0.5)])
def test_a_block_of_a_wald_is_the_mean_square_of_the_scores(point):
    """By the trapezoid in log y: SciPy's quantiles of the inverse Gaussian fail in the tails."""
    y = np.exp(np.linspace(-8.0, 8.0, 4001))

    def log_density(mu, lam):
        return stats.invgauss.logpdf(y, mu / lam, scale=lam)

    s = slopes(log_density, point)
    probability = np.exp(log_density(*point)) * y * 16.0 / 4000
    expected = np.einsum("y,iy,jy->ij", probability, s, s)
    found = block(family("Wald", *point, 0.0))
    assert np.isnan(found[2]).all()
    np.testing.assert_allclose(found[:2, :2], expected, rtol=1e-7, atol=1e-9)


def mixed(y, w0, w1, f):
    with np.errstate(divide="ignore"):
        return np.log(w0 * (y == 0) + w1 * f)


def zero_inflated(y, w0, w1, mu):
    return mixed(y, w0, w1, stats.poisson.pmf(y, mu))


def hurdle(y, w0, w1, n, p):
    f = stats.nbinom.pmf(y, n, p) / stats.nbinom.sf(0, n, p)
    return mixed(y, w0, w1, np.where(y > 0, f, 0.0))


def truncated(y, mu):
    inside = (y >= 2) & (y <= 5)
    mass = stats.poisson.pmf([2, 3, 4, 5], mu).sum()
    return np.where(inside, stats.poisson.logpmf(y, mu) - np.log(mass), -np.inf)


def censored(y, n, p):
    inside = np.where(y < 6, stats.nbinom.logpmf(y, n, p), -np.inf)
    return np.where(y == 6, stats.nbinom.logsf(5, n, p), inside)


ZERO = family("DiracDelta", 0)
POSITIVE = family("Truncated", 1, np.inf, components=(family("NegativeBinomial", 1.3, 0.4),))
SMALL, LARGE = family("Poisson", 0.8), family("Geometric", 0.2)
DISCRETE = [
    (family("Bernoulli", 0.3), stats.bernoulli.logpmf, (0.3,), []),
    (family("BetaBinomial", 12, 1.4, 3.0), lambda y, a, b: stats.betabinom.logpmf(y, 12, a, b),
     (1.4, 3.0), [0]),
    (family("Binomial", 12, 0.2), lambda y, p: stats.binom.logpmf(y, 12, p), (0.2,), [0]),
    (family("Geometric", 0.2), stats.geom.logpmf, (0.2,), []),
    (family("NegativeBinomial", 1.7, 0.2), stats.nbinom.logpmf, (1.7, 0.2), []),
    (family("NegativeBinomial", 0.2, 0.05), stats.nbinom.logpmf, (0.2, 0.05), []),
    (family("Poisson", 3.4), stats.poisson.logpmf, (3.4,), []),
    (family("Mixture", [0.3, 0.7], components=(ZERO, family("Poisson", 2.2))), zero_inflated,
     (0.3, 0.7, 2.2), [2]),
    (family("Hurdle", [0.6, 0.4], components=(ZERO, POSITIVE)), hurdle, (0.6, 0.4, 1.3, 0.4),
     [2, 3, 4]),
    (family("Mixture", [0.6, 0.4], components=(SMALL, LARGE)),
     lambda y, v, w, mu, p: np.log(v * stats.poisson.pmf(y, mu) + w * stats.geom.pmf(y, p)),
     (0.6, 0.4, 0.8, 0.2), []),
    (family("Truncated", 2, 5, components=(family("Poisson", 3.0),)), truncated, (3.0,), [0, 1]),
    (family("Censored", -np.inf, 6, components=(family("NegativeBinomial", 1.7, 0.2),)), censored,
     (1.7, 0.2), [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "log_mass", "point", "held"), DISCRETE, ids=lambda value: getattr(value, "name", "")
)
def test_a_block_of_counts_is_the_sum_of_squared_scores(ours, log_mass, point, held):
    found = block(ours)
    free = [i for i in range(len(found)) if i not in held]
    assert np.isnan(found[held]).all()
    expected = by_summation(log_mass, point, 2000)
    np.testing.assert_allclose(found[np.ix_(free, free)], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("n", "p"), [(2.0, 0.3), (0.1, 1e-3), (0.003, 2e-4), (50.0, 0.98), (1e6, 1 - 1e-6)]
)
def test_the_size_of_a_negative_binomial_is_the_sum_over_counts(n, p):
    j = np.arange(300_000)
    expected = (stats.nbinom.sf(j, n, p) / (n + j) ** 2).sum()
    found = block(family("NegativeBinomial", n, p))[0, 0]
    assert found == pytest.approx(expected, rel=1e-13)  # of SciPy's tails


def test_rows_keep_their_order_whatever_is_summed_first():
    mu = np.array([0.5, 900.0, 3.0, 40.0])
    weights = np.array([[0.3, 0.7], [0.1, 0.9], [0.5, 0.5], [0.2, 0.8]])
    together = family("Mixture", weights, components=(ZERO, family("Poisson", mu)))
    found = fisher.information(together, 4)
    for i in range(4):
        alone = family("Mixture", weights[i], components=(ZERO, family("Poisson", mu[i])))
        np.testing.assert_allclose(found[i], block(alone), rtol=1e-12)


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        (family("Uniform", 0.0, 1.0), "no expected information of Uniform yet; kind='observed'"),
        (family("Censored", 0.0, np.inf, components=(family("Normal", 0.0, 1.0),)),
         r"of Censored\(Normal\) yet"),
        (family("Mixture", [0.5, 0.5], components=(family("Poisson", [1.0, 2.0]),)),
         r"Mixture\(Poisson\) stacked along an axis"),
        (family("Normal", np.zeros((5, 2)), 1.0), "Normal with several values a row"),
        (family("Mixture", [0.5, 0.5], components=(ZERO, family("Poisson", 1e7))),
         "beyond a million"),
    ],
)  # fmt: skip
def test_what_has_no_known_information_is_refused(distribution, message):
    with pytest.raises(wb.ModelError, match=message):
        fisher.information(distribution, 1)


def expected(problem, theta):
    blocks = fisher.information(problem.distribution(theta), problem.rows.count)
    return fisher.expected_information(
        blocks, problem.distribution_jacobian(theta), problem.rows.weights
    )


def bound(definition, y, **options):
    """On rows with predictors, where the definition has any."""
    data = dataset(y, X)
    return wb.bind(definition, data.drop_vars("X") if definition is declarations.simplex else data,
                   **options)  # fmt: skip


def some_theta(problem):
    return problem.start() + 0.2 * np.random.default_rng(1).normal(size=len(problem.start()))


DEFINITIONS = [
    (counts.poisson, COUNTS),
    (counts.negative_binomial, COUNTS),
    (counts.zero_inflated_poisson, COUNTS),
    (counts.hurdle_negative_binomial, COUNTS),
    (binary.logit, COUNTS > 1),
    (declarations.gamma, COUNTS + 0.5),
    (declarations.beta_binomial, np.minimum(COUNTS, 10)),
    (continuous.student_t, X[:, 0]),
    (declarations.tobit, np.maximum(X[:, 0], 0)),
    (declarations.simplex, COUNTS % 3),
]


@pytest.mark.parametrize("engine", ["jax", "pytensor"])
@pytest.mark.parametrize(("definition", "y"), DEFINITIONS, ids=named)
def test_the_jacobian_is_the_slope_of_the_parameters_by_row(definition, y, engine):
    problem = bound(definition, y, engine=engine)
    theta, step = some_theta(problem), 1e-5

    def parameters(tree):
        own = [np.asarray(value, float) for value in tree.parameters]
        if tree.name in ("Mixture", "Hurdle", "Categorical"):
            own = list(np.moveaxis(own[0], -1, 0))
        return own + [value for part in tree.components for value in parameters(part)]

    def at(theta):
        return np.stack([np.broadcast_to(v, 60) for v in parameters(problem.distribution(theta))])

    with np.errstate(invalid="ignore"):  # infinite limits stay where they are
        slope = np.stack([(at(theta + h) - at(theta - h)) / (2 * step)
                          for h in step * np.eye(len(theta))], axis=-1)  # fmt: skip
    jacobians = problem.distribution_jacobian(theta)
    np.testing.assert_allclose(np.stack(jacobians), np.nan_to_num(slope), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("definition", "y"), [(counts.poisson, COUNTS), (binary.logit, COUNTS > 1)]
)
def test_under_a_canonical_link_expected_is_observed(definition, y):
    weights = RNG.integers(0, 3, 60).astype(float)
    problem = wb.bind(definition, dataset(y, X, weight=weights))
    theta = some_theta(problem)
    np.testing.assert_allclose(expected(problem, theta), problem.hessian(theta), rtol=1e-10)


def test_a_gamma_with_a_log_link_hears_every_row_alike():
    problem = wb.bind(declarations.gamma, dataset(COUNTS + 0.5, X))
    theta = some_theta(problem)
    design = problem.dataset["X"].values
    found, shape = expected(problem, theta), problem.natural(theta)[-1]
    np.testing.assert_allclose(found[:3, :3], shape * design.T @ design, rtol=1e-12)
    np.testing.assert_allclose(found[:3, 3], 0, atol=1e-12 * found[3, 3])


DISCRETE_MODELS = [(definition, y) for definition, y in DEFINITIONS
                   if definition.__module__ == "models.counts"] + [
    (binary.logit, COUNTS > 1),
    (declarations.beta_binomial, np.minimum(COUNTS, 10)),
    (declarations.simplex, COUNTS % 3),
]  # fmt: skip
LAST = {"logistic": 1, "beta_binomial": 10, "simplex": 2}


@pytest.mark.parametrize(("definition", "y"), DISCRETE_MODELS, ids=named)
def test_expected_is_the_mean_square_of_the_models_own_scores(definition, y):
    """Each count in turn put in the place of the outcome of every row."""
    problem = bound(definition, y)
    theta = some_theta(problem)
    total, mass = 0.0, 0.0
    for count in range(LAST.get(definition.__name__, 1500) + 1):
        if np.all(mass > 1 - 1e-15) and count > 300:
            break
        other = problem.on(problem.dataset.assign(y=("row", np.full(60, float(count)))))
        p, s = np.exp(other.pointwise(theta)), other.scores(theta)
        total, mass = total + s.T @ (p[:, None] * s), mass + p
    np.testing.assert_allclose(mass, 1, rtol=1e-12)
    np.testing.assert_allclose(expected(problem, theta), total, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["Misra1a", "DanWood", "Kirby2", "Gauss1", "MGH09"])
def test_errors_of_nonlinear_regressions_are_those_that_nist_certified(name):
    case = PUBLISHED[f"nist.nls.{name}"]
    reference, names = case["reference"], case["param_names"]
    table = pd.read_csv(CASES / case["data"])
    data = xr.Dataset({column: ("row", table[column].astype(float)) for column in table})
    starts = dict(zip(names, case["model"]["start2"], strict=True))
    problem = wb.bind(declarations.nonlinear(case["model"]["formula_numpy"], starts), data)
    n, p = len(table), len(names)
    sigma = np.sqrt(reference["rss"] / n)
    theta = problem.unconstrained(np.array([*reference["params"], sigma]))
    errors = np.sqrt(np.diag(inverse(expected(problem, theta))))
    # NIST divides the sum of squares by n - p, maximum likelihood by n; log sigma comes last.
    certified = np.asarray(reference["bse"]) * np.sqrt((n - p) / n)
    np.testing.assert_allclose(errors[:-1], certified, rtol=1e-6)
    assert errors[-1] == pytest.approx(1 / np.sqrt(2 * n), rel=1e-12)


def test_errors_of_a_negative_binomial_are_those_of_glm_nb():
    case = PUBLISHED["disc.randhie_nb2"]
    terms = case["param_names"][:-2]
    table = wb.read(VISITS)
    data = wb.design("mdvis ~ " + " + ".join(terms), table)(table)
    problem = wb.bind(counts.negative_binomial, data)
    published = case["refined"]["params"]
    values = dict(zip([*terms, "Intercept"], published[:-1], strict=True))
    beta = [values[str(term)] for term in data["term"].values]
    theta = problem.unconstrained(np.array([*beta, 1 / published[-1]]))
    found = expected(problem, theta)
    errors = dict(zip(data["term"].values, np.sqrt(np.diag(np.linalg.inv(found))), strict=False))
    ours = [errors[term] for term in [*terms, "Intercept"]]
    np.testing.assert_allclose(ours, case["reference"]["bse"][:-1], rtol=1e-7)
    apart = found[:-1, -1] / np.sqrt(np.diag(found)[:-1] * found[-1, -1])
    np.testing.assert_allclose(apart, 0, atol=1e-12)  # beta and the size know nothing of each other


def test_a_row_of_weight_zero_tells_nothing_whatever_it_holds():
    blocks = np.array([[[2.0]], [[np.nan]]])
    jacobian = np.array([[1.0, 3.0], [np.nan, 1.0]])
    found = fisher.expected_information(blocks, [jacobian], np.array([2.0, 0.0]))
    np.testing.assert_allclose(found, 4 * np.outer([1, 3], [1, 3]))


def test_an_estimated_limit_of_the_support_is_refused():
    def declared(data):
        with pm.Model() as model:
            y, low = pm.Data("y", data["y"], dims="row"), pm.Normal("low", 0.0, 1.0)
            pm.Pareto("outcome", alpha=pm.HalfNormal("alpha"), m=pm.math.exp(low), observed=y)
        return model

    problem = wb.bind(declared, dataset([2.0, 3.0, 5.0]))
    with pytest.raises(wb.ModelError, match="estimates a limit of the outcome's support"):
        expected(problem, problem.start())


def two_outcomes(data):
    with pm.Model() as model:
        mu = pm.Normal("mu")
        for name, column in (("first", "y"), ("second", "z")):
            pm.Normal(name, mu, 1.0, observed=pm.Data(column, data[column], dims="row"))
    return model


def two_values(data):
    with pm.Model() as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        pm.Normal("outcome", pm.Normal("mu"), 1.0, observed=X)
    return model


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (two_outcomes, "several outcomes on one row"),
        (two_values, "several values on one row"),
        (declarations.centred_inside, "no distribution by row"),
    ],
)
def test_without_one_distribution_a_row_there_is_no_jacobian(definition, message):
    y = [1.0, 2.0, 6.0]
    data = dataset(y, np.arange(3.0)) if definition is two_values else dataset(y, z=y)
    problem = wb.bind(definition, data if definition is two_values else data.drop_vars("X"))
    with pytest.raises(wb.ModelError, match=message):
        problem.distribution_jacobian(problem.start())
