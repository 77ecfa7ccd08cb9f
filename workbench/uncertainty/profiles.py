"""Profile-likelihood limits: how far coordinates can move while the others make the best of it.

The objective is in nats and `here` its minimum, with a positive definite information. A profile
is followed outward along a ray, and distances on it are standard errors at the minimum; there the
root of the deviance, sqrt(2 rise), is nearly the distance itself, and a parabola's exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
from scipy.stats import chi2

from workbench.optimum.box import Box
from workbench.optimum.held import Held
from workbench.optimum.points import ROUNDING, Objective, Point, point
from workbench.optimum.probes import COUNTS
from workbench.optimum.search import QUADRATIC, finished, loose, search
from workbench.uncertainty.covariance import inverse

# In the root of the deviance, which is nearly in standard errors. The last interpolation costs no
# evaluation and leaves about the square of it, far below what a table shows.
CLOSE = 1e-4
# Standard errors that the others may be from their best: what they would still gain is known, but
# for about the cube of it in nats.
SETTLED = 3e-3
# The same for the trust region, at whose end another coordinate may be on its way to infinity: what
# it would still gain, half the square in nats, is less than counts.
NEARLY = 1e-2
NEWTON_STEPS = 6  # from a predicted point two or three do; more is the trust region's work
NEAR = 1.0  # standard errors of the trust region's first step: the prediction is not far off
FARTHEST = 1000.0  # standard errors: no limit that far would mean anything
SATURATED = 10.0  # times what a rise that dies away exponentially would still bring
SHORTEST = 1e-2  # standard errors: where steps so short lead nowhere, something is broken
PATIENCE = 8  # points on one side before interpolation and bisection take turns
LONGEST_WALK = 100  # points on one side; a logarithm goes by steps of one


class Limit(StrEnum):
    """How one side of a profile ended. Only a valid or an open side has a limit."""

    VALID = "valid"
    OPEN = "open"
    FAILED = "failed"
    BETTER = "a better point"


@dataclass(frozen=True)
class Side:
    """One side of a profile.

    `limit` on an open side, where the likelihood never falls by so much, is infinite, or the bound
    within which it does not. NaN if the search over the other coordinates failed, or if it came
    across a `better` theta (else None).
    """

    status: Limit
    limit: float
    better: np.ndarray | None
    visited: np.ndarray  # (m, 2): the coordinate, and the profiled rise there in nats


@dataclass(frozen=True)
class Profile:
    """The profile-likelihood interval of one coordinate of theta."""

    level: float
    below: Side
    above: Side

    @property
    def lower(self) -> float:
        return self.below.limit

    @property
    def upper(self) -> float:
        return self.above.limit

    @property
    def better(self) -> np.ndarray | None:
        """A theta below the minimum by what counts: the fit should start again from there."""
        return self.below.better if self.below.better is not None else self.above.better

    @property
    def visited(self) -> np.ndarray:
        """Coordinate and rise in nats of all points met, shape (m, 2), ascending, for a figure."""
        return np.vstack([self.below.visited[:0:-1], self.above.visited])


def profile(objective: Objective, here: Point, coordinate: int, level: float) -> Profile:
    """Where twice the profiled rise reaches the chi-squared quantile of one degree of freedom.

    ValueError for a level outside (0, 1), LinAlgError unless the information at `here` is positive
    definite. A numerical outcome never raises: it is the status of the side.
    """
    target = _target(level, 1)
    direction = _standardised(here, [coordinate])[:, 0]
    rays = (_ray(objective, here, [coordinate], sign * direction) for sign in (-1, 1))
    below, above = (_side(ray, coordinate, _followed(ray, target)) for ray in rays)
    return Profile(level, below, above)


def contour(
    objective: Objective, here: Point, first: int, second: int, level: float, points: int = 60
) -> np.ndarray:
    """Where twice the rise reaches the chi-squared quantile of two degrees of freedom, (points, 2).

    So the region holds both coordinates together with probability `level`; its shadow on either
    axis is wider than that coordinate's own interval. One point per ray from the optimum, at even
    angles where the coordinates are standardised by their 2x2 covariance; the row of a ray is NaN
    that ended otherwise than at a valid limit. Raises as `profile` does.
    """
    if first == second:
        raise ValueError("a contour needs two different coordinates")
    target, held = _target(level, 2), [first, second]
    angles = np.linspace(0.0, 2 * np.pi, points, endpoint=False)
    directions = _standardised(here, held) @ np.vstack([np.cos(angles), np.sin(angles)])
    found = np.full((points, 2), np.nan)
    for row, direction in zip(found, directions.T, strict=True):
        walk = _followed(_ray(objective, here, held, direction), target)
        if walk.status is Limit.VALID:
            row[:] = here.theta[held] + walk.distance * direction[held]
    return found


@dataclass(frozen=True)
class _Ray:
    """From the optimum along `direction` (k,), one standard error long and zero where `free`."""

    objective: Objective
    optimum: Point
    direction: np.ndarray
    free: np.ndarray

    @cached_property
    def end(self) -> float:
        """The distance at which a held coordinate comes to a bound of its own; else infinite."""
        if not isinstance(self.objective, Box):
            return np.inf
        reach = self.objective.reach(self.optimum.theta, self.direction)
        return float(reach.min())

    def inside(self, theta: np.ndarray) -> np.ndarray:
        """theta, or what is nearest to it within bounds."""
        if isinstance(self.objective, Box):
            return self.objective.onto(theta)
        return theta

    def moving(self, here: Point) -> np.ndarray:
        """The free coordinates but for those that a bound stops here, (k,)."""
        if not isinstance(self.objective, Box):
            return self.free
        return np.asarray(self.free & ~self.objective.pressed(here))


@dataclass(frozen=True)
class _Met:
    """A point of a profile: the others at their best, and how they move along from here."""

    distance: float
    theta: np.ndarray
    rise: float  # nats; its derivatives by the distance follow
    slope: float
    curvature: float
    motion: np.ndarray  # d theta / d distance, (k,)

    @property
    def root(self) -> float:
        """The root of the deviance."""
        return float(np.sqrt(2 * max(self.rise, 0.0)))

    @cached_property
    def stretch(self) -> float:
        """d distance / d root; NaN where the profile does not rise."""
        if self.distance == 0.0:
            return 1.0
        return self.root / self.slope if self.slope > 0 < self.rise else np.nan

    def flat(self, target: float) -> bool:
        """Whether what lies ahead would not bring the rise that is left to the target.

        Neither if it dies away as a saturating likelihood's does, nor if it keeps slope and
        curvature to the farthest distance.
        """
        needed, ahead = 0.5 * target**2 - self.rise, FARTHEST - self.distance
        saturated = self.slope >= 0 and SATURATED * self.slope**2 < -needed * self.curvature
        reached = abs(self.slope) * ahead + 0.5 * max(self.curvature, 0.0) * ahead**2
        return saturated or reached < needed


@dataclass(frozen=True)
class _Walk:
    """The points met along a ray, in the order of their making, and where it ended."""

    status: Limit
    distance: float
    met: tuple[_Met, ...]


def _target(level: float, degrees: int) -> float:
    """The root of the deviance at the limit, which is the distance of Wald's."""
    if not 0 < level < 1:
        raise ValueError(f"level lies between 0 and 1, such as 0.95, not {level!r}")
    return float(np.sqrt(chi2.ppf(level, degrees)))


def _standardised(here: Point, held: list[int]) -> np.ndarray:
    """Moves of the held coordinates that are one standard error long and independent, (k, h)."""
    moves = np.zeros((len(here.theta), len(held)))
    moves[held] = np.linalg.cholesky(inverse(here.information)[np.ix_(held, held)])
    return moves


def _ray(objective: Objective, here: Point, held: list[int], direction: np.ndarray) -> _Ray:
    free = np.full(len(here.theta), True)
    free[held] = False
    return _Ray(objective, here, direction, free)


def _side(ray: _Ray, coordinate: int, walk: _Walk) -> Side:
    """A walk told in the coordinate's own unit, nearest point first."""
    begin, unit = ray.optimum.theta[coordinate], ray.direction[coordinate]
    met = sorted(walk.met, key=lambda one: one.distance)
    visited = np.array([(begin + one.distance * unit, one.rise) for one in met])
    better = walk.met[-1].theta if walk.status is Limit.BETTER else None
    limit = begin + walk.distance * unit
    if isinstance(ray.objective, Box) and walk.status is Limit.OPEN:
        limit = (ray.objective.upper if unit > 0 else ray.objective.lower)[coordinate]
    return Side(walk.status, float(limit), better, visited)


def _followed(ray: _Ray, target: float) -> _Walk:
    """Outward until the root of the deviance is the target, first by steps, then between them.

    A step that leads nowhere is shortened. Two points in a row have to look flat before a side
    is called open, as one may be the top of a pass.
    """
    inside = _met(ray, 0.0, ray.optimum)
    beyond, met, reach, flat = None, [inside], target, False
    while len(met) < LONGEST_WALK and reach > SHORTEST:
        if inside.distance >= ray.end:
            return _Walk(Limit.OPEN, ray.end, tuple(met))
        step = min(_proposed(met, inside, beyond, target) - inside.distance, reach)
        step = min(step, _longest(ray, inside), ray.end - inside.distance)
        found = _profiled(ray, met, inside.distance + step)
        if found is None:
            reach = step / 4
            continue
        met.append(found)
        if found.rise < -COUNTS:
            return _Walk(Limit.BETTER, np.nan, tuple(met))
        if abs(found.root - target) < CLOSE and found.slope > 0:
            return _Walk(Limit.VALID, _interpolated(met, target), tuple(met))
        if found.root > target:
            beyond = found
            continue
        again = flat and found.flat(target)
        inside, flat, reach = found, found.flat(target), max(reach, 2 * step)
        if beyond is None and (again or inside.distance >= FARTHEST):
            return _Walk(Limit.OPEN, ray.end, tuple(met))
    return _Walk(Limit.FAILED, np.nan, tuple(met))


def _longest(ray: _Ray, here: _Met) -> float:
    """How far a step may go, by what each coordinate may move at most."""
    with np.errstate(divide="ignore"):
        return float(np.min(ray.objective.longest / np.abs(here.motion)))


def _proposed(met: Sequence[_Met], inside: _Met, beyond: _Met | None, target: float) -> float:
    """The next distance: interpolated, if that falls where the limit must be."""
    distance = _interpolated(met, target)
    if beyond is None:
        return distance if distance > inside.distance else np.inf
    sound = inside.distance < distance < beyond.distance
    if sound and (len(met) < PATIENCE or len(met) % 2):
        return distance
    return 0.5 * (inside.distance + beyond.distance)


def _interpolated(met: Sequence[_Met], target: float) -> float:
    """The distance as a function of the root, at the target, by points where the profile rises.

    Hermite's cubic through the two points nearest the target: the slopes are exact and cost
    nothing, since at their best the others' moves do not count. Far outside of the two it goes on
    straight from the nearer.
    """
    rising = [one for one in met if not np.isnan(one.stretch)]
    nearest = sorted(rising, key=lambda one: abs(one.root - target))
    here, other = nearest[0], nearest[min(1, len(rising) - 1)]
    gap, left = other.root - here.root, target - here.root
    if abs(left) > abs(gap) or gap == 0.0:
        return here.distance + left * here.stretch
    share = left / gap
    onward = share**2 * (3 - 2 * share)
    leave, arrive = share * (1 - share) ** 2 * here.stretch, share**2 * (share - 1) * other.stretch
    line = (1 - onward) * here.distance + onward * other.distance
    return line + gap * (leave + arrive)


def _profiled(ray: _Ray, met: Sequence[_Met], distance: float) -> _Met | None:
    """The profile at that distance, from the nearest point met; None where it cannot be had.

    A better point that its own neighbours within millionths do not confirm is rounding.
    """
    nearest = min(met, key=lambda one: abs(one.distance - distance))
    start = nearest.theta + (distance - nearest.distance) * nearest.motion
    here = _settled(ray, point(ray.objective, ray.inside(start)))
    if here is None:
        return None
    found = _met(ray, distance, here)
    if found.rise < -COUNTS:
        back = ray.optimum.theta - found.theta
        near = ray.objective.values(found.theta + 1e-6 * np.arange(4)[:, None] * back)
        if not (np.isfinite(near).all() and ray.optimum.value - near.max() > 10 * np.ptp(near)):
            return None
    return found


def _settled(ray: _Ray, here: Point) -> Point | None:
    """The free coordinates brought to their best by Newton's steps, or else by the search."""
    if not here.finite:
        return None
    if not ray.free.any():
        return here
    if isinstance(ray.objective, Box):
        return _within_bounds(ray, ray.objective, here)
    longest = np.broadcast_to(ray.objective.longest, ray.free.shape)[ray.free]
    for _ in range(NEWTON_STEPS):
        step, left = here.among(ray.free).newton_step
        if left < SETTLED:
            return here
        if not np.isfinite(left):
            break
        theta = here.theta.copy()
        theta[ray.free] += step / max(1.0, float(np.max(np.abs(step) / longest)))
        trial = point(ray.objective, theta)
        if not trial.finite or trial.among(ray.free).newton_step[1] > QUADRATIC * left:
            break
        here = trial
    return _searched(ray, here)


def _searched(ray: _Ray, here: Point) -> Point | None:
    """The same by the trust region, for where Newton's steps do not converge.

    It goes on while another coordinate runs off to infinity, until nothing is left to gain there.
    """
    held = Held(ray.objective, here.theta, ray.free)
    end = search(held, "profile", here.among(ray.free), NEAR, NEARLY).end
    if not end.newton_step[1] < NEARLY:
        return None
    whole = point(ray.objective, held.whole(end.theta))
    return whole if whole.finite else None


def _within_bounds(ray: _Ray, box: Box, here: Point) -> Point | None:
    """The free coordinates brought to their best within their bounds, to the last digits."""
    others = box.over(here.theta, ray.free)
    end = finished(others, search(others, "profile", here.among(ray.free), NEAR), NEAR)
    if not loose(others, end).newton_step[1] < NEARLY:
        return None
    theta = here.theta.copy()
    theta[ray.free] = end.theta
    return point(box, theta)


def _met(ray: _Ray, distance: float, here: Point) -> _Met:
    """The profile at a point where the others are nearly at their best, and what they still gain.

    That gain is Newton's; along the motion of the others' best the derivatives are the profile's.
    """
    motion, last = ray.direction.copy(), np.zeros_like(here.theta)
    moving = ray.moving(here)
    if moving.any():
        inner = here.among(moving)
        pulls = np.column_stack([inner.gradient, (here.information @ ray.direction)[moving]])
        moves = np.linalg.lstsq(inner.scaled, -inner.scale[:, None] * pulls, rcond=ROUNDING)[0]
        last[moving], motion[moving] = (inner.scale[:, None] * moves).T
    rise = here.value + 0.5 * float(here.gradient @ last) - ray.optimum.value
    slope, curvature = here.gradient @ motion, motion @ here.information @ motion
    theta = ray.inside(here.theta + last)
    return _Met(distance, theta, rise, float(slope), float(curvature), motion)
