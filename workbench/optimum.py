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
# A parabola rises by half a nat one standard error away. A ridge that rises by less than a
# ten-thousandth, to either side, has no minimum along it that the data can tell.
FLAT_RISE = 1e-4
# Eigenvalues of a correlation-scaled information below this share of the largest are rounding.
ROUNDING = 1e-12
# Nats by which a probe must improve on the found point to be worth another search.
BETTER = 1e-6
# Where the trust region hands over to plain Newton steps: the reduction still to come, half the
# square of this, is then well above the rounding of an NLL of a million rows.
HANDOVER = 1e-3  # standard errors
ITERATIONS = 200
POLISH_STEPS = 30
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
) -> Optimum:
    """Search from every start and judge the best point; never raises for a numerical outcome.

    labels
        Names of theta's coordinates, for the advice.
    """
    found = [search(objective, name, begin) for name, begin in starts.items()]
    for _ in range(RESTARTS):
        best = min(found, key=lambda start: np.nan_to_num(start.value, nan=np.inf))
        optimum, better = _judged(objective, best, labels)
        if better is None:
            break
        again = search(objective, f"{best.name}, continued", better)
        found = [again if start is best else start for start in found]
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
        if left < STEP_TOLERANCE * 1e-3:
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
    objective: Objective, best: Start, labels: Sequence[str]
) -> tuple[Optimum, np.ndarray | None]:
    """The optimum with its verdict, and a better point if probing it found one."""
    theta, value = best.theta, best.value
    _, gradient = objective.value_and_gradient(theta)
    size = len(theta)
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        verdict = Verdict(Status.NOT_FINITE, _not_finite(value), np.nan, np.full(size, np.nan))
        return Optimum(theta, value, gradient, np.full((size, size), np.nan), (), verdict), None
    information = objective.hessian(theta)
    verdict, better = judge(objective, theta, value, gradient, information, labels)
    return Optimum(theta, value, gradient, information, (), verdict), better


def judge(
    objective: Objective,
    theta: np.ndarray,
    value: float,
    gradient: np.ndarray,
    information: np.ndarray,
    labels: Sequence[str],
) -> tuple[Verdict, np.ndarray | None]:
    """The verdict on a point, and a better point where probing found one (else None).

    Along each eigenvector of the information the objective is evaluated one standard error to
    either side. A minimum rises on both; a flat ridge on neither; a parameter on its way to
    infinity on one. The test has no scale of its own, so collinearity, separation and a
    dispersion without bound are told alike whatever the units of the columns.
    """
    if not np.isfinite(information).all():
        advice = "The second derivatives are not finite here, so no standard error can be given."
        return Verdict(Status.NOT_FINITE, advice, np.nan, np.full(len(theta), np.nan)), None
    scale, values, vectors = _spectrum(information)
    _, step = _newton(information, gradient)
    largest = np.abs(values).max(initial=0.0)
    if largest == 0.0 or values[0] < -1e-8 * largest:
        direction = _spelled(scale * vectors[:, 0], labels)
        advice = f"The search stopped at a saddle: the objective bends down along {direction}. Give other starts."
        return Verdict(Status.NOT_STATIONARY, advice, step, values), None
    for index in range(len(values)):
        reach = 1.0 / np.sqrt(max(values[index], ROUNDING * largest))
        direction = reach * scale * vectors[:, index]
        up, down = (_rise(objective, theta, value, sign * direction) for sign in (1.0, -1.0))
        drop = min((up, down), key=lambda probe: probe.rise)
        if drop.rise < -BETTER:
            advice = f"A point {-drop.rise:.3g} nats better lies along {_spelled(direction, labels)}; the search did not reach it."
            return Verdict(Status.NOT_STATIONARY, advice, step, values), drop.theta
        if up.flat and down.flat:
            return Verdict(Status.NOT_IDENTIFIED, _not_identified(direction, labels), step, values), None
        if up.flat or down.flat:
            outward = direction if up.flat else -direction
            return Verdict(Status.RUNNING_AWAY, _running_away(outward, labels), step, values), None
    if not step < STEP_TOLERANCE:
        advice = f"The search stopped {step:.2g} standard errors short of the minimum it was heading for. Give other starts, or rescale the columns."
        return Verdict(Status.NOT_STATIONARY, advice, step, values), None
    return Verdict(Status.MINIMUM, "", step, values), None


@dataclass(frozen=True)
class _Probe:
    theta: np.ndarray
    rise: float  # nats
    expected: float  # what a parabola would rise, nats

    @property
    def flat(self) -> bool:
        return self.rise < 2 * FLAT_RISE * self.expected


def _rise(
    objective: Objective, theta: np.ndarray, value: float, direction: np.ndarray
) -> _Probe:
    """The objective's rise one standard error away, or as near to that as it is finite."""
    for multiple in 0.5 ** np.arange(12):
        there = theta + multiple * direction
        rise = objective.value_and_gradient(there)[0] - value
        if np.isfinite(rise):
            return _Probe(there, float(rise), 0.5 * multiple**2)
    return _Probe(theta, np.inf, 0.5)


def _spelled(direction: np.ndarray, labels: Sequence[str]) -> str:
    """The direction's main parameters with signed shares: `+0.71 beta[a] - 0.71 beta[b]`."""
    share = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(share))
    main = [index for index in order if abs(share[index]) > 0.05][:NAMED]
    said = " ".join(f"{'+' if share[i] > 0 else '-'}{abs(share[i]):.2f} {labels[i]}" for i in main)
    return said + (" + ..." if len(main) < int(np.sum(np.abs(share) > 0.05)) else "")


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
    rows: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """theta moved by about one standard error of a single row in each coordinate."""
    curvature = np.nan_to_num(np.diag(hessian(theta)), nan=0.0, posinf=0.0, neginf=0.0)
    scale = np.sqrt(rows / np.where(curvature > 0, curvature, rows))
    return theta + 0.5 * np.minimum(scale, 1.0) * rng.standard_normal(len(theta))
