"""The search and its verdict: a failure is never called a success, nor the other way round."""

import numpy as np
import pymc as pm
import pytest
from scipy import optimize

import workbench as wb
from models import binary, continuous, counts, positive
from tests import declarations
from tests.declarations import dataset
from tests.marking import slow_but
from workbench.errors import ModelError
from workbench.estimate.objective import Loss
from workbench.optimum import STEP_TOLERANCE, Status, find, jittered, point

RNG = np.random.default_rng(11)
X = RNG.normal(size=(200, 2))


class Function:
    """An objective by hand."""

    longest = np.inf
    name = "likelihood"

    def __init__(self, value, gradient, hessian, ends=False):
        self.value, self.gradient, self.second = value, gradient, hessian
        self.limit = ends
        self.mirrors = False

    def ends(self, theta, direction):
        return self.limit

    def alike(self, theta, other):
        return self.mirrors

    def values(self, thetas):
        return np.array([self.value(theta) for theta in thetas], float)

    def derivatives(self, theta):
        gradient = np.asarray(self.gradient(theta), float)
        return float(self.value(theta)), gradient, np.asarray(self.second(theta), float)


def searched(objective, starts, labels):
    begin = {name: point(objective, theta) for name, theta in starts.items()}
    return find(objective, begin, labels, 1)


ROSENBROCK = Function(optimize.rosen, optimize.rosen_der, optimize.rosen_hess)


def fitted(definition, data):
    return wb.maximum_likelihood(wb.bind(definition, data))


def test_rosenbrocks_valley_is_followed_to_its_end():
    optimum = searched(ROSENBROCK, {"usual": np.array([-1.2, 1.0])}, ["a", "b"])
    assert optimum.verdict.status is Status.MINIMUM
    np.testing.assert_allclose(optimum.theta, [1.0, 1.0], rtol=1e-9)


def test_a_minimum_leaves_no_newton_step_to_go():
    verdict = fitted(counts.poisson, dataset(RNG.poisson(3, 200), X)).optimum.verdict
    assert verdict.status is Status.MINIMUM
    assert verdict.step < STEP_TOLERANCE
    assert verdict.expected_decrease == 0.5 * verdict.step**2
    assert verdict.advice == ""


def test_a_step_into_nan_is_shortened():
    # log x - x falls off the edge at 0: the first Newton step from 10 would land at -80.
    barrier = Function(
        lambda t: t[0] - np.log(t[0]) if t[0] > 0 else np.nan,
        lambda t: [1 - 1 / t[0] if t[0] > 0 else np.nan],
        lambda t: [[1 / t[0] ** 2]],
    )
    optimum = searched(barrier, {"far": np.array([10.0])}, ["x"])
    assert optimum.verdict.status is Status.MINIMUM
    assert optimum.theta[0] == pytest.approx(1.0, rel=1e-9)


def test_what_each_start_found_is_kept():
    # Two wells, at -1 (value -.3) and near 1 (value +.3): the tilted quartic.
    tilted = Function(
        lambda t: (t[0] ** 2 - 1) ** 2 + 0.3 * t[0],
        lambda t: [4 * t[0] * (t[0] ** 2 - 1) + 0.3],
        lambda t: [[12 * t[0] ** 2 - 4]],
    )
    optimum = searched(tilted, {"left": np.array([-2.0]), "right": np.array([2.0])}, ["x"])
    assert optimum.theta[0] < 0
    assert [start.name for start in optimum.starts] == ["left", "right"]
    assert optimum.starts[1].value > optimum.starts[0].value + 0.5


class Counting(Function):
    """The same, noting how often it is differentiated."""

    def derivatives(self, theta):
        self.count = getattr(self, "count", 0) + 1
        return super().derivatives(theta)


def test_a_search_that_comes_to_the_same_place_does_not_go_there_again():
    bowl = Counting(
        lambda t: 0.5 * t @ t + 0.05 * np.sum(t**4),
        lambda t: t + 0.2 * t**3,
        lambda t: np.diag(1 + 0.6 * t**2),
    )
    first, second = np.array([3.0, -2.0]), np.array([-2.5, 2.0])
    alone = searched(bowl, {"first": first}, ["a", "b"])
    count, bowl.count = bowl.count, 0
    both = searched(bowl, {"first": first, "second": second}, ["a", "b"])
    there = len(both.starts[1].values) - 2  # evaluations on its way, its last value known
    assert bowl.count == count + 1 + there
    np.testing.assert_array_equal(both.theta, alone.theta)
    assert both.starts[1].values[-1] == pytest.approx(both.starts[0].values[-2], abs=0.1)


def test_a_point_that_stands_there_twice_is_searched_from_once():
    bowl = Counting(lambda t: 0.5 * t @ t, lambda t: t, lambda t: np.eye(len(t)))
    begin = point(bowl, np.array([3.0]))
    bowl.count = 0
    once = find(bowl, {"one": begin}, ["x"], 1)
    count, bowl.count = bowl.count, 0
    twice = find(bowl, {"one": begin, "other": begin}, ["x"], 1)
    assert bowl.count == count
    assert [start.name for start in twice.starts] == ["one", "other"]
    np.testing.assert_array_equal(twice.theta, once.theta)


def test_a_saddle_alone_is_not_stationary():
    saddle = Function(
        lambda t: t[0] ** 2 - t[1] ** 2,
        lambda t: [2 * t[0], -2 * t[1]],
        lambda t: [[2, 0], [0, -2]],
    )
    optimum = searched(saddle, {"on it": np.zeros(2)}, ["a", "b"])
    assert optimum.verdict.status is Status.NOT_STATIONARY
    assert not optimum.verdict.regular


@pytest.mark.parametrize("seed", range(8))
def test_other_starts_leave_a_saddle(seed):
    data = dataset(np.random.default_rng(seed).normal(3.0, 1.0, 50))
    fit = fitted(declarations.saddle, data)
    # w z is identified, w and z are not.
    assert fit.status == Status.NOT_IDENTIFIED
    assert fit.params["w"] * fit.params["z"] == pytest.approx(data["y"].values.mean(), rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_exact_collinearity_is_not_identified_and_names_the_columns(scale):
    doubled = np.column_stack([X, scale * (X[:, 0] - X[:, 1])])
    fit = fitted(counts.poisson, dataset(RNG.poisson(2, 200), doubled))
    assert fit.status == Status.NOT_IDENTIFIED
    assert "beta[x1]" in fit.optimum.verdict.advice or "beta[x3]" in fit.optimum.verdict.advice
    assert fit.bse.isna().all()
    with pytest.raises(wb.ModelError, match="no covariance: not identified"):
        fit.cov_params()


def test_an_unused_parameter_is_not_identified():
    design = np.column_stack([X, np.zeros(200)])
    fit = fitted(counts.poisson, dataset(RNG.poisson(2, 200), design))
    assert fit.status == Status.NOT_IDENTIFIED
    assert "beta[x3]" in fit.optimum.verdict.advice


def test_near_collinearity_that_the_data_resolve_is_a_minimum():
    near = np.column_stack([X[:, 0], X[:, 0] + 1e-4 * X[:, 1]])
    assert fitted(counts.poisson, dataset(RNG.poisson(2, 200), near)).status == Status.MINIMUM


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e8])
def test_complete_separation_runs_away_whatever_the_units(scale):
    x = scale * np.linspace(-1, 1, 20)
    fit = fitted(binary.logit, dataset(x > 0, x[:, None]))
    assert fit.status == Status.RUNNING_AWAY
    assert "beta[x1]" in fit.optimum.verdict.advice


def test_quasi_complete_separation_runs_away():
    x = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    y = np.array([0, 1, 0, 1, 1, 1, 1, 1])
    assert fitted(binary.logit, dataset(y, x[:, None])).status == Status.RUNNING_AWAY


def test_a_poisson_cell_without_counts_runs_away():
    x = np.repeat([0, 1], 20)
    y = np.where(x == 1, 0, RNG.poisson(3, 40))
    assert fitted(counts.poisson, dataset(y, x[:, None])).status == Status.RUNNING_AWAY


@pytest.mark.parametrize(
    ("seed", "rows"), slow_but({(2, 300)}, [(0, 50), (1, 300), (2, 300), (3, 3000)])
)
def test_nb2_on_underdispersed_counts_runs_away_towards_poisson(seed, rows):
    y = np.random.default_rng(seed).binomial(10, 0.5, rows)
    fit = fitted(counts.negative_binomial, dataset(y))
    assert fit.status == Status.RUNNING_AWAY
    assert "log alpha" in fit.optimum.verdict.advice


@pytest.mark.parametrize("rows", slow_but({500}, [60, 100, 500]))
def test_student_t_on_light_tails_runs_away_towards_normal(rows):
    fit = fitted(continuous.student_t, dataset(np.linspace(-1, 1, rows)))
    assert fit.status == Status.RUNNING_AWAY
    assert "log nu" in fit.optimum.verdict.advice


def test_a_scale_that_collapses_runs_away_without_bound():
    fit = fitted(continuous.normal, dataset(np.ones(10)))
    assert fit.status == Status.RUNNING_AWAY
    assert not fit.optimum.verdict.bounded
    assert "without bound" in fit.optimum.verdict.advice
    assert "-1.00 log sigma" in fit.optimum.verdict.advice


def test_an_edge_with_a_slope_is_irregular_and_keeps_its_value():
    fit = fitted(declarations.uniform, dataset(RNG.uniform(0, 2, 30)))
    observed = fit.problem.rows.observed
    assert fit.status == Status.IRREGULAR
    assert fit.params["upper"] == pytest.approx(observed.max(), rel=1e-9)
    assert fit.llf == pytest.approx(-30 * np.log(observed.max()), rel=1e-9)
    assert "-1.00 log upper" in fit.optimum.verdict.advice
    assert fit.bse.isna().all()
    with pytest.raises(ModelError, match="irregular"):
        fit.cov_params()


def double_well(tilt):
    """(x^2 - 1)^2 with one well deeper than the other by some 2 tilt."""
    return Function(
        lambda t: 50 * (t[0] ** 2 - 1) ** 2 + tilt * t[0],
        lambda t: [200 * t[0] * (t[0] ** 2 - 1) + tilt],
        lambda t: [[200 * (3 * t[0] ** 2 - 1)]],
    )


def test_two_optima_within_two_nats_are_several_minima():
    starts = {"left": np.array([-1.5]), "right": np.array([1.5])}
    verdict = searched(double_well(0.5), starts, ["x"]).verdict
    assert verdict.status is Status.SEVERAL_MINIMA
    # The wells lie 2 apart, where the curvature is 400, and differ by twice the tilt.
    assert "worse by 1 nats and lies 40 standard errors apart" in verdict.advice
    assert verdict.regular


def test_an_optimum_worse_by_more_takes_nothing_away():
    starts = {"left": np.array([-1.5]), "right": np.array([1.5])}
    optimum = searched(double_well(5.0), starts, ["x"])
    assert optimum.verdict.status is Status.MINIMUM
    assert optimum.theta[0] < 0
    assert sorted(round(start.value) for start in optimum.starts) == [-5, 5]


def test_a_mirror_image_is_another_name_for_the_same_minimum():
    def mixture(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            means = [
                pm.Normal(f"m{name}", 0, 10, initval=at) for name, at in (("a", 0.1), ("b", -0.1))
            ]
            parts = [pm.Normal.dist(mean, 1.0) for mean in means]
            pm.Mixture("outcome", w=[0.5, 0.5], comp_dists=parts, observed=y, dims="row")
        return model

    y = np.append(RNG.normal(-3, 1, 60), RNG.normal(3, 1, 60))
    problem = wb.bind(mixture, dataset(y))
    fit = wb.maximum_likelihood(problem, start={"ma": -3.0, "mb": 3.0})
    assert fit.status == Status.MINIMUM
    assert "relabelled" in fit.optimum.verdict.advice
    assert fit.bse.notna().all()


def test_two_places_of_a_cauchy_are_no_mirror_images():
    def cauchy(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Cauchy("outcome", pm.Normal("place", 0, 10), 1.0, observed=y, dims="row")
        return model

    problem = wb.bind(cauchy, dataset(np.array([-6.0, 6.0])))
    fit = wb.maximum_likelihood(problem, start={"place": 5.0})
    far = wb.maximum_likelihood(problem, start={"place": -5.0})
    # Both are at -+ sqrt(35), by the score's cubic, and swap the rows' likelihoods.
    assert abs(fit.params["place"]) == pytest.approx(np.sqrt(35), rel=1e-9)
    assert fit.llf == pytest.approx(far.llf, rel=1e-12)
    loss = Loss(problem, 0.0)
    assert not loss.alike(fit.theta, -fit.theta)
    ends = {name: point(loss, sign * fit.theta) for name, sign in (("left", -1), ("right", 1))}
    verdict = find(loss, ends, problem.theta_labels, 2).verdict
    assert verdict.status is Status.SEVERAL_MINIMA


def test_equal_optima_of_different_distributions_are_several_minima():
    starts = {"left": np.array([-1.5]), "right": np.array([1.5])}
    assert searched(double_well(0.0), starts, ["x"]).verdict.status is Status.SEVERAL_MINIMA


def test_a_better_point_without_derivatives_is_not_passed_over():
    # A parabola with a hole in it, where the value is lower and the gradient is none.
    def hole(t):
        return -5.0 if 2.9 < t[0] < 3.1 else 0.5 * t[0] ** 2

    def slope(t):
        return [np.nan] if 2.9 < t[0] < 3.1 else [t[0]]

    starts = {"near": np.array([1.0]), "lost": np.array([3.0])}
    verdict = searched(Function(hole, slope, lambda t: [[1.0]]), starts, ["x"]).verdict
    assert verdict.status is Status.NOT_FINITE
    assert "5 nats better" in verdict.advice


def test_a_regular_minimum_beside_an_unbounded_one_is_local():
    # A parabola at 0, and far to the right an objective that falls for ever.
    def smooth(x):
        return 1 / (1 + np.exp(-4 * (x - 5)))

    def value(t):
        return 5 * t[0] ** 2 * (1 - smooth(t[0])) - 3 * t[0] * smooth(t[0])

    def derivative(t, step=1e-4):
        return (value(t + step) - value(t - step)) / (2 * step)

    def second(t, step=1e-3):
        return (derivative(t + step) - derivative(t - step)) / (2 * step)

    falling = Function(value, lambda t: [derivative(t)], lambda t: [[second(t)]])
    falling.longest = np.array([1.0])
    starts = {"near": np.array([1.0]), "far": np.array([20.0])}
    optimum = searched(falling, starts, ["x"])
    assert optimum.verdict.status is Status.LOCAL_MINIMUM
    assert optimum.theta[0] == pytest.approx(0.0, abs=1e-6)
    assert "no global one exists" in optimum.verdict.advice
    assert "+1.00 x" in optimum.verdict.advice


def test_an_objective_that_is_nowhere_finite_is_not_finite():
    nowhere = Function(lambda t: np.nan, lambda t: [np.nan], lambda t: [[np.nan]])
    optimum = searched(nowhere, {"a": np.zeros(1), "b": np.ones(1)}, ["x"])
    assert optimum.verdict.status is Status.NOT_FINITE


def test_a_finite_value_with_an_infinite_gradient_is_noticed():
    cusp = Function(lambda t: 1.0, lambda t: [np.inf], lambda t: [[1.0]])
    assert searched(cusp, {"a": np.zeros(1)}, ["x"]).verdict.status is Status.NOT_FINITE


def test_the_advice_speaks_of_what_is_maximised():
    y, flat = np.zeros(30), dataset(np.zeros(30))
    likelihood = fitted(counts.poisson, flat)
    assert "The likelihood keeps growing" in likelihood.optimum.verdict.advice
    assert "use MAP with an informative prior" in likelihood.optimum.verdict.advice
    joint = wb.maximum_a_posteriori(wb.bind(continuous.normal, dataset(y + 1)))
    assert joint.status == Status.RUNNING_AWAY  # a half-normal prior does not keep sigma from zero
    assert "The posterior grows without bound" in joint.optimum.verdict.advice
    assert "more informative prior that keeps it from zero" in joint.optimum.verdict.advice


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_units_of_the_columns_do_not_matter(scale):
    y = RNG.poisson(np.exp(0.5 + 0.3 * X[:, 0]))
    plain = fitted(counts.poisson, dataset(y, X))
    scaled = fitted(counts.poisson, dataset(y, X * scale))
    assert scaled.status == Status.MINIMUM
    # Stopped within 1e-6 standard errors, of which a half its square is left in the value.
    assert scaled.llf == pytest.approx(plain.llf, rel=1e-12)
    assert scaled.params["beta[x1]"] * scale == pytest.approx(plain.params["beta[x1]"], rel=1e-7)


@pytest.mark.parametrize("build", [binary.logit, declarations.probability_logistic])
def test_a_logistic_regression_far_from_its_optimum_stays_finite(build):
    problem = wb.bind(build, dataset(RNG.integers(0, 2, 200), X))
    value, gradient = problem.value_and_gradient(np.array([800.0, -900.0, 1000.0]))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert wb.maximum_likelihood(problem).status == Status.MINIMUM


def test_few_rows_and_a_skewed_likelihood_are_still_a_minimum():
    data = dataset([0, 1, 0, 1, 1], np.array([[0.1], [0.3], [0.5], [0.2], [0.9]]))
    assert fitted(binary.logit, data).status == Status.MINIMUM
    assert fitted(positive.exponential, dataset([0.3, 2.0])).status == Status.MINIMUM


def test_rounding_of_an_extreme_count_is_no_failure():
    y = np.random.default_rng(0).negative_binomial(1, 0.2, 200)
    y[0] = 10_000_000
    fit = fitted(counts.negative_binomial, dataset(y))
    assert fit.status == Status.MINIMUM
    assert fit.optimum.verdict.step < 1e-3


def test_a_jitter_goes_as_far_as_a_newton_step_where_that_is_farther():
    """x^10 at 1: its curvature tells of a ten-thousandth, and the Newton step is a ninth."""
    steep = Function(lambda t: 1e6 * t[0] ** 10, lambda t: [1e7 * t[0] ** 9],
                     lambda t: [[9e7 * t[0] ** 8]])  # fmt: skip
    here = point(steep, np.ones(1))
    moves = [jittered(here, 1, np.random.default_rng(seed))[0] - 1 for seed in range(2_000)]
    # Half of that is the spread; of 2,000 draws its own error is one in sixty-three.
    assert np.std(moves) == pytest.approx(0.5 / 9, rel=4 / 63)


@pytest.mark.slow
def test_healthy_fits_from_a_start_that_is_far_too_sharp_raise_no_alarm():
    """At a shape of ten a row tells the coefficients a hundred times better than at the truth."""

    def weibull(data):
        with pm.Model(coords={"term": data["term"].values}) as model:
            design = pm.Data("X", data["X"], dims=("row", "term"))
            y = pm.Data("y", data["y"], dims="row")
            beta = pm.Normal("beta", 0.0, 10.0, dims="term")
            alpha = pm.HalfNormal("alpha", 10.0)
            pm.Weibull("outcome", alpha=alpha, beta=pm.math.exp(design @ beta), observed=y)
        return model

    rng = np.random.default_rng(20261123)
    columns = X[:50]
    mean = np.exp(0.5 + columns @ [0.3, -0.2])
    problem, statuses = None, []
    for _ in range(100):
        data = dataset(mean * rng.weibull(1.5, 50), columns)
        problem = wb.bind(weibull, data) if problem is None else problem.on(data)
        statuses.append(wb.maximum_likelihood(problem).status)
    assert statuses == ["a minimum"] * 100
