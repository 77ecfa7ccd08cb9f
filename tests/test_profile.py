"""Profile-likelihood limits meet closed forms and brute force, and say so where there are none."""

import numpy as np
import pymc as pm
import pytest
from scipy import optimize, special, stats

import workbench as wb
from models import binary, continuous, counts, positive
from tests.declarations import dataset
from tests.marking import slow_but
from tests.test_optimum import ROSENBROCK, Function
from workbench.estimate import BetterOptimumError
from workbench.estimate.objective import Loss
from workbench.optimum import find, point
from workbench.uncertainty.profiles import Limit, contour, profile

LEVEL = 0.95
QUANTILE = stats.chi2.ppf(LEVEL, 1)
# Standard errors of distance: the last interpolation leaves the square of 1e-4.
EXACT = 1e-7
RNG = np.random.default_rng(5)


class Counted:
    """An objective that counts how often its derivatives were asked for."""

    def __init__(self, objective):
        self.objective, self.count = objective, 0

    def __getattr__(self, name):
        return getattr(self.objective, name)

    def derivatives(self, theta):
        self.count += 1
        return self.objective.derivatives(theta)


def minimised(objective, start):
    """The minimum as a Point."""
    start = np.asarray(start, float)
    labels = [f"t{j}" for j in range(len(start))]
    return point(objective, find(objective, {"start": point(objective, start)}, labels, 1).theta)


def estimated(definition, data):
    """A model's NLL and its minimum."""
    fit = wb.maximum_likelihood(wb.bind(definition, data))
    objective = Loss(fit.problem, 0.0)
    return objective, point(objective, fit.theta)


def interval(objective, here, coordinate=0, level=LEVEL):
    """A profile of which both sides are valid."""
    found = profile(objective, here, coordinate, level)
    assert (found.below.status, found.above.status) == (Limit.VALID, Limit.VALID)
    assert found.better is None
    return found


def error(here, coordinate):
    """The standard error of one coordinate."""
    return np.sqrt(np.linalg.inv(here.information)[coordinate, coordinate])


def crossings(deviance, centre, reach, quantile=QUANTILE):
    """Where a deviance of one variable crosses the quantile, on either side."""
    return [
        optimize.brentq(lambda t: deviance(t) - quantile, *sorted((centre, centre + way * reach)),
                        xtol=1e-13)
        for way in (-1, 1)
    ]  # fmt: skip


def assert_limits(found, expected, unit):
    """Both limits, to `EXACT` standard errors."""
    np.testing.assert_allclose([found.lower, found.upper], expected, rtol=0, atol=EXACT * unit)


# ---- closed forms


@pytest.mark.parametrize("rows", slow_but({30}, [4, 30, 1000]))
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_mean_of_a_normal_has_its_closed_form(rows, level):
    # The profile NLL is n/2 log of the residual mean square, s^2 + (mu - m)^2, so the deviance
    # n log(1 + (mu - m)^2 / s^2) reaches c at m +- s sqrt(exp(c/n) - 1).
    y = RNG.normal(2.0, 3.0, rows)
    objective, here = estimated(continuous.normal, dataset(y))
    half = y.std() * np.sqrt(np.expm1(stats.chi2.ppf(level, 1) / rows))
    found = interval(objective, here, 0, level)
    assert_limits(found, [y.mean() - half, y.mean() + half], error(here, 0))


@pytest.mark.parametrize("rows", [3, 30])
def test_the_scale_of_a_normal_has_its_closed_form(rows):
    # Over the mean the minimum is at the mean of y: n (2 log(sigma/s) + s^2/sigma^2 - 1) = c.
    y = RNG.normal(2.0, 3.0, rows)
    objective, here = estimated(continuous.normal, dataset(y))

    def deviance(u):
        return rows * (2 * u + np.expm1(-2 * u))

    expected = np.log(y.std()) + crossings(deviance, 0.0, 10.0)
    assert_limits(interval(objective, here, 1), expected, error(here, 1))


def test_a_poisson_rate_alone_has_the_closed_form():
    y = np.array([0.0, 2.0, 1.0])
    objective, here = estimated(counts.poisson, dataset(y))

    def deviance(eta):
        return 2 * (3 * np.exp(eta) - 3 * eta - 3)

    # The sum of y is n, so the estimate is log 1 = 0.
    assert_limits(interval(objective, here), crossings(deviance, 0.0, 10.0), error(here, 0))


def test_an_exponential_scale_alone_has_the_closed_form():
    y = np.array([0.3, 2.0, 0.9, 5.1])
    objective, here = estimated(positive.exponential, dataset(y))

    def deviance(eta):
        return 2 * 4 * (eta - np.log(y.mean()) + y.mean() * np.exp(-eta) - 1)

    expected = crossings(deviance, np.log(y.mean()), 10.0)
    assert_limits(interval(objective, here), expected, error(here, 0))


@pytest.mark.parametrize(("successes", "rows"), [(1, 10), (5, 10), (299, 300)])
def test_a_binomial_probability_has_the_closed_form(successes, rows):
    objective, here = estimated(binary.logit, dataset(np.arange(rows) < successes))

    def deviance(eta):
        p, share = special.expit(eta), successes / rows
        return 2 * rows * (special.rel_entr(share, p) + special.rel_entr(1 - share, 1 - p))

    expected = crossings(deviance, special.logit(successes / rows), 30.0)
    assert_limits(interval(objective, here), expected, error(here, 0))


def quadratic(size, scales):
    half = RNG.normal(size=(size + 2, size)) / scales
    matrix, centre = half.T @ half, RNG.normal(size=size) * scales

    def value(theta):
        return 7.0 + 0.5 * (theta - centre) @ matrix @ (theta - centre)

    return Function(value, lambda t: matrix @ (t - centre), lambda t: matrix), centre, matrix


@pytest.mark.parametrize("scales", [np.ones(4), np.array([1e-6, 1.0, 1e6, 1e3])])
def test_a_parabola_has_walds_limits(scales):
    objective, centre, matrix = quadratic(4, scales)
    here = point(objective, centre)
    for j in range(4):
        half = np.sqrt(QUANTILE * np.linalg.inv(matrix)[j, j])
        found = interval(objective, here, j)
        # Rounding of a value near 10: 1e-8 of the half width.
        expected = [centre[j] - half, centre[j] + half]
        np.testing.assert_allclose([found.lower, found.upper], expected, rtol=0, atol=1e-8 * half)


# ---- brute force


def gamma_objective(y):
    """The NLL of a gamma by the logarithms of its shape and its scale, which are correlated."""
    n, total, logs = len(y), y.sum(), np.log(y).sum()

    def value(t):
        a = np.exp(t[0])
        return n * (special.gammaln(a) + a * t[1]) - (a - 1) * logs + total * np.exp(-t[1])

    def gradient(t):
        a = np.exp(t[0])
        by_shape = a * (n * (special.digamma(a) + t[1]) - logs)
        return [by_shape, n * a - total * np.exp(-t[1])]

    def hessian(t):
        a = np.exp(t[0])
        twice = gradient(t)[0] + a**2 * n * special.polygamma(1, a)
        return [[twice, n * a], [n * a, total * np.exp(-t[1])]]

    return Function(value, gradient, hessian)


@pytest.mark.parametrize("coordinate", [0, 1])
@pytest.mark.parametrize("longest", [np.inf, 0.2])
def test_a_skewed_gamma_meets_brute_force(coordinate, longest):
    y = np.array([0.2, 1.1, 0.7, 3.9, 0.05, 2.2])
    objective = gamma_objective(y)
    objective.longest = longest
    here = minimised(objective, [0.0, 0.0])

    def profiled(held):
        """SciPy's own density, minimised over the other coordinate."""

        def value(other):
            shape, scale = np.exp([held, other] if coordinate == 0 else [other, held])
            return -stats.gamma.logpdf(y, shape, scale=scale).sum()

        return optimize.minimize_scalar(value, bracket=(-1.0, 1.0), tol=1e-12).fun

    best, centre = profiled(here.theta[coordinate]), here.theta[coordinate]
    expected = crossings(lambda t: 2 * (profiled(t) - best), centre, 5.0)
    assert_limits(interval(objective, here, coordinate), expected, error(here, coordinate))


@pytest.mark.parametrize("coordinate", [0, 1, 2])
def test_a_logistic_regression_of_few_rows_meets_brute_force(coordinate):
    X = np.random.default_rng(3).normal(size=(25, 2))
    y = np.random.default_rng(4).random(25) < special.expit(0.5 + X @ [1.0, -1.0])
    objective, here = estimated(binary.logit, dataset(y, X))
    design = np.column_stack([np.ones(25), X])
    others = [j for j in range(3) if j != coordinate]

    def profiled(held):
        def value(rest):
            eta = design[:, coordinate] * held + design[:, others] @ rest
            return np.sum(np.logaddexp(0, eta) - y * eta)

        def gradient(rest):
            eta = design[:, coordinate] * held + design[:, others] @ rest
            return design[:, others].T @ (special.expit(eta) - y)

        start = here.theta[others]
        options = {"gtol": 1e-10}
        return optimize.minimize(value, start, jac=gradient, method="BFGS", options=options).fun

    best, centre = profiled(here.theta[coordinate]), here.theta[coordinate]
    expected = crossings(lambda t: 2 * (profiled(t) - best), centre, 10.0)
    assert_limits(interval(objective, here, coordinate), expected, error(here, coordinate))


def test_rosenbrocks_bent_valley_has_its_limits():
    # Over the second coordinate the minimum is (1 - t)^2.
    here = minimised(ROSENBROCK, [1.0, 1.0])
    half = np.sqrt(QUANTILE / 2)
    assert_limits(interval(ROSENBROCK, here, 0), [1 - half, 1 + half], error(here, 0))

    def profiled(u):
        """Over the first: the stationary points are the roots of a cubic."""
        roots = np.roots([400.0, 0.0, 2 - 400 * u, -2.0])
        real = roots[np.abs(roots.imag) < 1e-9].real
        return 2 * min(optimize.rosen([t, u]) for t in real)

    expected = [
        optimize.brentq(lambda u: profiled(u) - QUANTILE, low, high, xtol=1e-14)
        for low, high in ((-1, 1), (1, 10))
    ]
    assert_limits(interval(ROSENBROCK, here, 1), expected, error(here, 1))


def test_another_coordinate_may_run_off_on_the_way():
    # With q = max(1 - t, 0) the minimum over u of exp(-u) + q u is q - q log q, and for t >= 1 it
    # lies at infinity; the profile rises, falls back to 0 at 1, and from there is t^2 - 1.
    def q(t):
        return max(1 - t[0], 0.0)

    def inside(t):
        return float(t[0] < 1)

    objective = Function(
        lambda t: t[0] ** 2 + np.exp(-t[1]) + q(t) * t[1],
        lambda t: [2 * t[0] - inside(t) * t[1], q(t) - np.exp(-t[1])],
        lambda t: [[2.0, -inside(t)], [-inside(t), np.exp(-t[1])]],
    )
    found = interval(objective, point(objective, np.zeros(2)))
    # Half the square of 1e-2 standard errors is left of the rise, 5e-5 nats of 2.
    assert found.upper == pytest.approx(np.sqrt(1 + QUANTILE / 2), rel=5e-5)


# ---- sides without a limit


def saturating(ceiling):
    """Rises to `ceiling` nats on the right, u along with t; min_u is ceiling (1 - exp(-t))^2."""
    return Function(
        lambda t: ceiling * np.expm1(-t[0]) ** 2 + (t[1] - t[0]) ** 2,
        lambda t: [
            -2 * ceiling * np.expm1(-t[0]) * np.exp(-t[0]) - 2 * (t[1] - t[0]),
            2 * (t[1] - t[0]),
        ],
        lambda t: [
            [2 * ceiling * (2 * np.exp(-2 * t[0]) - np.exp(-t[0])) + 2, -2],
            [-2, 2],
        ],
    )


@pytest.mark.parametrize("ceiling", [0.01, 1.0, 1.9])
def test_a_likelihood_that_saturates_leaves_a_side_open(ceiling):
    objective = saturating(ceiling)
    found = profile(objective, point(objective, np.zeros(2)), 0, LEVEL)
    assert found.above.status is Limit.OPEN
    assert found.upper == np.inf
    assert found.below.status is Limit.VALID
    # On the left exp(-t) - 1 = sqrt(c / 2 ceiling).
    assert found.lower == pytest.approx(-np.log1p(np.sqrt(QUANTILE / 2 / ceiling)), rel=1e-6)
    # Far out enough to be sure, and no absurd parameters.
    assert 0.9 * ceiling < found.above.visited[-1, 1] < ceiling + 1e-9
    assert found.above.visited[-1, 0] < 50


def test_one_that_saturates_just_above_the_threshold_has_a_limit():
    objective = saturating(2.0)
    found = interval(objective, point(objective, np.zeros(2)), 0)
    assert found.upper == pytest.approx(-np.log1p(-np.sqrt(QUANTILE / 4)), rel=1e-6)


def test_the_dispersion_of_nearly_poisson_counts_is_open_towards_poisson():
    y = np.random.default_rng(8).negative_binomial(20, 20 / 22, 200)
    fit = wb.maximum_likelihood(wb.bind(counts.negative_binomial, dataset(y)))
    poisson = stats.poisson.logpmf(y, y.mean()).sum()
    assert 0 < 2 * (fit.llf - poisson) < QUANTILE, "the data are no such case"
    objective = Loss(fit.problem, 0.0)
    found = profile(objective, point(objective, fit.theta), 1, LEVEL)
    assert (found.below.status, found.above.status) == (Limit.VALID, Limit.OPEN)
    # What Poisson lacks is the rise that it tends to.
    assert found.above.visited[-1, 1] == pytest.approx(fit.llf - poisson, abs=0.01)


@pytest.mark.parametrize("level", [0.95, 0.9999])
def test_a_slow_rise_is_not_called_open(level):
    # Cauchy's tail: log(1 + t^2) reaches c/2 at sqrt(exp(c/2) - 1), up to 60 standard errors out.
    cauchy = Function(
        lambda t: np.log1p(t[0] ** 2),
        lambda t: [2 * t[0] / (1 + t[0] ** 2)],
        lambda t: [[(2 - 2 * t[0] ** 2) / (1 + t[0] ** 2) ** 2]],
    )
    expected = np.sqrt(np.expm1(stats.chi2.ppf(level, 1) / 2))
    found = interval(cauchy, point(cauchy, np.zeros(1)), 0, level)
    np.testing.assert_allclose([found.lower, found.upper], [-expected, expected], rtol=1e-6)


def test_an_edge_before_the_limit_fails_and_the_other_side_stands():
    edge = Function(
        lambda t: 0.5 * t[0] ** 2 if t[0] < 1 else np.inf,
        lambda t: [t[0] if t[0] < 1 else np.nan],
        lambda t: [[1.0]],
    )
    found = profile(edge, point(edge, np.zeros(1)), 0, LEVEL)
    assert found.above.status is Limit.FAILED
    assert np.isnan(found.upper)
    assert found.lower == pytest.approx(-np.sqrt(QUANTILE), rel=1e-9)


def test_an_edge_behind_the_limit_is_no_obstacle():
    # Wald's limit, 1.96, is beyond the edge at 1.5; the likelihood falls by enough before it.
    edge = Function(
        lambda t: -np.log(1 - (t[0] / 1.5) ** 2) if abs(t[0]) < 1.5 else np.nan,
        lambda t: [2 * t[0] / (2.25 - t[0] ** 2)],
        lambda t: [[2 * (2.25 + t[0] ** 2) / (2.25 - t[0] ** 2) ** 2]],
    )
    expected = 1.5 * np.sqrt(-np.expm1(-QUANTILE / 2))
    found = interval(edge, point(edge, np.zeros(1)))
    np.testing.assert_allclose([found.lower, found.upper], [-expected, expected], rtol=1e-7)


# ---- better optima


def wells(barrier):
    """Two wells near -1 and 1, the right one 0.6 nats higher; `barrier` nats between them."""
    return Function(
        lambda t: barrier * (t[0] ** 2 - 1) ** 2 + 0.3 * t[0],
        lambda t: [4 * barrier * t[0] * (t[0] ** 2 - 1) + 0.3],
        lambda t: [[barrier * (12 * t[0] ** 2 - 4)]],
    )


def test_a_better_optimum_behind_a_low_barrier_is_reported():
    objective = wells(1.0)
    here = minimised(objective, [1.0])
    assert here.theta[0] > 0
    found = profile(objective, here, 0, LEVEL)
    assert found.below.status is Limit.BETTER
    assert np.isnan(found.lower)
    assert found.better is not None
    assert objective.value(found.better) < here.value - 1e-3
    assert found.above.status is Limit.VALID


def test_one_behind_a_high_barrier_is_another_matter():
    objective = wells(20.0)
    found = interval(objective, minimised(objective, [1.0]), 0)
    assert 0 < found.lower < 1 < found.upper


def test_a_better_optimum_of_the_other_coordinates_is_reported():
    # The wells stand in u; t pulls at u, until it falls over to the left.
    tilted = wells(1.0)
    objective = Function(
        lambda t: tilted.value(t[1:]) + 0.5 * (t[0] - t[1]) ** 2,
        lambda t: [t[0] - t[1], tilted.gradient(t[1:])[0] - (t[0] - t[1])],
        lambda t: [[1.0, -1.0], [-1.0, tilted.second(t[1:])[0][0] + 1.0]],
    )
    here = minimised(objective, [1.0, 1.0])
    assert here.theta[1] > 0
    found = profile(objective, here, 0, LEVEL)
    assert found.better is not None
    assert objective.value(found.better) < here.value - 1e-3


def test_a_fall_that_is_rounding_is_no_better_optimum():
    # Beyond 1 the values are noise of a hundredth of a nat, as of absurd parameters.
    noise = Function(
        lambda t: 0.5 * t[0] ** 2 if t[0] < 1 else -0.01 + 0.02 * np.sin(1e9 * t[0]),
        lambda t: [t[0] if t[0] < 1 else 0.0],
        lambda t: [[1.0 if t[0] < 1 else 0.0]],
    )
    found = profile(noise, point(noise, np.zeros(1)), 0, LEVEL)
    assert found.better is None
    assert found.above.status is not Limit.VALID


# ---- contours


def test_the_contour_of_a_parabola_is_the_ellipse():
    objective, centre, matrix = quadratic(4, np.array([1.0, 1e-3, 1e3, 1.0]))
    found = contour(objective, point(objective, centre), 2, 1, LEVEL, points=16)
    assert found.shape == (16, 2)
    away = found - centre[[2, 1]]
    block = np.linalg.inv(np.linalg.inv(matrix)[np.ix_([2, 1], [2, 1])])
    # -2 log 0.05: the quantile of two degrees of freedom.
    np.testing.assert_allclose(
        np.einsum("ij,jk,ik->i", away, block, away), -2 * np.log(0.05), rtol=1e-8
    )
    # All around, not on a part of it.
    np.testing.assert_allclose(away[:8] / [1e3, 1e-3], -away[8:] / [1e3, 1e-3], atol=1e-6)


def test_the_contour_of_a_normal_has_its_closed_form():
    y = RNG.normal(2.0, 3.0, 12)
    objective, here = estimated(continuous.normal, dataset(y))
    mu, log_sigma = contour(objective, here, 0, 1, LEVEL).T
    excess = 2 * (log_sigma - np.log(y.std()))
    deviance = 12 * (excess + (1 + ((mu - y.mean()) / y.std()) ** 2) * np.exp(-excess) - 1)
    np.testing.assert_allclose(deviance, -2 * np.log(0.05), rtol=1e-6)


def test_a_contour_has_the_others_at_their_best():
    X = np.random.default_rng(3).normal(size=(25, 2))
    y = np.random.default_rng(4).random(25) < special.expit(0.5 + X @ [1.0, -1.0])
    objective, here = estimated(binary.logit, dataset(y, X))
    design = np.column_stack([np.ones(25), X])

    def value(beta):
        return np.sum(np.logaddexp(0, design @ beta) - y * (design @ beta))

    for first, second in contour(objective, here, 1, 2, LEVEL, points=7):
        over = optimize.minimize_scalar(
            lambda beta, held=(first, second): value([beta, *held]), tol=1e-12
        )
        deviance = 2 * (over.fun - value(here.theta))
        assert deviance == pytest.approx(-2 * np.log(0.05), rel=1e-6)


def test_rays_without_a_limit_are_rows_of_nan():
    objective = saturating(1.0)
    found = contour(objective, point(objective, np.zeros(2)), 0, 1, LEVEL, points=8)
    lost = np.isnan(found).all(axis=1)
    # Straight along the valley, to larger t and u alike, the objective saturates.
    assert lost[0]
    assert not lost[4]
    assert np.isfinite(found[~lost]).all()


# ---- what is kept, what it costs, what is refused


def test_the_points_met_lie_on_the_profile():
    y = RNG.normal(2.0, 3.0, 6)
    objective, here = estimated(continuous.normal, dataset(y))
    coordinate, rise = interval(objective, here, 0).visited.T
    assert (np.diff(coordinate) > 0).all()
    assert rise.min() == pytest.approx(0.0, abs=1e-12)  # the optimum itself
    expected = 3 * np.log1p(((coordinate - y.mean()) / y.std()) ** 2)
    # The others are within 3e-3 standard errors of their best: its cube is left.
    np.testing.assert_allclose(rise, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("rows", [60, 1000])
def test_ten_parameters_cost_few_evaluations(rows):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(rows, 9))
    y = rng.random(rows) < special.expit(X @ rng.normal(size=9) * 0.4)
    objective, here = estimated(binary.logit, dataset(y, X))
    for coordinate in range(10):
        counted = Counted(objective)
        interval(counted, here, coordinate)
        assert counted.count <= 12, coordinate  # both sides; measured 6 to 8


def test_misuse_is_refused():
    objective = wells(1.0)
    here = minimised(objective, [1.0])
    with pytest.raises(ValueError, match="level lies between 0 and 1"):
        profile(objective, here, 0, 95)
    with pytest.raises(ValueError, match="two different coordinates"):
        contour(objective, here, 0, 0, LEVEL)
    with pytest.raises(np.linalg.LinAlgError):
        profile(objective, point(objective, np.zeros(1)), 0, LEVEL)


def test_a_fit_is_restarted_where_its_profile_finds_a_better_optimum():
    """Two clumps under a Cauchy density: the start lies at the smaller."""
    clump = 0.3 * stats.norm.ppf((np.arange(6) + 0.5) / 6)
    y = np.concatenate([-2.0 + clump[:5], 2.0 + clump])
    with pm.Model() as model:
        mu = pm.Normal("mu", 0.0, 10.0, initval=-1.6)
        pm.Cauchy("outcome", mu, 1.0, observed=pm.Data("y", y))
    fit = wb.maximum_likelihood(wb.bind(model))
    assert fit.params["mu"] < 0
    with pytest.raises(BetterOptimumError, match=r"better by .* nats") as caught:
        fit.profile()

    best = optimize.minimize_scalar(
        lambda centre: -stats.cauchy.logpdf(y, centre).sum(), bounds=(0.0, 4.0), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    again = caught.value.fit
    assert again.params["mu"] == pytest.approx(best.x, abs=1e-6 * again.bse["mu"])
    assert again.llf == pytest.approx(-best.fun, rel=1e-12)
    assert [start.name for start in again.optimum.starts][-1] == "the profile"
    assert again.status == "a minimum"
    limits = again.profile().loc["mu"]
    assert limits["lower"] < best.x < limits["upper"]
