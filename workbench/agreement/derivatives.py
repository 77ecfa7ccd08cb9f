"""The derivatives: gradient, Hessian and scores against central differences of what they derive.

A step off the optimum, along directions told in standard errors. Of two differences of the fourth
and the second order, what they differ by bounds the truncation of the better one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from workbench.agreement.densities import standard_errors
from workbench.agreement.outcomes import Agreement, Outcome, judged, not_tried
from workbench.estimate import Estimate

CODES = {"gradient": "gradient", "hessian": "Hessian", "scores": "scores by row"}
MOST = 20  # coordinates that are tried one by one; with more, as many seeded directions
STEP = 1e-2  # standard errors: truncation and rounding are then of one size, and both small
ROUNDING = 1e2 * np.finfo(float).eps  # of the sum of the absolute terms, at least
FINE = 1e-7  # standard errors, in which only rounding moves a fourth difference
NODES = 9  # whose fourth differences tell of it
SAFE = 10.0  # times the rounding so measured, which five differences know to a third
ROUGH = 1e-2  # of the largest derivative: differences this uncertain decide nothing
WHY = "truncation of differences, by those of another order, and rounding"


@dataclass(frozen=True)
class _Differences:
    """By central differences along one direction: the derivative, and what it may be wrong by."""

    derivative: np.ndarray
    error: np.ndarray


def derivatives(fit: Estimate) -> Iterator[Agreement]:
    """Each against the values that it is the derivative of; nats, by standard errors."""
    if not fit.optimum.verdict.regular or not fit.k:
        why = f"there is no scale to step by: {fit.status} of {fit.k} parameters"
        for code, name in CODES.items():
            yield not_tried(code, name, why, Outcome.NOT_APPLICABLE)
        return
    problem, prior = fit.problem, 0.0 if fit.objective == "likelihood" else 1.0
    place, errors = _off(fit)
    directions = _directions(fit) * errors
    _, gradient, hessian = problem.derivatives(place, prior)
    terms = np.abs(problem.rows.weights * problem.pointwise(place))
    noise = ROUNDING * float(terms.sum())

    def slope(theta: np.ndarray) -> np.ndarray:
        return np.asarray(problem.value_and_gradient(theta, prior)[1] * errors)

    by_value = [
        _differences(lambda theta: problem.values(theta[None], prior), place, direction, noise)
        for direction in directions
    ]
    yield _worst("gradient", directions @ gradient, by_value, fit, directions)
    by_slope = [_differences(slope, place, direction, noise) for direction in directions]
    yield _worst("hessian", directions @ hessian * errors, by_slope, fit, directions)
    if not problem.independent:
        why = "one row's data change another row's term, so rows have no scores of their own"
        yield not_tried("scores", CODES["scores"], why, Outcome.NOT_APPLICABLE)
        return
    scores = problem.scores(place)
    row_noise = ROUNDING * np.maximum(np.abs(problem.pointwise(place)), 1.0)
    by_row = [_differences(problem.pointwise, place, direction, row_noise)
              for direction in directions]  # fmt: skip
    yield _worst("scores", (scores @ directions.T).T, by_row, fit, directions)


def _off(fit: Estimate) -> tuple[np.ndarray, np.ndarray]:
    """theta half a standard error off the optimum, and the errors: so that steps stay in bounds."""
    errors = standard_errors(fit)
    if fit.bounds is None:
        return fit.theta + 0.5 * errors, errors
    lower, upper = fit.bounds.lower, fit.bounds.upper
    errors = np.minimum(errors, upper - lower)
    return np.clip(fit.theta + 0.5 * errors, lower + 0.1 * errors, upper - 0.1 * errors), errors


def _directions(fit: Estimate) -> np.ndarray:
    """In standard errors (m, k): the coordinates that are free, or seeded ones of length 1."""
    free = np.flatnonzero(fit.moves)
    if len(free) <= MOST:
        return np.eye(len(fit.theta))[free]
    drawn = np.random.default_rng(0).standard_normal((MOST, len(fit.theta))) * fit.moves
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def _differences(
    function: Callable[[np.ndarray], np.ndarray],
    place: np.ndarray,
    direction: np.ndarray,
    noise: np.ndarray | float,
) -> _Differences:
    """Of the fourth order (Abramowitz and Stegun 25.3.6), along a direction.

    `noise` is the rounding of the values; where more of it is measured, that counts.
    """
    noise = np.maximum(noise, SAFE * _rounding(function, place, direction)) / STEP
    far, near = (
        (function(place + step * direction) - function(place - step * direction)) / (2 * step)
        for step in (2 * STEP, STEP)
    )
    better = (4 * near - far) / 3
    return _Differences(better, np.abs(better - near) + noise)


def _rounding(
    function: Callable[[np.ndarray], np.ndarray], place: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """Standard deviation of the values' rounding, by fourth differences (Moré and Wild 2011).

    A log density that is made of larger terms, as by log-gamma functions, has lost their digits.
    """
    values = np.array([function(place + step * FINE * direction) for step in range(NODES)])
    own = np.sqrt((np.diff(values, 4, axis=0) ** 2).mean(axis=0) / 70)  # 70 = 8! / 4!²
    return np.maximum(own, np.sqrt((own**2).mean()))


def _worst(
    code: str,
    exact: np.ndarray,
    differences: list[_Differences],
    fit: Estimate,
    directions: np.ndarray,
) -> Agreement:
    """The entry that is farthest beyond its limit."""
    numeric = np.array([one.derivative for one in differences]).reshape(exact.shape)
    errors = np.array([one.error for one in differences]).reshape(exact.shape)
    away = np.abs(exact - numeric)
    place = np.unravel_index(int(np.argmax(np.nan_to_num(away / errors, nan=np.inf))), exact.shape)
    label = _along(fit, directions[place[0]])
    found = judged(
        code, f"{CODES[code]} along {label}", exact[place], numeric[place], away[place],
        errors[place], "nats by standard errors", WHY,
    )  # fmt: skip
    if found.outcome is Outcome.PASS and errors[place] > ROUGH * np.abs(exact).max():
        why = "the differences are too rough here to decide"
        return replace(found, outcome=Outcome.LOOK, why=why)
    return found


def _along(fit: Estimate, direction: np.ndarray) -> str:
    moved = np.flatnonzero(direction)
    return fit.problem.theta_labels[moved[0]] if len(moved) == 1 else "a drawn direction"
