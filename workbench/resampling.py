"""Rows drawn again as weights, and the optimum found again for each replicate."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from workbench.optimum import (
    QUADRATIC,
    STEP_TOLERANCE,
    Kinked,
    Objective,
    Point,
    Start,
    finished,
    loose,
    point,
)

# Standard errors: how near another search comes, and the replicates vary by whole ones.
ARRIVED = 1e3 * STEP_TOLERANCE
LAST = 0.01  # standard errors: a Newton step that short leaves its square, less than ARRIVED
NEWTON_STEPS = 4


def drawn_rows(
    weights: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Row weights (n,) of as many rows, or groups, drawn again with replacement; without end.

    A row of frequency weight w stands for w rows, each drawn by itself; a group is drawn whole.
    """
    if groups is None:
        total = round(weights.sum())
        alike = (weights == weights[0]).all()  # a multinomial's draw, quicker
        while True:
            yield (
                np.bincount(rng.integers(0, len(weights), total), minlength=len(weights))
                if alike
                else rng.multinomial(total, weights / weights.sum())
            ).astype(float)
    codes = np.unique(groups, return_inverse=True)[1]
    count = codes.max() + 1
    while True:
        yield weights * rng.multinomial(count, np.full(count, 1 / count))[codes]


def refitted(replicates: Iterable[Objective], estimate: Point, rows: float) -> Iterator[np.ndarray]:
    """The optimum of each replicate, a sum over `rows` rows; NaN where none was found.

    estimate
        The optimum that all are searched from, with the information there.
    """
    for objective in replicates:
        smooth = not isinstance(objective, Kinked)  # of a kink no step from afar knows
        near = _by_newton(objective, estimate) if smooth else None
        yield near if near is not None else _searched(objective, estimate.theta, rows)


def stepped(replicates: Iterable[Objective], estimate: Point, rows: float) -> Iterator[np.ndarray]:
    """One Newton step for each replicate, theta - H^-1 g; NaN where the curvature is none."""
    for objective in replicates:
        step = point(objective, estimate.theta).definite_step
        yield estimate.theta + step if step is not None else np.full(len(estimate.theta), np.nan)


def _by_newton(objective: Objective, estimate: Point) -> np.ndarray | None:
    """The optimum by steps that shrink fast from the first on; None where they do not.

    The first takes the curvature for the estimate's, which costs a gradient alone. The last is
    taken unseen: its square, times how the curvature changes over a standard error, is left.
    """
    _, gradient = objective.value_and_gradient(estimate.theta)
    first = replace(estimate, gradient=gradient).definite_step
    if first is None or not np.isfinite(first).all():
        return None
    theta, left = estimate.theta + first, np.inf
    for _ in range(NEWTON_STEPS):
        here = point(objective, theta)
        if here.definite_step is None or here.newton_step[1] > QUADRATIC * left:
            return None
        theta, left = theta + here.definite_step, here.newton_step[1]
        if left < LAST:  # a bound may lie on that last way
            return theta if np.isfinite(objective.values(theta[None])[0]) else None
    return None


def _searched(objective: Objective, theta: np.ndarray, rows: float) -> np.ndarray:
    begin = point(objective, theta)
    end = finished(objective, Start("replicate", theta, begin, (begin.value,)), rows)
    free = loose(objective, end)
    arrived = free.newton_step[1] < ARRIVED and free.definite_step is not None
    return end.theta if arrived else np.full(len(theta), np.nan)
