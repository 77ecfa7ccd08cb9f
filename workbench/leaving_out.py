"""Leave-one-out: each row's loss under a fit that did not see it, without fitting n times.

One Newton step from the estimate leaves a row, or a group, out (see leverage.py). Where the row
weighs so much that one step will not do, the fit is made again without it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from workbench import information, resampling
from workbench.divergences import no_divergence
from workbench.errors import DataError, ModelError
from workbench.estimate import Estimate
from workbench.evaluation import LEFT_OUT, Evaluation, evaluate, left_out
from workbench.information import Divergence, Mean
from workbench.leverage import Influence, influence
from workbench.recorded import clusters_of

# Beyond these a step overshoots (measured on normal regressions with a spread of their own).
LEVERAGE = 0.3  # of a row: tr H^-1 H_i
RISE = 1.0  # nats by which a row's loss rises when it is left out
MOST = 0.05  # of the rows, or groups, that are fitted again
FEWEST = 10  # of them at least
MANY = 0.3  # parameters a unit, from which on folds serve better


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """The rows' losses with each unit (a row, or a declared group) left out in its turn.

    `pointwise` and `training` are NLL of each row (n,), left out and not, in nats. `shift` is by
    unit, how far the estimate moves, in standard errors.
    `refitted` units were fitted again exactly; `doubtful` ones wanted it beyond the limit. Without
    a `failed` unit there is no optimum: its losses are NaN, and the cross-entropy is unknown.
    """

    name: str
    pointwise: np.ndarray
    training: np.ndarray
    weights: np.ndarray
    groups: np.ndarray | None
    clusters: np.ndarray | None  # the groups, else blocks in time, for standard errors
    labels: np.ndarray
    influence: Influence
    shift: np.ndarray
    refitted: np.ndarray
    doubtful: np.ndarray
    failed: np.ndarray
    k: int

    @property
    def units(self) -> np.ndarray:
        """Of each row the place of its unit."""
        return self.influence.units

    @property
    def leverage(self) -> np.ndarray:
        """tr H^-1 H_i of each unit."""
        return self.influence.leverage

    @property
    def cross_entropy(self) -> Mean:
        """CE of rows that the fit has not seen, nats per row; lower is better."""
        return self._mean(self.pointwise)

    @cached_property
    def evaluation(self) -> Evaluation:
        """The rows with their losses left out, as `wb.compare` takes them.

        Raises ModelError where a row has none, as without it there is no optimum.
        """
        if len(self.failed):
            raise ModelError(f"{self.name} cannot be compared: {self.advice}")
        return left_out(self.influence.fit, self.pointwise, LEFT_OUT)

    @property
    def optimism(self) -> Mean:
        """By how much CE on training rows is too low, nats per row."""
        return self._mean(self.pointwise - self.training)

    @cached_property
    def kl(self) -> Divergence:
        """KL(truth || model) without rows held out: that of the training rows, plus the optimism.

        The PIT of rows that the fit has seen is too uniform by as much as CE is too low, and that
        of rows left out no less (of 50 normal rows -.017 where KL is .019). With the label of
        `Evaluation.kl`, and a standard error of both parts; floor and p-value of a right model that
        is fitted to the same rows are not known.
        """
        if len(self.failed):
            return no_divergence(self.advice)
        seen = replace(evaluate(self.influence.fit), heldout=True).kl
        if not math.isfinite(seen.mean.value):
            return seen
        optimism = self.optimism
        mean = replace(seen.mean, value=seen.mean.value + optimism.value)
        return Divergence(
            mean.enlarged(math.hypot(mean.se, optimism.se)), seen.label, math.nan, None,
            "floor and p-value of a model fitted to these rows are not known",
        )  # fmt: skip

    def _mean(self, values: np.ndarray) -> Mean:
        if len(self.failed):
            return Mean(float("nan"), float("nan"), round(self.weights.sum()))
        return information.mean(values, weights=self.weights, groups=self.clusters)

    @property
    def advice(self) -> str:
        """What makes the estimate doubtful, and what to do; empty if nothing does."""
        count, doubtful = len(self.leverage), len(self.doubtful)
        what = "rows" if self.groups is None else "groups"
        if len(self.failed):
            row = self.labels[np.flatnonzero(self.units == self.failed[0])[0]]
            return (
                f"without {len(self.failed)} of {count} {what} (the first is that of row {row}) "
                "the fit has no optimum, so their loss has no value"
            )
        if doubtful:
            return (
                f"{doubtful} of {count} {what} weigh so much that one step does not leave them "
                "out, and were not fitted again; use wb.cross_validate, or raise most="
            )
        counted = self.weights.sum() if self.groups is None else count
        if self.k > MANY * counted:
            return f"{self.k} parameters on {counted:g} {what}: use wb.cross_validate"
        return ""

    def to_frame(self) -> pd.DataFrame:
        """One row a row: nll, nll_left_out, and of its unit leverage, shift and refitted."""
        columns = {
            "nll": self.training,
            "nll_left_out": self.pointwise,
            "leverage": self.leverage[self.units],
            "shift": self.shift[self.units],
            "refitted": np.isin(self.units, self.refitted),
        }
        return pd.DataFrame(columns, index=pd.Index(self.labels, name="row"))


def leave_one_out(fit: Estimate, *, most: float = MOST) -> LeaveOneOut:
    """Each row's loss with the row left out of the fit, or its group where one is declared.

    most
        The share of rows, or groups, that may be fitted again where one step will not do; ten of
        few, and none where it is 0.

    A row of frequency weight w stands for w rows, of which one is left out; a group is left out
    whole. Raises ModelError without a regular optimum, within bounds, and where rows are not
    separate; DataError for a share that is none.
    """
    if not 0 <= most <= 1:
        raise DataError(f"most is a share between 0 and 1, not {most:g}")
    problem, weighs = fit.problem, influence(fit)
    units, times, leverage = weighs.units, weighs.times, weighs.leverage
    training = -problem.pointwise(fit.theta)
    thetas = fit.theta + weighs.steps
    losses = -problem.pointwise_apart(thetas[units])
    rises = np.bincount(units, times * (losses - training))
    flagged = np.flatnonzero(~weighs.definite | (leverage > LEVERAGE) | ~(rises < RISE))
    allowed = max(FEWEST, int(most * len(leverage))) if most else 0
    again = flagged[np.argsort(-leverage[flagged])][:allowed]
    exact = np.array(list(_refitted(fit, again, units, times))).reshape(len(again), len(fit.theta))
    found = np.isfinite(exact).all(axis=1)
    if len(again):
        thetas[again] = exact
        losses = -problem.pointwise_apart(thetas[units])
    apart, curvature = thetas - fit.theta, fit.optimum.information
    return LeaveOneOut(
        name=problem.name,
        pointwise=losses,
        training=training,
        weights=problem.rows.weights,
        groups=problem.rows.groups,
        clusters=clusters_of(problem, problem.dataset),
        labels=np.asarray(problem.rows.labels),
        influence=weighs,
        shift=np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", apart, curvature, apart), 0.0)),
        refitted=again[found],
        doubtful=np.setdiff1d(flagged, again),
        failed=again[~found],
        k=fit.k,
    )


def _refitted(
    fit: Estimate, again: np.ndarray, units: np.ndarray, times: np.ndarray
) -> Iterator[np.ndarray]:
    """theta of the fit without each of these units; NaN where there is no optimum."""
    problem, moves = fit.problem, fit.moves
    without = (
        fit.on(problem.redrawn(problem.rows.weights - np.where(units == unit, times, 0.0)))
        for unit in again
    )
    for free in resampling.refitted(without, fit.point, fit.nobs):
        theta = fit.theta.copy()
        theta[moves] = free
        yield theta
