"""Search for a minimum from several starts, then judge the best point that was found.

Functions and arrays in, a verdict out. The objective is in nats (an NLL, or an NLL less a log
prior), `theta` is flat and unconstrained, and distances are told in standard errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.optimize import brentq

# Standard errors left to go at a minimum: a millionth is far below anything a table shows.
STEP_TOLERANCE = 1e-6
# What rounding of the gradient may leave of it: on extreme counts its terms cancel.
MOST_ROUNDING = 1e-3  # standard errors
# A parabola rises by half a nat one standard error away. A side that rises by less than a
# ten-thousandth of what the parabola would is flat.
FLAT_SHARE = 2e-4
# Nats that count: less is not worth another search, and over a distance where the parabola itself
# would not rise by this much the data determine nothing.
COUNTS = 1e-3
# How far a probe goes at most, in units of what one row at the start would determine: beyond,
# log densities of absurd parameters are rounding, not evidence.
FARTHEST = 10.0
# A rise so many times a parabola's belongs to a bent ridge, along which nothing is determined.
BEYOND = 100.0
# Eigenvalues of a correlation-scaled information below this share of the largest are rounding.
ROUNDING = 1e-12
BENT = 1e-6  # a negative one beyond this share is no rounding
# Where the trust region hands over to plain Newton steps, which from there leave at most a third
# of what was left, or are not those of a minimum.
HANDOVER = 0.1  # standard errors
QUADRATIC = 1 / 3
ITERATIONS = 200
FIRST_RADIUS = 1.0  # standard errors that one row would leave
ENOUGH = 1e-4  # of the predicted gain, for a step to be taken
POLISH_STEPS = 20
RESTARTS = 4
NAMED = 4  # parameters spelled out in a direction


class Status(StrEnum):
    """What the best point is. Only a minimum has a covariance and is ranked."""

    MINIMUM = "a minimum"
    NOT_STATIONARY = "not stationary"
    NOT_IDENTIFIED = "not identified"
    RUNNING_AWAY = "running away"
    NOT_FINITE = "not finite"


class Objective(Protocol):
    """A function to be minimised, with its exact derivatives."""

    def values(self, thetas: np.ndarray) -> np.ndarray: ...

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]: ...


@dataclass(frozen=True)
class Point:
    """The objective at theta, in nats, with its gradient (k,) and its Hessian (k, k)."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    information: np.ndarray

    @cached_property
    def finite(self) -> bool:
        """Whether a search can go on from here."""
        known = (self.value, self.gradient, self.information)
        return all(bool(np.isfinite(one).all()) for one in known)

    @cached_property
    def scale(self) -> np.ndarray:
        """One standard error of each parameter, the others held; 1 where there is no curvature."""
        diagonal = np.diag(self.information)
        return 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))

    @cached_property
    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues and vectors of the information scaled to a unit diagonal: free of units."""
        values, vectors = np.linalg.eigh(self.scale[:, None] * self.information * self.scale)
        return values, vectors

    @cached_property
    def newton_step(self) -> tuple[np.ndarray, float]:
        """The Newton step and its length in standard errors; infinite where there is none."""
        nowhere = np.zeros_like(self.theta), np.inf
        if not self.finite:
            return nowhere
        values, vectors = self.spectrum
        largest = np.abs(values).max(initial=0.0)
        kept = values > ROUNDING * largest
        if (values < -ROUNDING * largest).any() or not kept.any():
            return nowhere
        along = np.where(kept, vectors.T @ (self.scale * self.gradient), 0.0)
        divisor = np.where(kept, values, 1.0)
        step = -self.scale * (vectors @ (along / divisor))
        return step, float(np.sqrt(np.sum(along**2 / divisor)))


def point(objective: Objective, theta: np.ndarray) -> Point:
    """The objective and its derivatives at theta."""
    return Point(theta, *objective.derivatives(theta))


@dataclass(frozen=True)
class Start:
    """One search: where it began, where it stopped, and the objective on the way, in nats."""

    name: str
    begin: Point
    end: Point
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        return self.end.value


@dataclass(frozen=True)
class Verdict:
    """The status, the advice in words, and the measurements behind it."""

    status: Status
    advice: str
    step: float  # Newton step left, in standard errors; NaN where it cannot be told
    eigenvalues: np.ndarray  # of the information scaled to a unit diagonal, ascending

    @property
    def regular(self) -> bool:
        return self.status is Status.MINIMUM

    @property
    def expected_decrease(self) -> float:
        """What the last Newton step would still gain, in nats (iminuit's EDM)."""
        return 0.5 * self.step**2


@dataclass(frozen=True)
class Optimum:
    """The best point of all starts and what was found to hold there."""

    theta: np.ndarray
    value: float  # nats
    gradient: np.ndarray
    information: np.ndarray  # the exact Hessian of the objective, (k, k)
    starts: tuple[Start, ...]
    verdict: Verdict


def find(
    objective: Objective, starts: Mapping[str, Point], labels: Sequence[str], rows: float
) -> Optimum:
    """Search from every start and judge the best point; never raises for a numerical outcome.

    labels
        Names of theta's coordinates, for the advice.
    rows
        How many rows the objective adds up; they make the unit of each coordinate.
    """
    units = _units(list(starts.values()), rows)
    found = {name: search(objective, name, begin, rows) for name, begin in starts.items()}
    for _ in range(RESTARTS):
        best = min(found.values(), key=lambda start: np.nan_to_num(start.value, nan=np.inf))
        end = _finished(objective, best, rows)
        found[best.name] = replace(best, end=end, values=(*best.values, end.value))
        verdict, better = judge(objective, end, units, labels)
        if better is None:
            break
        again = search(objective, best.name, point(objective, better), rows)
        values = (*found[best.name].values, *again.values)
        found[best.name] = replace(again, begin=best.begin, values=values)
    return Optimum(
        end.theta, end.value, end.gradient, end.information, tuple(found.values()), verdict
    )


def _units(starts: Sequence[Point], rows: float) -> np.ndarray:
    """The standard error that one row would leave of each coordinate; 1 where none tells.

    At the start that knows most of the coordinate: at another its curvature may be lost.
    """
    diagonals = [np.diag(start.information) for start in starts if start.finite]
    highest = np.max(diagonals, axis=0) if diagonals else np.zeros(len(starts[0].theta))
    return np.where(highest > 0, np.sqrt(rows / np.where(highest > 0, highest, 1.0)), 1.0)


def _finished(objective: Objective, best: Start, rows: float) -> Point:
    """The end of the best search to the last digits, by Newton steps of quadratic convergence.

    Where they would converge slowly a parameter is on its way to infinity, and following it would
    end in the rounding of absurd densities; off a bent ridge they fall, and the search goes on.
    """
    here, searched = best.end, False
    for _ in range(POLISH_STEPS):
        step, left = here.newton_step
        if left < STEP_TOLERANCE * 1e-2:
            break
        slack = np.finfo(float).eps * 1e3 * max(abs(here.value), 1.0)
        trial = point(objective, here.theta + step) if np.isfinite(left) else here
        lower = trial.finite and trial.value <= here.value + slack
        if lower and trial.newton_step[1] < QUADRATIC * left:
            here = trial
        elif searched or (lower and trial.newton_step[1] < left):
            break
        else:
            here = search(objective, best.name, here, rows, STEP_TOLERANCE).end
            searched = True
    return here


def search(
    objective: Objective, name: str, begin: Point, rows: float, handover: float = HANDOVER
) -> Start:
    """A trust-region Newton search in scaled parameters (Conn, Gould and Toint 2000, ch. 7).

    A trial point where the value or a derivative is not finite counts as infinitely bad, so the
    step is shortened rather than fatal. The last `handover` standard errors are left to go.
    """
    here, radius, values = begin, FIRST_RADIUS * np.sqrt(rows), [begin.value]
    if not begin.finite:
        return Start(name, begin, begin, (begin.value,))
    scale = begin.scale
    for _ in range(ITERATIONS):
        if here.newton_step[1] < handover or radius < np.finfo(float).eps:
            break
        curvature, axes = np.linalg.eigh(scale[:, None] * here.information * scale)
        slope = axes.T @ (scale * here.gradient)
        move = _within(curvature, slope, radius)
        predicted = -(slope @ move + 0.5 * curvature @ move**2)
        trial = point(objective, here.theta + scale * (axes @ move))
        gain = (here.value - trial.value) / predicted if trial.finite and predicted > 0 else -1.0
        if gain < 0.25:
            radius = 0.25 * float(np.linalg.norm(move))
        elif gain > 0.75:
            radius = max(radius, 2.0 * float(np.linalg.norm(move)))
        if gain > ENOUGH:
            here = trial
            values.append(here.value)
    return Start(name, begin, here, tuple(values))


def _within(curvature: np.ndarray, slope: np.ndarray, radius: float) -> np.ndarray:
    """The minimum of a quadratic model within a ball, in the eigenvectors' coordinates.

    The curvatures are shifted by the least amount that makes them positive and keeps the move
    inside (More and Sorensen 1983); `excess` is what is added once the lowest stands at zero.
    """
    if curvature[0] > 0 and np.linalg.norm(slope / curvature) <= radius:
        return np.asarray(-slope / curvature)
    lifted = curvature + max(0.0, -curvature[0])

    def move(excess: float) -> np.ndarray:
        return np.asarray(-slope / (lifted + excess))

    highest = 1.01 * np.linalg.norm(slope) / radius + np.finfo(float).tiny
    lowest = 1e-12 * highest
    if np.linalg.norm(move(lowest)) < radius:  # a saddle without slope: go down along its axis
        inside = move(lowest)
        inside[0] = np.copysign(np.sqrt(radius**2 - np.sum(inside[1:] ** 2)), -slope[0])
        return inside

    def outside(excess: float) -> float:
        return 1 / radius - 1 / float(np.linalg.norm(move(excess)))

    return move(brentq(outside, lowest, highest, xtol=lowest, rtol=1e-3))


def judge(
    objective: Objective, here: Point, units: np.ndarray, labels: Sequence[str]
) -> tuple[Verdict, np.ndarray | None]:
    """The verdict on a point, and a better one where probing found it (else None).

    Along each eigenvector of the information the objective is evaluated one standard error to
    either side. A minimum rises on both; a flat ridge on neither; a parameter on its way to
    infinity on one. So collinearity, separation and a dispersion without bound are told alike,
    whatever the units of the columns.
    """
    if not here.finite:
        unknown = np.full(len(here.theta), np.nan)
        return Verdict(Status.NOT_FINITE, _not_finite(here), np.nan, unknown), None
    theta, value, step = here.theta, here.value, here.newton_step[1]
    correlated, eigenvectors = here.spectrum
    curvatures, directions = np.linalg.eigh(units[:, None] * here.information * units)
    healthy = _healthy(objective, here, curvatures, units[:, None] * directions)
    probes = [
        (direction, _probed(objective, theta, value, units * direction, curvature))
        for curvature, direction in zip(curvatures[~healthy], directions.T[~healthy], strict=True)
    ]
    if not healthy.all() or not step < STEP_TOLERANCE:
        # The way the search was going; rounding may pass for curvature where there is none.
        for direction in (_onward(here, units), directions[:, 0]):
            error = _error(
                float(direction @ (units[:, None] * here.information * units) @ direction)
            )
            found = _followed(objective, theta, value, units * direction, error)
            probes.append((direction, found))
    told = [(*probe.verdict(direction, labels), probe.better) for direction, probe in probes]
    order = [Status.NOT_STATIONARY, Status.RUNNING_AWAY, Status.NOT_IDENTIFIED, Status.MINIMUM]
    sure = (Status.MINIMUM, "", None)
    status, advice, better = min([*told, sure], key=lambda one: order.index(one[0]))
    largest = np.abs(correlated).max(initial=0.0)
    if status in (Status.MINIMUM, Status.NOT_IDENTIFIED) and correlated[0] < -BENT * largest:
        status, advice = Status.NOT_STATIONARY, _saddle(eigenvectors[:, 0], labels)
    if status is Status.MINIMUM and correlated[0] < ROUNDING * largest:
        status, advice = Status.NOT_IDENTIFIED, _not_identified(eigenvectors[:, 0], labels)
    left_to_go = step >= max(STEP_TOLERANCE, min(10 * _rounding(objective, here), MOST_ROUNDING))
    if status is Status.MINIMUM and left_to_go:
        status, advice = Status.NOT_STATIONARY, _short_of_it(step)
    return Verdict(status, advice, step, correlated), better


@dataclass(frozen=True)
class _Probe:
    """What the objective does to either side along one direction."""

    flat_ahead: bool
    flat_behind: bool
    better: np.ndarray | None

    def verdict(self, direction: np.ndarray, labels: Sequence[str]) -> tuple[Status, str]:
        """What this direction alone says of the point."""
        outward = direction if self.flat_ahead else -direction
        if self.better is not None:
            return Status.NOT_STATIONARY, _not_reached(outward, labels)
        if self.flat_ahead and self.flat_behind:
            return Status.NOT_IDENTIFIED, _not_identified(direction, labels)
        if self.flat_ahead or self.flat_behind:
            return Status.RUNNING_AWAY, _running_away(outward, labels)
        return Status.MINIMUM, ""


def _healthy(
    objective: Objective, here: Point, curvatures: np.ndarray, directions: np.ndarray
) -> np.ndarray:
    """Along which directions the objective rises to either side much as a parabola does."""
    errors = 1.0 / np.sqrt(np.maximum(curvatures, np.finfo(float).tiny))
    reach = np.minimum(errors, FARTHEST)
    moves = reach * directions
    rises = objective.values(np.vstack([(here.theta + sign * moves.T) for sign in (1, -1)]))
    expected = 0.5 * (reach / errors) ** 2
    lower = np.minimum(*np.split(rises - here.value, 2))
    return np.asarray((lower > 0.05 * expected) & (expected > 10 * COUNTS))


def _probed(
    objective: Objective, theta: np.ndarray, value: float, unit: np.ndarray, curvature: float
) -> _Probe:
    """One standard error to either side along `unit`, or as far as evidence reaches."""
    error = _error(curvature)
    if 0.5 * (FARTHEST / error) ** 2 < COUNTS:
        return _followed(objective, theta, value, unit, error)
    distance = min(error, FARTHEST)
    needed = FLAT_SHARE * 0.5 * (distance / error) ** 2
    return _sides(objective, theta, value, distance * unit, needed)[0]


def _error(curvature: float) -> float:
    """The standard error along a direction of that curvature, in its unit."""
    return float(1.0 / np.sqrt(curvature)) if curvature > 0 else np.inf


def _followed(
    objective: Objective, theta: np.ndarray, value: float, unit: np.ndarray, error: float
) -> _Probe:
    """Both sides of a weak direction, farther each time, until one rises by what counts."""
    for distance in 2.0 ** np.arange(14):
        probe, (lower, higher) = _sides(objective, theta, value, distance * unit, COUNTS)
        if distance > 2:  # absurd parameters: what seems better there is rounding
            probe = replace(probe, better=None)
        if probe.better is not None or (distance >= 2 and higher >= COUNTS):
            break
    if lower > BEYOND * 0.5 * (distance / error) ** 2 and lower >= COUNTS:
        return _Probe(True, True, None)  # not its curvature holds it, but a ridge that bends away
    return probe


def _sides(
    objective: Objective, theta: np.ndarray, value: float, move: np.ndarray, needed: float
) -> tuple[_Probe, tuple[float, float]]:
    """Whether either side rises by what is needed, and the lower and the higher rise."""
    (ahead, there), (behind, opposite) = (
        _rise(objective, theta, value, sign * move) for sign in (1.0, -1.0)
    )
    better = there if ahead < -COUNTS else opposite if behind < -COUNTS else None
    rises = min(ahead, behind), max(ahead, behind)
    return _Probe(ahead < needed, behind < needed, better), rises


def _rise(
    objective: Objective, theta: np.ndarray, value: float, move: np.ndarray
) -> tuple[float, np.ndarray]:
    """By how much the objective rises after a move, and where that is.

    The move is halved until the objective is finite. A rise (or fall) that is not well above the
    rounding there, seen within millionths of the move, is none.
    """
    for share in 0.5 ** np.arange(12):
        there = theta + share * move
        near = np.array([there - step * 1e-6 * share * move for step in range(4)])
        rises = objective.values(near) - value
        if np.isfinite(rises).all():
            return (float(rises[0]) if abs(rises[0]) > 10 * np.ptp(rises) else 0.0), there
    return np.inf, theta


def _rounding(objective: Objective, here: Point) -> float:
    """By how many standard errors the point to which Newton steps lead depends on the last digits.

    Two points that differ by nothing that counts should lead to the same one.
    """
    if here.newton_step[1] < STEP_TOLERANCE:
        return 0.0
    nudge = 1e-9 * here.scale
    beside = point(objective, here.theta + nudge)
    apart = beside.newton_step[0] + nudge - here.newton_step[0]
    return float(np.sqrt(max(apart @ here.information @ apart, 0.0)))


def _onward(here: Point, units: np.ndarray) -> np.ndarray:
    """The direction of the Newton step, or of steepest descent where there is none, of length 1."""
    step = here.newton_step[0] / units
    if not step.any():
        step = -units * here.gradient
    length = np.linalg.norm(step)
    return step / length if length > 0 else np.full(len(step), 1 / np.sqrt(len(step)))


def _spelled(direction: np.ndarray, labels: Sequence[str]) -> str:
    """The direction's main parameters with signed shares, each in its own unit."""
    share = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(share))
    main = [index for index in order if abs(share[index]) > 0.05]
    said = " ".join(
        f"{'+' if share[i] > 0 else '-'}{abs(share[i]):.2f} {labels[i]}" for i in main[:NAMED]
    )
    return said + (" ..." if len(main) > NAMED else "")


def _saddle(direction: np.ndarray, labels: Sequence[str]) -> str:
    return (
        f"The objective bends down along {_spelled(direction, labels)}, and the search came to no "
        "end there. Give the parameters another initval."
    )


def _not_reached(direction: np.ndarray, labels: Sequence[str]) -> str:
    return (
        f"Better points lie along {_spelled(direction, labels)}, and the search did not come to "
        "an end there. Give the parameters another initval, or rescale the columns."
    )


def _short_of_it(step: float) -> str:
    return (
        f"The search stopped {step:.2g} standard errors short of the minimum it was heading for. "
        "Give the parameters another initval, or rescale the columns."
    )


def _not_finite(here: Point) -> str:
    if np.isfinite(here.value):
        return "The derivatives are not finite here, so no search can go on and no error be given."
    return (
        f"The objective is {here.value} at every start. Look for a row that is impossible under "
        "the model, or give the parameters an initval within its support."
    )


def _not_identified(direction: np.ndarray, labels: Sequence[str]) -> str:
    return (
        f"The likelihood does not change along {_spelled(direction, labels)}: these parameters are "
        "not told apart by the data. Drop a column that the others repeat, or use MAP with an "
        "informative prior."
    )


def _running_away(direction: np.ndarray, labels: Sequence[str]) -> str:
    return (
        f"The likelihood keeps growing as the parameters move along {_spelled(direction, labels)}: "
        "it has no maximum there (separated outcomes, an empty cell, or a parameter whose limit "
        "is a simpler model). Use the simpler model, or MAP with an informative prior."
    )


def jittered(here: Point, rows: float, rng: np.random.Generator) -> np.ndarray:
    """theta moved by about one standard error of a single row in each coordinate."""
    reach = _units([here], rows)
    away: np.ndarray = 0.5 * np.minimum(reach, 1.0) * rng.standard_normal(len(here.theta))
    return np.asarray(here.theta + away)
