"""Leave-one-out: each row's loss under a fit that did not see it, without fitting n times.

One Newton step from the estimate leaves a row, or a group, out: theta + (H - H_i)^-1 s_i, with
the exact second derivatives (Rad and Maleki 2020; Giordano et al. 2019). Where the row weighs so
much that one step will not do, the fit is made again without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench import information, resampling
from workbench.errors import DataError, ModelError
from workbench.estimate import Estimate
from workbench.information import Mean
from workbench.recorded import blocks_of

# Beyond these a step overshoots (measured on normal regressions with a spread of their own).
LEVERAGE = 0.3  # of a row: tr H^-1 H_i
RISE = 1.0  # nats by which a row's loss rises when it is left out
MOST = 0.05  # of the rows, or groups, that are fitted again
FEWEST = 10  # of them at least
MANY = 0.3  # parameters a unit, from which on folds serve better
NUMBERS = 20_000_000  # of the rows' second derivatives in memory at once


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """The rows' losses with each unit (a row, or a declared group) left out in its turn.

    `pointwise` and `training` are NLL of each row (n,), left out and not, in nats. `leverage`
    and `shift` are by unit: tr H^-1 H_i, and how far the estimate moves, in standard errors.
    `refitted` units were fitted again exactly; `doubtful` ones wanted it beyond the limit. Without
    a `failed` unit there is no optimum: its losses are NaN, and the cross-entropy is unknown.
    """

    name: str
    pointwise: np.ndarray
    training: np.ndarray
    weights: np.ndarray
    groups: np.ndarray | None
    blocks: np.ndarray | None  # of neighbours in time, for standard errors
    labels: np.ndarray
    units: np.ndarray  # of each row: the place of its unit
    leverage: np.ndarray
    shift: np.ndarray
    refitted: np.ndarray
    doubtful: np.ndarray
    failed: np.ndarray
    k: int

    @property
    def cross_entropy(self) -> Mean:
        """CE of rows that the fit has not seen, nats per row; lower is better."""
        return self._mean(self.pointwise)

    @property
    def optimism(self) -> Mean:
        """By how much CE on training rows is too low, nats per row."""
        return self._mean(self.pointwise - self.training)

    def _mean(self, values: np.ndarray) -> Mean:
        if len(self.failed):
            return Mean(float("nan"), float("nan"), round(self.weights.sum()))
        units = self.blocks if self.groups is None else self.groups
        return information.mean(values, weights=self.weights, groups=units)

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
    _require_steps(fit, most)
    problem = fit.problem
    groups, count = problem.rows.groups, problem.rows.count
    units = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    weights = problem.rows.weights
    times = np.minimum(weights, 1.0) if groups is None else weights
    training = -problem.pointwise(fit.theta)
    moved, leverage, definite = _stepped(fit, units, times)
    thetas = np.tile(fit.theta, (len(leverage), 1))
    thetas[:, fit.moves] += moved
    losses = -problem.pointwise_apart(thetas[units])
    rises = np.bincount(units, times * (losses - training))
    flagged = np.flatnonzero(~definite | (leverage > LEVERAGE) | ~(rises < RISE))
    allowed = max(FEWEST, int(most * len(leverage))) if most else 0
    again = flagged[np.argsort(-leverage[flagged])][:allowed]
    exact = np.array(list(_refitted(fit, again, units, times))).reshape(len(again), len(fit.theta))
    found = np.isfinite(exact).all(axis=1)
    thetas[again] = exact
    losses = -problem.pointwise_apart(thetas[units])
    apart, curvature = thetas - fit.theta, fit.optimum.information
    return LeaveOneOut(
        name=problem.name,
        pointwise=losses,
        training=training,
        weights=weights,
        groups=groups,
        blocks=blocks_of(problem, problem.dataset),
        labels=np.asarray(problem.rows.labels),
        units=units,
        leverage=leverage,
        shift=np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", apart, curvature, apart), 0.0)),
        refitted=again[found],
        doubtful=np.setdiff1d(flagged, again),
        failed=again[~found],
        k=fit.k,
    )


def _require_steps(fit: Estimate, most: float) -> None:
    """Raise where no step from the fit leaves a row out."""
    if not 0 <= most <= 1:
        raise DataError(f"most is a share between 0 and 1, not {most:g}")
    if not fit.optimum.verdict.regular:
        raise ModelError(f"no leave-one-out: {fit.status}. {fit.optimum.verdict.advice}")
    if fit.bounds is not None:
        raise ModelError("one Newton step knows of no bounds; leave rows out of the free fit")


def _stepped(
    fit: Estimate, units: np.ndarray, times: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By unit: the Newton step (u, m), the leverage, and whether the curvature stays positive."""
    problem, moves, count = fit.problem, fit.moves, int(units.max()) + 1
    scale = 1.0 / np.sqrt(np.diag(fit.optimum.information)[moves])
    whole = scale[:, None] * fit.optimum.information[np.ix_(moves, moves)] * scale
    scores = np.zeros((count, len(scale)))
    np.add.at(scores, units, times[:, None] * problem.scores(fit.theta)[:, moves] * scale)
    step, leverage = np.zeros_like(scores), np.zeros(count)
    definite = np.zeros(count, dtype=bool)
    for part, rows in _parts(units, count, len(fit.theta)):
        lost = np.zeros((len(part), len(scale), len(scale)))
        inner = problem if len(rows) == problem.rows.count else problem.among(rows)
        curvature = inner.row_hessians(fit.theta)[np.ix_(np.arange(len(rows)), moves, moves)]
        place = np.searchsorted(part, units[rows])
        np.add.at(lost, place, -times[rows, None, None] * scale[:, None] * curvature * scale)
        left = whole - lost
        finite = np.isfinite(left).all(axis=(1, 2))
        left[~finite] = -whole  # no minimum without the unit, as far as one step can tell
        definite[part] = (np.linalg.eigvalsh(left) > 0).all(axis=1)
        leverage[part] = np.einsum("ij,uji->u", np.linalg.inv(whole), lost)
        safe = np.where(definite[part][:, None, None], left, whole)
        step[part] = -np.linalg.solve(safe, scores[part][..., None])[..., 0]
    return step * scale, leverage, definite


def _parts(units: np.ndarray, count: int, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Units, and their rows, some at a time, so that their second derivatives find room."""
    together = max(1, int(NUMBERS / max(k, 1) ** 2 * count / len(units)))
    order = np.argsort(units, kind="stable")
    for first in range(0, count, together):
        part = np.arange(first, min(first + together, count))
        begin, end = np.searchsorted(units[order], (part[0], part[-1] + 1))
        yield part, np.sort(order[begin:end])


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
