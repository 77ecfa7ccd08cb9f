"""The verdict: whether a point is a minimum, told by what the objective does to either side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from workbench.optimum import advice
from workbench.optimum.points import ROUNDING, STEP_TOLERANCE, Objective, Point, point

# What rounding of the gradient may leave of it: on extreme counts its terms cancel.
MOST_ROUNDING = 1e-3  # standard errors
# A parabola rises by half a nat one standard error away. A side that rises by less than a
# ten-thousandth of what the parabola would is flat.
FLAT_SHARE = 2e-4
# One that rises by this share is healthy without a closer look: a skewed minimum still does.
HEALTHY_SHARE = 0.05
# Nats that count: less is not worth another search, and over a distance where the parabola itself
# would not rise by this much the data determine nothing.
COUNTS = 1e-3
# How far a probe goes at most, in units of what one row at the start would determine: beyond,
# log densities of absurd parameters are rounding, not evidence.
FARTHEST = 10.0
# A rise so many times a parabola's belongs to a bent ridge, along which nothing is determined.
BEYOND = 100.0
BENT = 1e-6  # a negative one beyond this share is no rounding


class Status(StrEnum):
    """What the best point is. Only a minimum has a covariance and is ranked."""

    MINIMUM = "a minimum"
    NOT_STATIONARY = "not stationary"
    NOT_IDENTIFIED = "not identified"
    RUNNING_AWAY = "running away"
    NOT_FINITE = "not finite"


# What one direction says outweighs what another does, in this order.
WORST = {
    status: rank
    for rank, status in enumerate(
        (Status.NOT_STATIONARY, Status.RUNNING_AWAY, Status.NOT_IDENTIFIED, Status.MINIMUM)
    )
}


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
        return Verdict(Status.NOT_FINITE, advice.not_finite(here.value), np.nan, unknown), None
    step, (correlated, eigenvectors) = here.newton_step[1], here.spectrum
    told = [
        (*probe.verdict(direction, labels), probe.better)
        for direction, probe in _probes(objective, here, units)
    ]
    status, words, better = min([*told, (Status.MINIMUM, "", None)], key=lambda one: WORST[one[0]])
    largest = np.abs(correlated).max(initial=0.0)
    if status in (Status.MINIMUM, Status.NOT_IDENTIFIED) and correlated[0] < -BENT * largest:
        status, words = Status.NOT_STATIONARY, advice.saddle(eigenvectors[:, 0], labels)
    if status is Status.MINIMUM and correlated[0] < ROUNDING * largest:
        status, words = Status.NOT_IDENTIFIED, advice.not_identified(eigenvectors[:, 0], labels)
    if status is Status.MINIMUM and step >= max(STEP_TOLERANCE, _rounding(objective, here)):
        status, words = Status.NOT_STATIONARY, advice.short_of_it(step)
    return Verdict(status, words, step, correlated), better


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
            return Status.NOT_STATIONARY, advice.not_reached(outward, labels)
        if self.flat_ahead and self.flat_behind:
            return Status.NOT_IDENTIFIED, advice.not_identified(direction, labels)
        if self.flat_ahead or self.flat_behind:
            return Status.RUNNING_AWAY, advice.running_away(outward, labels)
        return Status.MINIMUM, ""


def _probes(
    objective: Objective, here: Point, units: np.ndarray
) -> list[tuple[np.ndarray, _Probe]]:
    """Directions, of length 1 in `units`, that may not be those of a minimum, and what is there."""
    information = units[:, None] * here.information * units
    curvatures, directions = np.linalg.eigh(information)
    healthy = _healthy(objective, here, curvatures, units[:, None] * directions)
    probes = [
        (direction, _probed(objective, here.theta, here.value, units * direction, curvature))
        for curvature, direction in zip(curvatures[~healthy], directions.T[~healthy], strict=True)
    ]
    if healthy.all() and here.newton_step[1] < STEP_TOLERANCE:
        return probes
    # The way the search was going; rounding may pass for curvature where there is none.
    for direction in (_onward(here, units), directions[:, 0]):
        error = _error(float(direction @ information @ direction))
        found = _followed(objective, here.theta, here.value, units * direction, error)
        probes.append((direction, found))
    return probes


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
    return np.asarray((lower > HEALTHY_SHARE * expected) & (expected > 10 * COUNTS))


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
    """How many standard errors rounding may leave, by where the last digits send a Newton step.

    Two points that differ by nothing that counts should be sent to the same one: ten times by how
    much they are not, and `MOST_ROUNDING` at most.
    """
    nudge = 1e-9 * here.scale
    beside = point(objective, here.theta + nudge)
    apart = beside.newton_step[0] + nudge - here.newton_step[0]
    error = float(np.sqrt(max(apart @ here.information @ apart, 0.0)))
    return min(10 * error, MOST_ROUNDING)


def _onward(here: Point, units: np.ndarray) -> np.ndarray:
    """The direction of the Newton step, or of steepest descent where there is none, of length 1."""
    step = here.newton_step[0] / units
    if not step.any():
        step = -units * here.gradient
    length = np.linalg.norm(step)
    return step / length if length > 0 else np.full(len(step), 1 / np.sqrt(len(step)))
