"""Bounds by name on the natural scale: what they hold and leave, and what keeps to them."""

import json
import pickle
from itertools import islice
from pathlib import Path

import numpy as np
import pymc as pm
import pytest
import statsmodels.api as sm
from scipy import optimize, stats

import workbench as wb
from models import binary, continuous, counts
from tests import declarations
from tests.declarations import dataset
from tests.marking import slow_but
from tests.test_optimum import Function, double_well
from workbench.errors import ModelError
from workbench.optimum import Box, Point, Status, find, point
from workbench.optimum.box_steps import ahead, whole
from workbench.resampling import drawn_rows
from workbench.uncertainty.profiles import profile

CASES = Path(__file__).parent / "cases"
N = 60
X = np.random.default_rng(21).normal(size=(N, 2))
NOISE = np.random.default_rng(22).normal(size=N)
Y = 2.0 + X @ [0.5, -0.3] + 1.5 * NOISE
# Standard errors: two searches for one optimum each stop within a millionth.
STOPPED = 2e-6


@pytest.fixture(scope="module")
def normal():
    """One normal sample."""
    return wb.bind(continuous.normal, dataset(Y))


@pytest.fixture(scope="module")
def regression():
    return wb.bind(continuous.normal, dataset(Y, X))


def bounded(problem, **bounds):
    return wb.maximum_likelihood(problem, bounds=bounds)


class Guarded:
    """An objective that is not defined beyond its box, and counts its derivatives."""

    def __init__(self, objective, lower, upper):
        self.objective, self.lower, self.upper, self.count = objective, lower, upper, 0

    def __getattr__(self, name):
        return getattr(self.objective, name)

    def values(self, thetas):
        assert ((thetas >= self.lower) & (thetas <= self.upper)).all()
        return self.objective.values(thetas)

    def derivatives(self, theta):
        assert ((theta >= self.lower) & (theta <= self.upper)).all()
        self.count += 1
        return self.objective.derivatives(theta)


def boxed(objective, lower, upper, *starts):
    """The optimum in a box that is never left, and how many derivatives it took."""
    lower, upper = np.asarray(lower, float), np.asarray(upper, float)
    guarded = Guarded(objective, lower, upper)
    labels = [f"t{j}" for j in range(len(lower))]
    box = Box(guarded, lower, upper, lambda here, held: f"held {np.flatnonzero(held)}")
    begins = {str(number): point(box, np.asarray(one, float)) for number, one in enumerate(starts)}
    return find(box, begins, labels, 1), guarded.count


# ---- closed forms


def test_a_mean_below_its_bound_stands_on_it_and_the_scale_is_the_best_given_it(normal):
    bound = float(Y.mean() + 0.7)
    fit = bounded(normal, **{"beta[Intercept]": (bound, None)})
    assert fit.params["beta[Intercept]"] == bound
    assert fit.params["sigma"] == pytest.approx(np.sqrt(np.mean((Y - bound) ** 2)), rel=1e-9)
    assert fit.status == Status.IRREGULAR
    # The score of the mean is the sum of residuals by the variance.
    score = np.sum(bound - Y) / np.mean((Y - bound) ** 2)
    said = fit.optimum.verdict.advice
    assert f"the bound beta[Intercept] = {bound:g} (by {score:.2g} nats per unit)" in said
    assert f"fixed={{'beta[Intercept]': {bound!r}}}" in said
    assert fit.bse.isna().all()
    with pytest.raises(ModelError, match="no covariance: irregular"):
        fit.cov_params()


@pytest.mark.parametrize(("bounds", "at"), [((4.0, None), 4.0), ((None, 0.5), 0.5)])
def test_a_bounded_scale_is_held_at_the_bound_on_the_natural_scale(normal, bounds, at):
    fit = bounded(normal, sigma=bounds)
    assert fit.params["sigma"] == pytest.approx(at, rel=1e-15)
    assert fit.params["beta[Intercept]"] == pytest.approx(Y.mean(), rel=1e-9)
    # d log L / d sigma = (sum of squares / sigma^2 - n) / sigma
    score = abs(np.sum((Y - Y.mean()) ** 2) / at**2 - N) / at
    assert f"sigma = {at:g} (by {score:.2g} nats per unit)" in fit.optimum.verdict.advice


def test_bounds_that_hold_nothing_leave_the_fit_what_it_is(regression):
    free = wb.maximum_likelihood(regression)
    fit = bounded(regression, sigma=(0.1, 10.0), **{"beta[x1]": (0.0, None)})
    assert fit.status == Status.MINIMUM
    assert ((fit.params - free.params) / free.bse).abs().max() < STOPPED
    np.testing.assert_allclose(fit.cov_params(), free.cov_params(), rtol=1e-5, atol=1e-9)
    assert fit.at_bounds == {}


def test_a_bound_at_the_maximum_itself_leaves_it_a_minimum_with_errors(regression):
    free = wb.maximum_likelihood(regression)
    at = free.params
    fit = bounded(regression, sigma=(None, at["sigma"]), **{"beta[x1]": (at["beta[x1]"], None)})
    assert fit.status == Status.MINIMUM
    np.testing.assert_allclose(fit.bse, free.bse, rtol=1e-6)


@pytest.mark.parametrize("side", [0, 1])
def test_so_does_one_at_the_maximum_of_the_only_parameter(side):
    y = np.random.default_rng(1).poisson(3.3, 70)
    bounds = {"mu": (y.mean(), None) if side else (None, y.mean())}
    problem = wb.bind(declarations.rate, dataset(y).drop_vars("X"))
    fit = wb.maximum_likelihood(problem, bounds=bounds)
    assert fit.status == Status.MINIMUM
    assert fit.bse["mu"] == pytest.approx(np.sqrt(y.mean() / 70), rel=1e-9)


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("errors", [1e-4, 1e-2])
def test_a_maximum_just_inside_or_outside_its_bound_is_told_apart(regression, side, errors):
    free = wb.maximum_likelihood(regression)
    bound = free.params["beta[x1]"] - side * errors * free.bse["beta[x1]"]
    fit = bounded(regression, **{"beta[x1]": (bound, None)})
    if side > 0:
        assert fit.status == Status.MINIMUM
        assert ((fit.params - free.params) / free.bse).abs().max() < STOPPED
    else:
        assert fit.status == Status.IRREGULAR
        assert fit.params["beta[x1]"] == bound


def test_a_parameters_name_bounds_the_coordinates_that_no_label_does(regression):
    bounds = {"beta[x2]": (None, -1.0), "beta": (0.0, 0.1)}
    fit = wb.maximum_likelihood(regression, bounds=bounds)
    assert fit.params["beta[Intercept]"] == 0.1
    assert fit.params["beta[x2]"] == -1.0
    assert "bounds: beta[x2] <= -1, 0 <= beta <= 0.1" in fit.summary()


def test_a_transform_that_runs_downwards_has_its_bounds_the_right_way_round():
    def negative(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            mu = pm.TruncatedNormal("mu", 0.0, 10.0, upper=0.0, initval=-1.0)
            pm.Normal("outcome", mu, pm.Uniform("sigma", 0.0, 9.0), observed=y, dims="row")
        return model

    y = Y - 5.0  # mean about -3
    problem = wb.bind(negative, dataset(y).drop_vars("X"))
    assert problem.natural_jacobian(problem.start())[0, 0] < 0
    for bounds, expected in [
        ((-2.0, None), -2.0),
        ((None, -4.0), -4.0),
        ((-4.0, -1.0), y.mean()),
        ((-9.0, 3.0), y.mean()),  # beyond its support the upper one is none
    ]:
        fit = bounded(problem, mu=bounds)
        assert fit.params["mu"] == pytest.approx(expected, rel=1e-8)
        residual = np.sqrt(np.mean((y - expected) ** 2))
        assert fit.params["sigma"] == pytest.approx(residual, rel=1e-8)


def test_a_posterior_mode_is_clipped_where_its_prior_pulls_it_to():
    problem = wb.bind(continuous.normal, dataset(Y))
    # Known scale 2; the prior's is ten standard deviations of the outcome.
    mode = (Y.sum() / 4) / (N / 4 + 1 / (100 * Y.var()))
    for bounds, expected in [((1.0, 9.0), mode), ((3.0, None), 3.0), ((None, 1.0), 1.0)]:
        fit = wb.maximum_a_posteriori(
            problem, bounds={"beta[Intercept]": bounds}, fixed={"sigma": 2.0}
        )
        assert fit.params["beta[Intercept]"] == pytest.approx(expected, rel=1e-9)
        assert (fit.status == Status.MINIMUM) == (expected == mode)
    assert "The posterior still grows towards the bound" in fit.optimum.verdict.advice


# ---- non-negative least squares


def nonnegative(design, y):
    """The fit with all coefficients above zero, and SciPy's."""
    names = [f"c{j}" for j in range(design.shape[1])]
    data = dataset(y).drop_vars(["X", "term"]).assign(X=(("row", "term"), design))
    problem = wb.bind(continuous.normal, data.assign_coords(term=names))
    fit = bounded(problem, beta=(0.0, None))
    return fit, optimize.nnls(design, y)[0]


@pytest.mark.parametrize("seed", slow_but({0}, range(3)))
def test_normal_regression_above_zero_is_nonnegative_least_squares(seed):
    rng = np.random.default_rng(seed)
    design = rng.normal(size=(80, 12)) @ (np.eye(12) + rng.normal(size=(12, 12)))
    y = design @ rng.normal(size=12) + rng.normal(size=80)
    fit, expected = nonnegative(design, y)
    assert 1 < np.sum(expected == 0) < 12
    np.testing.assert_allclose(fit.params[:-1], expected, rtol=1e-8)
    assert (fit.params[:-1].to_numpy()[expected == 0] == 0).all()
    residual = np.sqrt(np.mean((y - design @ expected) ** 2))
    assert fit.params["sigma"] == pytest.approx(residual, rel=1e-8)
    assert set(fit.at_bounds) == {f"beta[c{j}]" for j in np.flatnonzero(expected == 0)}


def test_a_coefficient_that_is_negative_only_while_another_is_comes_off_its_bound():
    # Both free coefficients are negative; with the first at zero the second is positive.
    rng = np.random.default_rng(0)
    first = rng.normal(size=100)
    design = np.column_stack([first, -0.9 * first + 0.4 * rng.normal(size=100)])
    y = design @ [-1.0, -0.5] + 0.1 * rng.normal(size=100)
    fit, expected = nonnegative(design, y)
    assert (np.linalg.lstsq(design, y)[0] < 0).all()
    assert expected[0] == 0
    assert expected[1] > 0.1
    np.testing.assert_allclose(fit.params[:-1], expected, rtol=1e-8)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_decide_what_a_bound_holds(scale):
    rng = np.random.default_rng(4)
    design = rng.normal(size=(50, 4)) * [1.0, scale, 1.0, 1.0]
    y = design @ ([1.0, 0.5, -1.0, -0.5] / np.array([1.0, scale, 1.0, 1.0])) + rng.normal(size=50)
    fit, expected = nonnegative(design, y)
    np.testing.assert_allclose(fit.params[:-1], expected, rtol=1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_a_quadratic_in_a_box_is_scipys_and_the_box_is_never_left(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 25))
    design = rng.normal(size=(60, k)) @ (np.eye(k) + rng.choice([0, 3]) * rng.normal(size=(k, k)))
    y = design @ rng.normal(size=k) + rng.normal(size=60)
    upper = np.where(rng.random(k) < 0.5, np.inf, rng.exponential(0.3, size=k))
    squares = Function(
        lambda t: 0.5 * np.sum((y - design @ t) ** 2),
        lambda t: design.T @ (design @ t - y),
        lambda t: design.T @ design,
    )
    optimum, count = boxed(squares, np.zeros(k), upper, np.zeros(k))
    theirs = optimize.lsq_linear(design, y, (0.0, upper), method="bvls", tol=1e-15)
    unit = 1 / np.sqrt(np.diag(design.T @ design))
    np.testing.assert_allclose(optimum.theta / unit, theirs.x / unit, rtol=0, atol=1e-7)
    # Steps of a convex quadratic turn at bounds without another evaluation: no creeping.
    assert count <= 12


def test_a_step_turns_at_a_bound_to_what_is_best_of_the_others():
    # Towards (-1, 2) from (1, 0); on the axis, (t - 2) + .9 (0 + 1) is zero at 1.1.
    information = np.array([[1.0, 0.9], [0.9, 1.0]])
    theta = np.array([1.0, 0.0])
    away = theta - [-1.0, 2.0]
    here = Point(theta, 0.5 * away @ information @ away, information @ away, information)
    box = Box(None, np.zeros(2), np.full(2, np.inf))
    np.testing.assert_allclose(ahead(box, here, whole), [0.0, 1.1], rtol=1e-14)


# ---- other densities, against SciPy and statsmodels


def test_a_bounded_poisson_regression_is_scipys():
    y = np.random.default_rng(1).poisson(np.exp(0.5 + X @ [0.4, -0.3]))
    design = np.column_stack([np.ones(N), X])
    box = optimize.Bounds([-np.inf, -np.inf, -0.1], [5.0, 0.3, np.inf])
    theirs = optimize.minimize(
        lambda b: np.exp(design @ b).sum() - y @ design @ b,
        np.zeros(3),
        jac=lambda b: design.T @ (np.exp(design @ b) - y),
        method="L-BFGS-B",
        bounds=box,
        options={"ftol": 0.0, "gtol": 1e-11},
    )
    bounds = {"beta[Intercept]": (None, 5.0), "beta[x1]": (None, 0.3), "beta[x2]": (-0.1, None)}
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, dataset(y, X)), bounds=bounds)
    # By its gradient and the information, of about a hundred, it is within 1e-12.
    np.testing.assert_allclose(fit.params, theirs.x, rtol=1e-8)
    expected = stats.poisson.logpmf(y, np.exp(design @ theirs.x)).sum()
    assert fit.llf == pytest.approx(expected, rel=1e-12)
    assert fit.at_bounds == {"beta[x1]": 0.3, "beta[x2]": -0.1}


@pytest.mark.slow
def test_a_dispersion_at_its_bound_is_the_generalised_linear_model_of_that_dispersion():
    rng = np.random.default_rng(3)
    columns = rng.normal(size=(300, 2))
    y = rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(0.5 + 0.4 * columns[:, 0])))
    problem = wb.bind(counts.negative_binomial, dataset(y, columns))
    free = wb.maximum_likelihood(problem)
    alpha = 1.5 * free.params["alpha"]
    fit = bounded(problem, alpha=(alpha, None))
    design = sm.add_constant(columns)
    theirs = sm.GLM(y, design, family=sm.families.NegativeBinomial(alpha=1 / alpha)).fit(tol=1e-12)
    np.testing.assert_allclose(fit.params[:-1], theirs.params, rtol=1e-7, atol=1e-9)
    assert fit.llf == pytest.approx(theirs.llf, rel=1e-10)
    # The errors given the bound are those of the fit that holds it, as the advice says.
    held = wb.maximum_likelihood(problem, fixed=fit.at_bounds, bounds={"alpha": (alpha, None)})
    assert held.status == Status.MINIMUM
    assert held.k == 3
    np.testing.assert_allclose(held.params, fit.params, rtol=1e-7)


def test_statas_constrained_logit_is_the_one_whose_bound_holds():
    # Free, the coefficient is 2.826; Stata's constraint puts it at 2.8.
    case = json.loads((CASES / "published.json").read_text())["disc.spector_logit_constraint1"]
    table = wb.read(CASES / "spector.csv")
    problem = wb.bind(binary.logit, wb.design("grade ~ gpa + tuce + psi", table)(table))
    fit = bounded(problem, **{"beta[gpa]": (None, 2.8), "beta[tuce]": (0.0, 1.0)})
    labels = ["beta[gpa]", "beta[tuce]", "beta[psi]", "beta[Intercept]"]
    # The record's tolerances: a hundred-thousandth, 1e-4 of the errors, 1e-6 nats.
    np.testing.assert_allclose(fit.params[labels], case["refined"]["params"], rtol=1e-5)
    assert fit.llf == pytest.approx(case["refined"]["llf"], abs=1e-6)
    assert fit.at_bounds == {"beta[gpa]": 2.8}
    given = wb.maximum_likelihood(problem, fixed=fit.at_bounds)
    errors = case["refined"]["bse_observed_info"]
    np.testing.assert_allclose(given.bse[labels[1:]], errors[1:], rtol=1e-4)


# ---- where the likelihood is not finite beyond the bounds


def shifted(data):
    """Log-normal outcomes above an unknown shift."""

    def logp(value, shift, mu, sigma):
        above = pm.math.log(value - shift)
        return pm.logp(pm.Normal.dist(mu, sigma), above) - above

    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        shift = pm.Flat("shift", initval=0.0)
        known = shift, pm.Flat("mu", initval=0.0), pm.HalfFlat("sigma", initval=1.0)
        pm.CustomDist("outcome", *known, logp=logp, observed=y, dims="row")
    return model


@pytest.mark.parametrize("bounds", [(0.4, 0.5), (-3.0, -1.0), (0.95, None)])
def test_a_likelihood_that_ends_at_the_data_is_searched_within_its_bounds(bounds):
    y = 1 + np.exp(np.random.default_rng(3).normal(0.3, 0.8, 60))
    problem = wb.bind(shifted, dataset(y).drop_vars("X"))
    fit = bounded(problem, shift=(bounds[0], bounds[1] or y.min()))

    def deviance(shift):
        above = np.log(y - shift)
        return 2 * (len(y) * np.log(above.std()) + above.sum())

    # The free maximum is at .92: with a shift held, mean and deviation of the logarithms are best.
    at = bounds[1] if bounds[1] else bounds[0]
    assert deviance(at) < deviance(at + (-0.01 if bounds[1] else 0.01))
    assert fit.params["shift"] == pytest.approx(at, rel=1e-12)
    assert fit.params["mu"] == pytest.approx(np.log(y - at).mean(), rel=1e-7)
    assert fit.params["sigma"] == pytest.approx(np.log(y - at).std(), rel=1e-7)
    assert fit.status == Status.IRREGULAR


def test_a_start_on_an_infinite_bound_is_moved_inside():
    y = 1 + np.exp(np.random.default_rng(3).normal(0.3, 0.8, 60))
    problem = wb.bind(shifted, dataset(y).drop_vars("X"))
    free = wb.maximum_likelihood(problem)
    above = y.min()  # where the likelihood is not finite, and below the first start
    fit = wb.maximum_likelihood(problem, bounds={"shift": (-5.0, above)}, start={"shift": above})
    assert fit.status == Status.MINIMUM
    assert ((fit.params - free.params) / free.bse).abs().max() < STOPPED
    pole = Function(lambda t: np.inf if t[0] == 1 else 1 / (1 - t[0]), None, None)
    box = Box(pole, np.array([-5.0]), np.ones(1))
    entered = box.entered(np.array([7.0]))
    assert -5 < entered[0] < 1


def test_a_support_that_ends_within_the_bounds_is_an_edge_as_without():
    y = np.random.default_rng(1).uniform(0, 2, 30)
    problem = wb.bind(declarations.uniform, dataset(y))
    fit = bounded(problem, upper=(0.5, 50.0))
    assert fit.status == Status.IRREGULAR
    assert "where the support ends" in fit.optimum.verdict.advice
    assert fit.params["upper"] == pytest.approx(y.max(), rel=1e-9)
    held = bounded(problem, upper=(3.0, 50.0))
    assert "the bound upper = 3 (by 10 nats per unit)" in held.optimum.verdict.advice


@pytest.mark.slow
def test_a_bound_keeps_a_mixture_component_from_collapsing():
    published = json.loads((CASES / "published.json").read_text())["patho.mixture_unbounded"]
    start = published["truth"]["start_near_singularity"]
    near = [(start["mu1"], start["sigma1"]), (start["mu2"], start["sigma2"])]
    y = np.loadtxt(CASES / published["data"], delimiter=",", skiprows=1, ndmin=2)[:, -1]
    problem = wb.bind(declarations.two_normals(*near), dataset(y).drop_vars("X"))
    assert wb.maximum_likelihood(problem).status == Status.RUNNING_AWAY
    fit = bounded(problem, scale_a=(1.0, None), scale_b=(1.0, None))
    assert fit.status == Status.MINIMUM
    assert fit.llf == pytest.approx(-1034.0017, abs=1e-4)  # as the record prints it


# ---- the verdict


def data_of_eight_schools():
    published = json.loads((CASES / "published.json").read_text())["patho.eight_schools_tau_zero"]
    columns = np.genfromtxt(CASES / published["data"], delimiter=",", names=True)
    y = columns[published["model"]["response"]]
    return dataset(y, se=columns["se"]).drop_vars("X")


@pytest.mark.parametrize("tau", [1e-3, 0.5, 5.0])
def test_a_search_on_its_way_to_minus_infinity_ends_at_the_bound(tau):
    data = data_of_eight_schools()
    fit = bounded(wb.bind(declarations.known_errors, data), tau=(tau, None))
    weights = 1 / (data["se"].values ** 2 + tau**2)
    assert fit.status == Status.IRREGULAR
    assert fit.params["tau"] == pytest.approx(tau, rel=1e-12)
    assert fit.params["mu"] == pytest.approx(np.average(data["y"], weights=weights), rel=1e-9)
    assert "the bound tau" in fit.optimum.verdict.advice


@pytest.mark.parametrize("bound", [-50.0, -12.0, -1.0])
def test_an_empty_cell_is_held_by_its_bound(bound):
    x = np.repeat([0, 1], 20)
    y = np.where(x == 1, 0, np.random.default_rng(0).poisson(3, 40))
    fit = bounded(wb.bind(counts.poisson, dataset(y, x[:, None])), **{"beta[x1]": (bound, None)})
    assert fit.status == Status.IRREGULAR
    assert fit.params["beta[x1]"] == bound
    # Given the bound the intercept has its closed form.
    expected = np.log(y.sum() / (20 + 20 * np.exp(bound)))
    assert fit.params["beta[Intercept]"] == pytest.approx(expected, rel=1e-8)


def test_what_is_worse_of_the_others_outweighs_a_bound():
    x = np.repeat([0, 1], 20)
    y = np.where(x == 1, 0, np.random.default_rng(0).poisson(3, 40))
    design = np.column_stack([x, NOISE[:40]])
    problem = wb.bind(counts.poisson, dataset(y, design))
    away = bounded(problem, **{"beta[x2]": (1.0, None)})
    assert away.status == Status.RUNNING_AWAY
    assert "-1.00 beta[x1]" in away.optimum.verdict.advice
    assert "the bound beta[x2] = 1" in away.optimum.verdict.advice
    twice = wb.bind(counts.poisson, dataset(y, np.column_stack([design[:, 1]] * 2)))
    same = bounded(twice, **{"beta[Intercept]": (3.0, None)})
    assert same.status == Status.NOT_IDENTIFIED
    assert "the bound beta[Intercept] = 3" in same.optimum.verdict.advice


@pytest.mark.parametrize("bounds", [{"beta": (0.0, None)}, {"beta[x1]": (0.0, None)}])
def test_columns_that_repeat_each_other_are_not_identified_within_bounds_either(bounds):
    # Wherever rounding of the slopes leaves the first: on its bound, off it, or pressed against it.
    problem = wb.bind(continuous.normal, dataset(Y, np.column_stack([X[:, 0], X[:, 0]])))
    for seed in range(20):
        y = X[:, 0] + np.random.default_rng(seed).normal(size=N)
        other = problem.on(dataset(y, np.column_stack([X[:, 0], X[:, 0]])))
        fit = wb.maximum_likelihood(other, bounds=bounds, start={"beta[x1]": 0.4 * (seed % 2)})
        assert fit.status == Status.NOT_IDENTIFIED
        assert "beta[x1]" in fit.optimum.verdict.advice


def test_an_unused_parameter_on_its_bound_is_not_identified():
    flat = Function(lambda t: 0.5 * t[0] ** 2, lambda t: [t[0], 0.0], lambda t: [[1, 0], [0, 0]])
    optimum, _ = boxed(flat, [-3, 0], [3, np.inf], [1, 0])
    assert optimum.verdict.status is Status.NOT_IDENTIFIED
    assert "+1.00 t1" in optimum.verdict.advice


def test_two_columns_that_bounds_alone_determine_stand_on_them():
    y = X[:, 0] + NOISE
    problem = wb.bind(continuous.normal, dataset(y, np.column_stack([X[:, 0], X[:, 0]])))
    fit = bounded(problem, **{"beta[x1]": (0.0, 0.1), "beta[x2]": (0.0, 0.2)})
    assert fit.status == Status.IRREGULAR
    assert fit.at_bounds == {"beta[x1]": 0.1, "beta[x2]": 0.2}


def test_a_bound_that_a_probe_meets_first_is_no_flat_side():
    # Weak around 0 beside a start where one unit is short: the probes go by what counts in nats.
    steep = Function(
        lambda t: 0.5 * t[0] ** 2 + 1e4 * max(t[0] - 2, 0) ** 4,
        lambda t: [t[0] + 4e4 * max(t[0] - 2, 0) ** 3],
        lambda t: [[1 + 12e4 * max(t[0] - 2, 0) ** 2]],
    )
    optimum, _ = boxed(steep, [-1e-3], [np.inf], [3.0])
    assert optimum.verdict.status is Status.MINIMUM
    assert optimum.theta[0] == pytest.approx(0.0, abs=1e-9)


def test_every_parameter_can_stand_on_a_bound(normal):
    fit = bounded(normal, sigma=(4.0, None), beta=(3.0, None))
    assert fit.status == Status.IRREGULAR
    assert fit.at_bounds == {"beta[Intercept]": 3.0, "sigma": 4.0}
    assert fit.llf == pytest.approx(stats.norm.logpdf(Y, 3.0, 4.0).sum(), rel=1e-12)


# ---- several minima


def test_each_start_goes_its_own_way_and_the_best_wins():
    # The left well is cut off at -.5, where its side still falls outwards.
    optimum, _ = boxed(double_well(0.5), [-0.5], [np.inf], [-0.5], [1.5])
    assert optimum.verdict.status is Status.MINIMUM
    assert optimum.theta[0] == pytest.approx(1.0, abs=0.01)
    assert optimum.starts[0].end.theta[0] == -0.5


def test_another_optimum_on_a_bound_within_two_nats_is_told():
    # The left well, higher by a nat, has its minimum beyond -.99.
    optimum, _ = boxed(double_well(-0.5), [-0.99], [np.inf], [-0.9], [1.5])
    assert optimum.verdict.status is Status.SEVERAL_MINIMA
    value = 50 * (0.99**2 - 1) ** 2 + 0.5 * 0.99
    worse = (
        value - optimize.minimize_scalar(lambda t: 50 * (t**2 - 1) ** 2 - 0.5 * t, (0.9, 1.1)).fun
    )
    assert f"worse by {worse:.2g} nats" in optimum.verdict.advice


def test_rosenbrocks_valley_is_followed_along_a_bound_without_creeping():
    rosenbrock = Function(optimize.rosen, optimize.rosen_der, optimize.rosen_hess)
    optimum, count = boxed(rosenbrock, [-2, -1], [0.5, 2], [-1.2, 1.0])
    # On x = 1/2 the best y is its square.
    np.testing.assert_allclose(optimum.theta, [0.5, 0.25], rtol=1e-9)
    assert optimum.verdict.status is Status.IRREGULAR
    assert optimum.verdict.advice == "held [0]"
    assert count < 40


# ---- what an estimate does with its bounds


def test_a_profile_that_reaches_a_bound_is_open_there():
    problem = wb.bind(continuous.normal, dataset(Y - Y.mean() + 0.1))
    free = wb.maximum_likelihood(problem).profile()
    highest = 1.1 * Y.std()
    bounds = {"sigma": (None, highest), "beta[Intercept]": (0.0, None)}
    fit = wb.maximum_likelihood(problem, bounds=bounds)
    assert fit.status == Status.MINIMUM
    found = fit.profile()
    assert found.loc["sigma", "above"] == "open"
    assert found.loc["sigma", "upper"] == pytest.approx(highest, rel=1e-15)
    assert found.loc["beta[Intercept]", "below"] == "open"
    assert found.loc["beta[Intercept]", "lower"] == 0.0
    assert (found.loc["sigma", "below"], found.loc["beta[Intercept]", "above"]) == ("valid",) * 2
    # Below, sigma has the others at their best as without bounds.
    assert found.loc["sigma", "lower"] == pytest.approx(free.loc["sigma", "lower"], rel=1e-7)


@pytest.mark.parametrize("bound", np.linspace(0.1, 0.9, 9))
def test_an_open_limit_is_the_bound_to_the_last_digit(bound):
    parabola = Function(lambda t: 1.5 * t[0] ** 2, lambda t: [3 * t[0]], lambda t: [[3.0]])
    box = Box(parabola, np.array([-bound]), np.array([np.inf]))
    found = profile(box, point(box, np.array([0.03])), 0, 0.95)
    assert (found.below.status, found.above.status) == ("open", "valid")
    assert found.lower == -bound


def test_a_profile_keeps_the_others_within_their_bounds():
    # With the slope held at its bound from some point on, the residual sum has a closed form.
    y = 1.0 + 0.5 * X[:, 0] + 0.2 * NOISE
    x = X[:, 0] + 1.0
    problem = wb.bind(continuous.normal, dataset(y, x[:, None]))
    slope, intercept = np.polyfit(x, y, 1)
    lower, upper = slope - 0.03, slope + 0.02
    fit = bounded(problem, **{"beta[x1]": (lower, upper)})

    def squares(a):
        best = np.clip(x @ (y - a) / (x @ x), lower, upper)
        return np.sum((y - a - best * x) ** 2)

    def deviance(a):
        return N * np.log(squares(a) / squares(intercept)) - stats.chi2.ppf(0.95, 1)

    found = fit.profile()
    ends = [optimize.brentq(deviance, *pair, xtol=1e-13) for pair in
            ((intercept - 1, intercept), (intercept, intercept + 1))]  # fmt: skip
    assert list(found.loc["beta[Intercept]", ["below", "above"]]) == ["valid", "valid"]
    # Standard errors of distance: the last interpolation leaves the square of 1e-4.
    unit = fit.bse["beta[Intercept]"]
    np.testing.assert_allclose(
        found.loc["beta[Intercept]", ["lower", "upper"]].to_numpy(float), ends, atol=1e-6 * unit
    )
    free = wb.maximum_likelihood(problem).profile().loc["beta[Intercept]"]
    assert found.loc["beta[Intercept]", "lower"] > free["lower"] + 0.1 * unit
    assert (found.loc["beta[x1]", ["below", "above"]] == "open").all()


def test_a_contour_is_left_out_where_it_meets_a_bound(regression):
    free = wb.maximum_likelihood(regression)
    bounds = {"beta[x1]": (free.params["beta[x1]"] - 0.5 * free.bse["beta[x1]"], None)}
    fit = wb.maximum_likelihood(regression, bounds=bounds)
    inside = fit.contour("beta[x1]", "beta[x2]", points=12)
    whole = free.contour("beta[x1]", "beta[x2]", points=12)
    cut = whole["beta[x1]"] < bounds["beta[x1]"][0]
    assert 0 < cut.sum() < 12
    assert (inside.isna().any(axis=1) == cut).all()
    np.testing.assert_allclose(inside[~cut], whole[~cut], atol=1e-6 * free.bse.min())


def test_a_bootstrap_refits_within_the_bounds(normal):
    bound = Y.mean() - 0.1
    fit = bounded(normal, **{"beta[Intercept]": (bound, None)})
    found = fit.bootstrap(40, rng=np.random.default_rng(1))
    draws = list(islice(drawn_rows(np.ones(N), None, np.random.default_rng(1)), 40))
    means = np.maximum([np.average(Y, weights=draw) for draw in draws], bound)
    pairs = zip(draws, means, strict=True)
    deviations = [np.sqrt(np.average((Y - mean) ** 2, weights=draw)) for draw, mean in pairs]
    assert 3 < np.sum(means == bound) < 37
    assert found.failed == 0
    near = 1e-4 * fit.bse  # a replicate's last step is of a hundredth, and leaves its square
    np.testing.assert_allclose(
        found.params["beta[Intercept]"], means, rtol=0, atol=near["beta[Intercept]"]
    )
    np.testing.assert_allclose(found.params["sigma"], deviations, rtol=0, atol=near["sigma"])
    with pytest.raises(ModelError, match="one Newton step knows of no bounds"):
        fit.bootstrap(40, way="one step")


def test_a_fit_at_a_bound_has_no_bootstrap_and_no_profile(normal):
    fit = bounded(normal, **{"beta[Intercept]": (4.0, None)})
    with pytest.raises(ModelError, match=r"no bootstrap: irregular.* the bound beta"):
        fit.bootstrap(10)
    assert (fit.profile()[["below", "above"]] == "irregular").all(axis=None)


def test_the_check_keeps_to_the_bounds_and_compares_with_no_free_fit():
    end = Y.mean() + 0.01

    def ending(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            mu = pm.Flat("mu")
            pm.Normal("outcome", mu + 1e-9 * pm.math.sqrt(end - mu), 1.5, observed=y, dims="row")
        return model

    problem = wb.bind(ending, dataset(Y).drop_vars("X"))
    found = {one.code: one for one in wb.check(bounded(problem, mu=(None, end - 1e-4)))}
    # A standard error is .2: half of it above the estimate, the likelihood is not a number.
    assert not np.isfinite(problem.values(np.array([[Y.mean() + 0.1]]))).any()
    assert found["optimum"].outcome == "pass"
    assert found["gradient"].outcome == "pass"
    assert found["statsmodels"].outcome == "n/a"
    assert "bounded" in found["statsmodels"].why


def test_a_bounded_estimate_travels_with_its_bounds(normal):
    fit = bounded(normal, sigma=(0.5, 1.7))
    again = pickle.loads(pickle.dumps(fit))
    assert again.bounds.limits == {"sigma": (0.5, 1.7)}
    assert again.profile().equals(fit.profile())
    assert "bounds: 0.5 <= sigma <= 1.7" in again.summary()


def test_a_fit_at_a_bound_is_no_restricted_fit_of_a_likelihood_ratio(regression):
    free = wb.maximum_likelihood(regression)
    bounds = {"beta[x1]": (2.0, None)}
    restricted = wb.maximum_likelihood(regression, bounds=bounds, fixed={"beta[x2]": 0.0})
    with pytest.raises(ModelError, match=r"stands at a bound \(beta\[x1\] = 2\)"):
        wb.likelihood_ratio_test(restricted, free)
    loose = wb.maximum_likelihood(
        regression, bounds={"beta[x1]": (-9.0, None)}, fixed={"beta[x2]": 0.0}
    )
    plain = wb.maximum_likelihood(regression, fixed={"beta[x2]": 0.0})
    ours, theirs = (wb.likelihood_ratio_test(one, free) for one in (loose, plain))
    assert ours.p_value == pytest.approx(theirs.p_value, rel=1e-9)


# ---- with what is held, and with starts


def test_bounds_go_with_held_parameters(regression):
    bounds = {"sigma": (3.0, None), "beta[x1]": (None, -0.5)}
    fit = wb.maximum_likelihood(regression, bounds=bounds, fixed={"beta[x2]": 0.3})
    mean = np.mean(Y + 0.5 * X[:, 0] - 0.3 * X[:, 1])
    assert fit.params["beta[Intercept]"] == pytest.approx(mean, rel=1e-8)
    assert fit.at_bounds == {"beta[x1]": -0.5, "sigma": 3.0}
    assert fit.k == 3
    # All that bounds hold can be held, and then only the intercept is left.
    given = wb.maximum_likelihood(regression, fixed={"beta[x2]": 0.3, **fit.at_bounds})
    assert given.bse["beta[Intercept]"] == pytest.approx(3.0 / np.sqrt(N), rel=1e-9)


def test_bounds_of_what_is_held_are_no_bounds(regression):
    fit = wb.maximum_likelihood(
        regression, bounds={"beta[x2]": (0.0, 1.0)}, fixed={"beta[x2]": 0.0}
    )
    assert fit.bounds is None
    assert fit.status == Status.MINIMUM


@pytest.mark.parametrize("bounds", [{"sigma": (0.0, None)}, {"sigma": (-1, np.inf)}, {}])
def test_a_bound_at_the_edge_of_the_support_is_none(normal, bounds):
    fit = wb.maximum_likelihood(normal, bounds=bounds)
    assert fit.bounds is None
    assert fit.optimum.value == wb.maximum_likelihood(normal).optimum.value


def test_a_start_is_searched_from_within_the_bounds(regression):
    bounds = {"beta[x1]": (0.0, 2.0), "sigma": (3.0, 5.0)}
    fit = wb.maximum_likelihood(regression, bounds=bounds, start={"beta[x1]": 1.5})
    begins = {one.name: regression.natural(one.begin) for one in fit.optimum.starts}
    at = dict(zip(regression.labels, begins["given"], strict=True))
    assert at["beta[x1]"] == 1.5
    for natural in begins.values():
        at = dict(zip(regression.labels, natural, strict=True))
        assert 0 <= at["beta[x1]"] <= 2
        assert 3 * (1 - 1e-12) <= at["sigma"] <= 5 * (1 + 1e-12)


def test_an_angle_is_bounded_on_both_sides():
    def direction(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            mu = pm.VonMises("mu", 0.0, 0.1)
            pm.VonMises("outcome", mu, 2.0, observed=y, dims="row")
        return model

    y = np.random.default_rng(3).vonmises(1.0, 2.0, 50)
    problem = wb.bind(direction, dataset(y).drop_vars("X"))
    mean = np.arctan2(np.sin(y).sum(), np.cos(y).sum())
    assert bounded(problem, mu=(0.0, np.pi)).params["mu"] == pytest.approx(mean, rel=1e-9)
    assert bounded(problem, mu=(0.0, 0.5)).params["mu"] == 0.5
    for bounds in ((0.0, None), (3.0, 4.0)):
        with pytest.raises(ModelError, match=r"'mu' is an angle.* on both sides, from -pi to pi"):
            bounded(problem, mu=bounds)


# ---- refusals


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"beta[x3]": (0, 1)}, r"no parameter 'beta\[x3\]', did you mean 'beta\[x"),
        ({"sigma": (2.0, 1.0)}, "lower bound of 'sigma', 2, is not below 1, its upper"),
        ({"sigma": (np.inf, None)}, "lower bound of 'sigma', inf, is not below inf"),
        ({"sigma": (2.0, 2.0)}, r"both 2; to hold it there, use fixed=\{'sigma': 2\}"),
        ({"sigma": (None, np.nan)}, "a bound of 'sigma' is NaN; None is no limit"),
        ({"sigma": 2.0}, r"bounds of 'sigma' are a pair \(lower, upper\).* not 2.0"),
        ({"sigma": ("0", "1")}, "a pair .* not"),
        ({"beta": (0, 1, 2)}, "a pair .* not"),
        ({"sigma": (-2.0, 0.0)}, "nothing of its support, from 0 to inf: -2 <= sigma <= 0"),
    ],
)
def test_what_is_no_bound_is_told_by_name(regression, bounds, message):
    with pytest.raises(ModelError, match=message):
        wb.maximum_likelihood(regression, bounds=bounds)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fixed": {"beta[x1]": -1}}, r"fixed has beta\[x1\] = -1, outside .*: beta\[x1\] >= 0"),
        ({"start": {"beta": 3}}, r"start has beta\[x1\] = 3, outside .*: 0 <= beta\[x1\] <= 2"),
    ],
)
def test_a_held_value_or_a_start_outside_its_bounds_is_refused(regression, arguments, message):
    upper = 2.0 if "start" in arguments else None
    with pytest.raises(ModelError, match=message):
        wb.maximum_likelihood(regression, bounds={"beta[x1]": (0.0, upper)}, **arguments)


def test_a_part_of_a_simplex_cannot_be_bounded_alone():
    problem = wb.bind(declarations.simplex, dataset(np.array([0, 0, 1, 2, 2, 2])))
    with pytest.raises(ModelError, match=r"'p\[a\]' cannot be bounded alone: it moves with"):
        wb.maximum_likelihood(problem, bounds={"p[a]": (0.1, 0.2)})


def test_a_simulated_null_keeps_to_the_bounds(normal):
    """Half of the outcomes simulated at the bound would lead beyond: their gain is zero."""
    end = Y.mean() - 0.01
    fit = bounded(normal, **{"beta[Intercept]": (end, None)})
    restricted = wb.maximum_likelihood(normal, fixed={"beta[Intercept]": end})
    found = wb.likelihood_ratio_test(restricted, fit, replicates=100)
    at_zero = np.mean(found.null < 1e-6)
    assert abs(at_zero - 0.5) < 4 * np.sqrt(0.25 / 100)
    assert found.failed == 0


def test_laplace_draws_know_of_no_bounds(normal):
    posterior = wb.maximum_a_posteriori(normal, bounds={"sigma": (0.01, None)})
    with pytest.raises(ModelError, match=r"no Laplace draws within bounds \(sigma >= 0\.01\)"):
        posterior.laplace()
