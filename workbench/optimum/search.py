"""Searches: downhill from a start until little is left to go, then to the last digits."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
from scipy.optimize import brentq

from workbench.optimum.descent import descended
from workbench.optimum.points import STEP_TOLERANCE, Objective, Point, length, point, rounding

# Where the trust region hands over to plain Newton steps, which from there leave at most a third
# of what was left, or are not those of a minimum.
HANDOVER = 0.1  # standard errors
QUADRATIC = 1 / 3
SAME_PLACE = 1.0  # standard errors from a minimum: what is nearer is no other one
ITERATIONS = 200
WIDE = 300  # parameters
FIRST_RADIUS = 1.0  # standard errors that one row would leave
ENOUGH = 1e-4  # of the predicted gain, for a step to be taken
POLISH_STEPS = 20
PATIENCE = 5  # slow steps: a skewed minimum needs a few before the quick ones
UNTOLD = 1e-6  # nats: a step that gains less may seem to rise by as much, where rows cancel
# Where another step would change nothing, not even a mean's thirteenth digit.
ARRIVED = 1e-4 * STEP_TOLERANCE


@dataclass(frozen=True)
class Start:
    """One search: the theta where it began, where it stopped, and the way's values in nats."""

    name: str
    begin: np.ndarray
    end: Point
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        return self.end.value


@singledispatch
def loose(objective: Objective, here: Point) -> Point:
    """The point as a function of the coordinates that can move there: of all, but in a box."""
    return here


@singledispatch
def search(
    objective: Objective,
    name: str,
    begin: Point,
    rows: float,
    handover: float = HANDOVER,
    known: Sequence[Point] = (),
) -> Start:
    """A trust-region Newton search in scaled parameters (Conn, Gould and Toint 2000, ch. 7).

    A trial point where the value or a derivative is not finite counts as infinitely bad, so the
    step is shortened rather than fatal. The last `handover` standard errors are left to go. With
    more than `WIDE` parameters the way there is gone without the Hessian. A search whose next
    step leads to where one of the `known` ended has come to the same place.
    """
    here, radius, values = begin, FIRST_RADIUS * np.sqrt(rows), [begin.value]
    if not begin.finite:
        return Start(name, begin.theta, begin, (begin.value,))
    if len(begin.theta) > WIDE:
        theta, values = descended(objective, begin, radius, handover)
        here = point(objective, theta)
    scale = begin.scale
    for _ in range(ITERATIONS):
        if here.newton_step[1] < handover or radius < np.finfo(float).eps:
            break
        scale = np.minimum(scale, here.scale)
        met = _met(here, known, scale, radius)
        if met is not None:
            here = met
            values.append(here.value)
            break
        move = in_ball(here, scale, radius)
        move /= max(1.0, float(np.max(np.abs(scale * move) / objective.longest)))
        curved = scale * (here.information @ (scale * move))
        predicted = -move @ (scale * here.gradient + 0.5 * curved)
        trial = point(objective, here.theta + scale * move)
        gain = (here.value - trial.value) / predicted if trial.finite and predicted > 0 else -1.0
        radius = resized(radius, gain, length(move))
        if gain > ENOUGH:
            here = trial
            values.append(here.value)
    return Start(name, begin.theta, here, tuple(values))


def _met(here: Point, known: Sequence[Point], scale: np.ndarray, radius: float) -> Point | None:
    """The end of an earlier search that the Newton step leads to, if it is one to be taken."""
    step = here.definite_step if known else None
    if step is None or length(step / scale) > radius:
        return None
    for end in known:
        apart = here.theta + step - end.theta
        near = apart @ end.information @ apart < SAME_PLACE**2
        if near and end.value <= here.value and end.newton_step[1] < HANDOVER:
            return end
    return None


@singledispatch
def finished(objective: Objective, best: Start, rows: float) -> Point:
    """The end of the best search to the last digits, by Newton steps of quadratic convergence.

    Where they go on to converge slowly a parameter is on its way to infinity, and following it
    would end in the rounding of absurd densities; off a bent ridge they fall, and the search
    goes on.
    """
    here, searched, slow = best.end, False, 0
    for _ in range(POLISH_STEPS):
        step, left = here.newton_step
        if left < ARRIVED:
            break
        trial = point(objective, here.theta + step) if np.isfinite(left) else here
        lower = trial.finite and trial.value <= here.value + slack(here, left)
        if lower and trial.newton_step[1] < QUADRATIC * left:
            here = trial
        elif lower and trial.newton_step[1] < left and slow < PATIENCE:
            here, slow = trial, slow + 1
        elif searched or slow == PATIENCE:
            break
        else:
            here = search(objective, best.name, here, rows, STEP_TOLERANCE).end
            searched = True
    return here


def slack(here: Point, left: float) -> float:
    """By how much a value may seem to rise at the end of a Newton step `left` errors long."""
    return UNTOLD if left**2 < UNTOLD else rounding(here)


def resized(radius: float, gain: float, moved: float) -> float:
    """The radius after a move of that length, of whose predicted gain a share was had."""
    if gain < 0.25:
        return 0.25 * moved
    return max(radius, 2.0 * moved) if gain > 0.75 else radius


def in_ball(here: Point, scale: np.ndarray, radius: float) -> np.ndarray:
    """The minimum of the quadratic model within a ball, in units of `scale`.

    The curvatures are shifted by the least amount that makes them positive and keeps the move
    inside (More and Sorensen 1983); `excess` is what is added once the lowest stands at zero.
    """
    newton = here.definite_step
    if newton is not None and length(newton / scale) <= radius:
        return np.asarray(newton / scale)
    curvature, axes = np.linalg.eigh(scale[:, None] * here.information * scale)
    slope = axes.T @ (scale * here.gradient)
    if curvature[0] > 0 and length(slope / curvature) <= radius:
        return np.asarray(-axes @ (slope / curvature))
    lifted = curvature + max(0.0, -curvature[0])

    def move(excess: float) -> np.ndarray:
        return np.asarray(-slope / (lifted + excess))

    highest = 1.01 * length(slope) / radius + np.finfo(float).tiny
    lowest = 1e-12 * highest
    if length(move(lowest)) < radius:  # a saddle without slope: go down along its axis
        inside = move(lowest)
        inside[0] = np.copysign(np.sqrt(radius**2 - np.sum(inside[1:] ** 2)), -slope[0])
        return np.asarray(axes @ inside)

    def outside(excess: float) -> float:
        return 1 / radius - 1 / length(move(excess))

    return np.asarray(axes @ move(brentq(outside, lowest, highest, xtol=lowest, rtol=1e-3)))
