"""Probes: what an objective does a standard error away from a point, and far along flat ways."""

from dataclasses import dataclass, replace

import numpy as np

from workbench.optimum.points import MOST_ROUNDING, Objective, Point, length

# A parabola rises by half a nat one standard error away. A side that rises by less than a
# ten-thousandth of what the parabola would is flat.
FLAT_SHARE = 2e-4
# One that rises by this share is healthy without a closer look: a skewed minimum still does.
HEALTHY_SHARE = 0.05
# By what factor a rise of one standard error may differ from a parabola's half a nat and still be
# foretold by it: three rows of a normal leave 0.8 and 1.4 of it to either side of log sigma.
ALIKE = 2.0
# Nats that count: less is not worth another search, and over a distance where the parabola itself
# would not rise by this much the data determine nothing.
COUNTS = 1e-3
# How far a probe goes at most, in units of what one row at the start would determine: beyond,
# log densities of absurd parameters are rounding, not evidence.
FARTHEST = 10.0
# A rise so many times a parabola's belongs to a bent ridge, along which nothing is determined.
BEYOND = 100.0
# Distances in units: a search that is stopped by an edge comes nearer to it than these.
AT_EDGE = np.array([1e-9, 1e-6])
MINOR = 0.05  # share of a direction that is the company of the others, as the advice spells it
MOST_FACTORS = 40  # e^-40 of anything is nothing beside it
# As many times the way to a better point: e^64 on a logarithm, where no optimum is to be expected.
DOUBLED = 2.0 ** np.arange(7)
ENOUGH = 4  # of them, before the density is beyond what a number can hold


@dataclass(frozen=True)
class Probe:
    """What the objective does to either side along one direction.

    Flat is a side that does not rise (it may fall); `better` is a point where it falls.
    """

    flat_ahead: bool
    flat_behind: bool
    better: np.ndarray | None


def probes(objective: Objective, here: Point, units: np.ndarray) -> list[tuple[np.ndarray, Probe]]:
    """Directions, of length 1 in `units`, that may not be those of a minimum, and what is there."""
    information = units[:, None] * here.information * units
    curvatures, directions = np.linalg.eigh(information)
    healthy = _healthy(objective, here, curvatures, units[:, None] * directions)
    found = [
        (direction, _probed(objective, here.theta, here.value, units * direction, curvature))
        for curvature, direction in zip(curvatures[~healthy], directions.T[~healthy], strict=True)
    ]
    if healthy.all() and here.newton_step[1] < MOST_ROUNDING:
        return found
    # The way the search was going; rounding may pass for curvature where there is none.
    for direction in (_onward(here, units), directions[:, 0]):
        error = _error(float(direction @ information @ direction))
        followed = _followed(objective, here.theta, here.value, units * direction, error)
        found.append((direction, followed))
    return found


def edge(objective: Objective, here: Point, units: np.ndarray) -> np.ndarray | None:
    """The direction of descent, of length 1 in `units`, if the support ends there; else None."""
    downhill = -units * here.gradient
    slope = length(downhill)
    if slope < COUNTS:
        return None
    beyond = here.theta + np.outer(AT_EDGE, units * downhill / slope)
    return downhill / slope if not np.isfinite(objective.values(beyond)).any() else None


def limit(objective: Objective, here: Point, direction: np.ndarray) -> np.ndarray:
    """The first point on the way to a limit from which on the objective does not fall any more.

    Of a logarithm's or a logit's direction the main coordinates, a factor e at a time.
    """
    main = np.where(np.abs(direction) > MINOR * np.abs(direction).max(), direction, 0.0)
    thetas = here.theta + np.outer(np.arange(MOST_FACTORS), main / np.abs(main).max())
    values = objective.values(thetas)
    rounding = 10 * np.finfo(float).eps * max(abs(here.value), 1.0)
    return np.asarray(thetas[np.argmax(values <= np.nanmin(values) + rounding)])


def unbounded(objective: Objective, here: Point, better: np.ndarray) -> bool:
    """Whether the objective falls on beyond a better point, by no less each time it is doubled."""
    reached = objective.values(here.theta + np.outer(DOUBLED, better - here.theta))
    finite = np.logical_and.accumulate(np.isfinite(reached))
    falls = -np.diff(np.append(here.value, reached[finite]))
    return len(falls) >= ENOUGH and bool((falls[1:] > 0.9 * falls[:-1]).all())


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
    healthy = (lower > HEALTHY_SHARE * expected) & (expected > 10 * COUNTS)
    beyond = ~healthy & (curvatures > 0)
    healthy[beyond] = _parabolic(objective, here, (errors * directions)[:, beyond])
    return np.asarray(healthy)


def _parabolic(objective: Objective, here: Point, moves: np.ndarray) -> np.ndarray:
    """Whether the objective rises by half a nat after each move of one standard error.

    However far that is in units of what a start told, which may have been far off: where the
    derivatives here foretell the values there, these are no rounding.
    """
    if not moves.size:
        return np.zeros(0, dtype=bool)
    thetas = np.vstack([here.theta + sign * moves.T for sign in (1, -1)])
    rises = np.array(np.split(objective.values(thetas) - here.value, 2))
    return np.asarray((rises > 0.5 / ALIKE) & (rises < 0.5 * ALIKE)).all(axis=0)


def _probed(
    objective: Objective, theta: np.ndarray, value: float, unit: np.ndarray, curvature: float
) -> Probe:
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
) -> Probe:
    """Both sides of a weak direction, farther each time, until one rises by what counts."""
    for distance in 2.0 ** np.arange(14):
        probe, (lower, higher) = _sides(objective, theta, value, distance * unit, COUNTS)
        if distance > 2:  # absurd parameters: what seems better there is rounding
            probe = replace(probe, better=None)
        if probe.better is not None or (distance >= 2 and higher >= COUNTS):
            break
    if lower > BEYOND * 0.5 * (distance / error) ** 2 and lower >= COUNTS:
        return Probe(True, True, None)  # not its curvature holds it, but a ridge that bends away
    return probe


def _sides(
    objective: Objective, theta: np.ndarray, value: float, move: np.ndarray, needed: float
) -> tuple[Probe, tuple[float, float]]:
    """Whether either side rises by what is needed, and the lower and the higher rise."""
    (ahead, there), (behind, opposite) = (
        _rise(objective, theta, value, sign * move) for sign in (1.0, -1.0)
    )
    better = there if ahead < -COUNTS else opposite if behind < -COUNTS else None
    rises = min(ahead, behind), max(ahead, behind)
    return Probe(ahead < needed, behind < needed, better), rises


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


def _onward(here: Point, units: np.ndarray) -> np.ndarray:
    """The direction of the Newton step, or of steepest descent where there is none, of length 1."""
    step = here.newton_step[0] / units
    if not step.any():
        step = -units * here.gradient
    size = length(step)
    return step / size if size > 0 else np.full(len(step), 1 / np.sqrt(len(step)))
