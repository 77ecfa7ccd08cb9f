"""Rows drawn again as weights, and the optimum found again for each draw."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from workbench.optimum import STEP_TOLERANCE, Objective, Start, finished, loose, point

# Standard errors: how near another search comes, and the replicates vary by whole ones.
ARRIVED = 1e3 * STEP_TOLERANCE

Loss = Callable[[np.ndarray], Objective]  # of row weights


def drawn_rows(
    weights: np.ndarray, groups: np.ndarray | None, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Row weights (n,) of as many rows, or groups, drawn again with replacement; without end.

    A row of frequency weight w stands for w rows, each drawn by itself; a group is drawn whole.
    """
    if groups is None:
        total = round(weights.sum())
        while True:
            yield rng.multinomial(total, weights / weights.sum()).astype(float)
    codes = np.unique(groups, return_inverse=True)[1]
    count = codes.max() + 1
    while True:
        yield weights * rng.multinomial(count, np.full(count, 1 / count))[codes]


def refitted(loss: Loss, theta: np.ndarray, draws: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The optimum for each draw of weights, searched from theta; NaN where none was found."""
    for weights in draws:
        objective = loss(weights)
        begin = point(objective, theta)
        end = finished(objective, Start("replicate", begin, begin, (begin.value,)), weights.sum())
        free = loose(objective, end)
        arrived = free.newton_step[1] < ARRIVED and free.definite_step is not None
        yield end.theta if arrived else np.full(len(theta), np.nan)


def stepped(loss: Loss, theta: np.ndarray, draws: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """One Newton step for each draw, theta - H(w)^-1 g(w); NaN where the curvature is none."""
    for weights in draws:
        step = point(loss(weights), theta).definite_step
        yield theta + step if step is not None else np.full(len(theta), np.nan)
