"""Search for a minimum from several starts, then judge the best point that was found.

Functions and arrays in, a verdict out. The objective is in nats (an NLL, or an NLL less a log
prior), `theta` is flat and unconstrained, and distances are told in standard errors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np
from scipy.optimize import OptimizeResult, minimize

# Standard errors left to go at a minimum: a millionth is far below anything a table shows.
STEP_TOLERANCE = 1e-6
# A parabola rises by half a nat one standard error away. A side that rises by less than a
# ten-thousandth of what the parabola would is flat.
FLAT_SHARE = 2e-4
# Nats that count: less is not worth another search, and over a distance where the parabola itself
# would not rise by this much the data determine nothing.
COUNTS = 1e-3
# How far a probe goes at most, in units of what one row at the start would determine: beyond,
# log densities of absurd parameters are rounding, not evidence.
FARTHEST = 10.0
# Eigenvalues of a correlation-scaled information below this share of the largest are rounding.
ROUNDING = 1e-12
# Where the trust region hands over to plain Newton steps: the reduction still to come, half the
# square of this, is then well above the rounding of an NLL of a million rows.
HANDOVER = 1e-3  # standard errors
ITERATIONS = 200
POLISH_STEPS = 8  # from a thousandth of a standard error two do; more only follow a ridge
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

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]: ...

    def hessian(self, theta: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Start:
    """One search: where it began, where it stopped, and the objective on the way, in nats."""

    name: str
    begin: np.ndarray
    theta: np.ndarray
    values: tuple[float, ...]

    @property
    def value(self) -> float:
        return self.values[-1]


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
    objective: Objective,
    starts: Mapping[str, np.ndarray],
    labels: Sequence[str],
    rows: float,
) -> Optimum:
    """Search from every start and judge the best point; never raises for a numerical outcome.

    labels
        Names of theta's coordinates, for the advice.
    rows
        How many rows the objective adds up: with the curvature at the start it makes the unit of
        each coordinate, the standard error that one row would leave.
    """
    found = [search(objective, name, begin) for name, begin in starts.items()]
    for _ in range(RESTARTS):
        best = min(found, key=lambda start: np.nan_to_num(start.value, nan=np.inf))
        optimum, better = _judged(objective, best, labels, rows)
        if better is None:
            break
        again = search(objective, f"{best.name}, continued", better)
        found = [replace(again, begin=best.begin) if start is best else start for start in found]
    return replace(optimum, starts=tuple(found))


def search(objective: Objective, name: str, begin: np.ndarray) -> Start:
    """A trust-region Newton search in scaled parameters, then plain Newton steps.

    A trial point where the value or the gradient is not finite counts as infinitely bad, so the
    step is shortened rather than fatal.
    """
    value, gradient = objective.value_and_gradient(begin)
    hessian = objective.hessian(begin) if np.isfinite(value) else np.full((len(begin),) * 2, np.nan)
    if not (np.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(hessian).all()):
        return Start(name, begin, begin, (float(value),))
    scale = _scale(hessian)
    theta, values = _trust_region(objective, begin, scale, value)
    theta, polished = _polish(objective, theta)
    return Start(name, begin, theta, (*values, polished))


def _scale(hessian: np.ndarray) -> np.ndarray:
    """One standard error of each parameter, the others held; 1 where there is no curvature."""
    diagonal = np.diag(hessian)
    return 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))


def _trust_region(
    objective: Objective, begin: np.ndarray, scale: np.ndarray, value: float
) -> tuple[np.ndarray, list[float]]:
    local = _Local(objective, begin, scale)
    path, values = [begin], [value]

    def note(intermediate_result: OptimizeResult) -> None:
        path.append(begin + scale * intermediate_result.x)
        values.append(float(intermediate_result.fun))

    minimize(
        local.value,
        np.zeros_like(begin),
        jac=local.gradient,
        hess=local.hessian,
        method="trust-exact",
        callback=note,
        options={
            "gtol": HANDOVER,
            "maxiter": ITERATIONS,
            "initial_trust_radius": 100.0,
            "max_trust_radius": 1e8,
        },
    )
    return path[-1], values


class _Local:
    """The objective in scaled parameters around a point, with its derivatives, kept for the last u.

    Where any of them is not finite the value is infinite, so that no search moves there.
    """

    def __init__(self, objective: Objective, begin: np.ndarray, scale: np.ndarray) -> None:
        self.objective, self.begin, self.scale = objective, begin, scale
        self.last: tuple[np.ndarray, float, np.ndarray, np.ndarray] | None = None

    def value(self, u: np.ndarray) -> float:
        return self._at(u)[1]

    def gradient(self, u: np.ndarray) -> np.ndarray:
        return self._at(u)[2]

    def hessian(self, u: np.ndarray) -> np.ndarray:
        return self._at(u)[3]

    def _at(self, u: np.ndarray) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
        if self.last is None or not np.array_equal(self.last[0], u):
            self.last = (u.copy(), *self._evaluated(self.begin + self.scale * u))
        return self.last

    def _evaluated(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient = self.objective.value_and_gradient(theta)
        if np.isfinite(value) and np.isfinite(gradient).all():
            curvature = self.objective.hessian(theta)
            if np.isfinite(curvature).all():
                scaled = self.scale[:, None] * curvature * self.scale
                return value, self.scale * gradient, scaled
        return np.inf, np.zeros_like(theta), np.eye(len(theta))


def _polish(objective: Objective, theta: np.ndarray) -> tuple[np.ndarray, float]:
    """Newton steps while each leaves a smaller one: the value no longer tells them apart."""
    value, gradient = objective.value_and_gradient(theta)
    left = np.inf
    for _ in range(POLISH_STEPS):
        step, remaining = _newton(objective.hessian(theta), gradient)
        if not remaining < left:
            break
        left = remaining
        trial = theta + step
        trial_value, trial_gradient = objective.value_and_gradient(trial)
        slack = np.finfo(float).eps * 1e3 * max(abs(value), 1.0)
        if not (trial_value <= value + slack and np.isfinite(trial_gradient).all()):
            break
        theta, value, gradient = trial, trial_value, trial_gradient
        if left < STEP_TOLERANCE * 1e-2:
            break
    return theta, value


def _newton(hessian: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, float]:
    """The Newton step and its length in standard errors; infinite where there is none."""
    if not np.isfinite(hessian).all():
        return np.zeros_like(gradient), np.inf
    scale, values, vectors = _spectrum(hessian)
    kept = values > ROUNDING * values.max(initial=0.0)
    along = vectors.T @ (scale * gradient)
    if (values < -ROUNDING * np.abs(values).max(initial=0.0)).any() or not kept.any():
        return np.zeros_like(gradient), np.inf
    along = np.where(kept, along, 0.0)
    divisor = np.where(kept, values, 1.0)
    return -scale * (vectors @ (along / divisor)), float(np.sqrt(np.sum(along**2 / divisor)))


def _spectrum(hessian: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eigenvalues and vectors of the information scaled to a unit diagonal: free of units."""
    scale = _scale(hessian)
    values, vectors = np.linalg.eigh(scale[:, None] * hessian * scale)
    return scale, values, vectors


def _judged(
    objective: Objective, best: Start, labels: Sequence[str], rows: float
) -> tuple[Optimum, np.ndarray | None]:
    """The optimum with its verdict, and a better point if probing it found one."""
    theta, value = best.theta, best.value
    _, gradient = objective.value_and_gradient(theta)
    size = len(theta)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        verdict = Verdict(Status.NOT_FINITE, _not_finite(value), np.nan, np.full(size, np.nan))
        return Optimum(theta, value, gradient, np.full((size, size), np.nan), (), verdict), None
    information = objective.hessian(theta)
    units = np.sqrt(rows) * _scale(objective.hessian(best.begin))
    verdict, better = judge(objective, theta, value, gradient, information, units, labels)
    return Optimum(theta, value, gradient, information, (), verdict), better


def judge(
    objective: Objective,
    theta: np.ndarray,
    value: float,
    gradient: np.ndarray,
    information: np.ndarray,
    units: np.ndarray,
    labels: Sequence[str],
) -> tuple[Verdict, np.ndarray | None]:
    """The verdict on a point, and a better point where probing found one (else None).

    Along each eigenvector of the information the objective is evaluated one standard error to
    either side. A minimum rises on both; a flat ridge on neither; a parameter on its way to
    infinity on one. So collinearity, separation and a dispersion without bound are told alike,
    whatever the units of the columns.
    """
    if not np.isfinite(information).all():
        advice = "The second derivatives are not finite here, so no standard error can be given."
        return Verdict(Status.NOT_FINITE, advice, np.nan, np.full(len(theta), np.nan)), None
    correlated, eigenvectors = _spectrum(information)[1:]
    _, step = _newton(information, gradient)
    curvatures, directions = np.linalg.eigh(units[:, None] * information * units)
    probes = [
        (direction, _probed(objective, theta, value, units * direction, curvature))
        for curvature, direction in zip(curvatures, directions.T, strict=True)
    ]
    if not step < STEP_TOLERANCE:  # rounding may pass for curvature where there is none
        weakest = directions[:, 0]
        probes.append((weakest, _followed(objective, theta, value, units * weakest)))
    status, advice, better = Status.MINIMUM, "", None
    for direction, probe in probes:
        status, advice = probe.verdict(direction, labels)
        if status is not Status.MINIMUM:
            better = probe.better
            break
    if status is Status.MINIMUM and correlated[0] < ROUNDING * np.abs(correlated).max(initial=0.0):
        status, advice = Status.NOT_IDENTIFIED, _not_identified(eigenvectors[:, 0], labels)
    if status is Status.MINIMUM and not step < STEP_TOLERANCE:
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
        if self.better is not None:
            return Status.NOT_STATIONARY, _not_reached(direction, labels)
        if self.flat_ahead and self.flat_behind:
            return Status.NOT_IDENTIFIED, _not_identified(direction, labels)
        if self.flat_ahead or self.flat_behind:
            outward = direction if self.flat_ahead else -direction
            return Status.RUNNING_AWAY, _running_away(outward, labels)
        return Status.MINIMUM, ""


def _probed(
    objective: Objective, theta: np.ndarray, value: float, unit: np.ndarray, curvature: float
) -> _Probe:
    """One standard error to either side along `unit`, or as far as evidence reaches."""
    error = 1.0 / np.sqrt(curvature) if curvature > 0 else np.inf
    if 0.5 * (FARTHEST / error) ** 2 < COUNTS:
        return _followed(objective, theta, value, unit)
    distance = min(error, FARTHEST)
    needed = FLAT_SHARE * 0.5 * (distance / error) ** 2
    return _sides(objective, theta, value, distance * unit, needed)[0]


def _followed(objective: Objective, theta: np.ndarray, value: float, unit: np.ndarray) -> _Probe:
    """Both sides of a weak direction, farther each time, until one rises by what counts."""
    for distance in 2.0 ** np.arange(14):
        probe, highest = _sides(objective, theta, value, distance * unit, COUNTS)
        if distance > 2:  # absurd parameters: what seems better there is rounding
            probe = replace(probe, better=None)
        if probe.better is not None or (distance >= 2 and highest >= COUNTS):
            break
    return probe


def _sides(
    objective: Objective, theta: np.ndarray, value: float, move: np.ndarray, needed: float
) -> tuple[_Probe, float]:
    """Whether either side rises by what is needed, and the higher rise."""
    (ahead, there), (behind, opposite) = (
        _rise(objective, theta, value, sign * move) for sign in (1.0, -1.0)
    )
    better = there if ahead < -COUNTS else opposite if behind < -COUNTS else None
    return _Probe(ahead < needed, behind < needed, better), max(ahead, behind)


def _rise(
    objective: Objective, theta: np.ndarray, value: float, move: np.ndarray
) -> tuple[float, np.ndarray]:
    """By how much the objective rises after a move, and where that is.

    The move is halved until the objective is finite. A rise (or fall) that is not well above the
    rounding there, seen in a millionth of the move, is none.
    """
    for share in 0.5 ** np.arange(12):
        there = theta + share * move
        rise = objective.value_and_gradient(there)[0] - value
        if np.isfinite(rise):
            beside = objective.value_and_gradient(there - 1e-6 * share * move)[0] - value
            return (rise if abs(rise) > 10 * abs(rise - beside) else 0.0), there
    return np.inf, theta


def _spelled(direction: np.ndarray, labels: Sequence[str]) -> str:
    """The direction's main parameters with signed shares, each in its own unit."""
    share = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(share))
    main = [index for index in order if abs(share[index]) > 0.05]
    said = " ".join(
        f"{'+' if share[i] > 0 else '-'}{abs(share[i]):.2f} {labels[i]}" for i in main[:NAMED]
    )
    return said + (" ..." if len(main) > NAMED else "")


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


def _not_finite(value: float) -> str:
    return (
        f"The objective is {value} at every start, or its gradient is not finite. Look for a row "
        "that is impossible under the model, or give the parameters an initval within its support."
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


def jittered(
    hessian: Callable[[np.ndarray], np.ndarray],
    theta: np.ndarray,
    rows: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """theta moved by about one standard error of a single row in each coordinate."""
    curvature = np.nan_to_num(np.diag(hessian(theta)), nan=0.0, posinf=0.0, neginf=0.0)
    scale = np.sqrt(rows / np.where(curvature > 0, curvature, rows))
    return theta + 0.5 * np.minimum(scale, 1.0) * rng.standard_normal(len(theta))
