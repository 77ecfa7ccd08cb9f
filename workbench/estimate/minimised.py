"""What is minimised: the loss by the coordinates that move, in bounds and with kinks, if any."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from workbench.estimate.bounds import Bounds
from workbench.estimate.objective import Loss
from workbench.optimum import Gaps, Held, Kinked, Objective
from workbench.problem import Problem

KEPT = 4  # thetas whose gaps are asked for again, in the same breath


def minimised(held: Held, bounds: Bounds | None, prior: float, problem: Problem) -> Objective:
    """The loss of a problem, of whose parameters `held` keeps some, within bounds.

    Where the problem has kinks the objective knows of them.
    """
    smooth = _of(held, bounds, prior, problem)
    if not problem.kinked:
        return smooth

    def rounded(widths: np.ndarray) -> Objective:
        return _of(held, bounds, prior, problem.rounded(widths))

    @lru_cache(maxsize=KEPT)
    def gaps(theta: bytes) -> Gaps:
        values, slopes, kinds, by_row = problem.gaps(held.whole(np.frombuffer(theta)))
        return Gaps(values, slopes[:, held.free], kinds, by_row)

    return Kinked(smooth, rounded, lambda theta: gaps(theta.tobytes()))


def _of(held: Held, bounds: Bounds | None, prior: float, problem: Problem) -> Objective:
    loss = Loss(problem, prior)
    if bounds is not None:
        return bounds.box(replace(held, objective=loss), problem)
    return loss if held.free.all() else replace(held, objective=loss)
