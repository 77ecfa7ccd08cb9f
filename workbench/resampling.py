"""Rows drawn again as weights, and the optimum found again for each replicate."""

from collections.abc import Iterable, Iterator

import numpy as np

from workbench.optimum import STEP_TOLERANCE, Objective, Start, finished, point

# Standard errors: how near another search comes, and the replicates vary by whole ones.
ARRIVED = 1e3 * STEP_TOLERANCE


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


def refitted(
    replicates: Iterable[Objective], theta: np.ndarray, rows: float
) -> Iterator[np.ndarray]:
    """The optimum of each replicate, a sum over `rows` rows, searched from theta; NaN if none."""
    for objective in replicates:
        begin = point(objective, theta)
        end = finished(objective, Start("replicate", begin, begin, (begin.value,)), rows)
        arrived = end.newton_step[1] < ARRIVED and end.definite_step is not None
        yield end.theta if arrived else np.full(len(theta), np.nan)


def stepped(
    replicates: Iterable[Objective], theta: np.ndarray, rows: float
) -> Iterator[np.ndarray]:
    """One Newton step for each replicate, theta - H^-1 g; NaN where the curvature is none."""
    for objective in replicates:
        step = point(objective, theta).definite_step
        yield theta + step if step is not None else np.full(len(theta), np.nan)
