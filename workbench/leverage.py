"""Which rows, or groups, the fit hangs on: how it moves with their weight, and without them.

With the exact scores s_i and second derivatives H_i of each unit's NLL at the estimate, and H the
information of all: d theta / d w_i = -H^-1 s_i; without the unit, one Newton step leads to
theta + (H - H_i)^-1 s_i (Rad and Maleki 2020; Giordano et al. 2019).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from workbench.errors import ModelError
from workbench.estimate import Estimate
from workbench.problem import Problem

NUMBERS = 20_000_000  # of the rows' second derivatives in memory at once


@dataclass(frozen=True, eq=False)
class Influence:
    """What each unit (a row, or a declared group) weighs in the fit; arrays by unit, (u,).

    `leverage` is tr H^-1 H_i, the share of a parameter that the unit spends; over all rows these
    add up to k. `displacement` is s_i' H^-1 s_i, to first order twice the nats that the
    log-likelihood of all rows loses at the estimate made without the unit (Cook 1986); they add
    up to the effective parameters. Of a row of frequency weight w they are those of one of its w
    rows.
    """

    fit: Estimate
    units: np.ndarray  # of each row: the place of its unit
    times: np.ndarray  # how many rows of its kind leave with each row
    slopes: np.ndarray  # d theta / d weight of the unit, (u, k), unconstrained
    steps: np.ndarray  # theta without the unit less theta, by one Newton step, (u, k)
    definite: np.ndarray  # whether curvature is left without it; else the step is of first order
    leverage: np.ndarray
    displacement: np.ndarray

    @cached_property
    def labels(self) -> np.ndarray:
        """The rows' labels, or the groups' where they are declared."""
        problem = self.fit.problem
        if problem.rows.groups is None:
            return np.asarray(problem.rows.labels)
        first, data = np.unique(self.units, return_index=True)[1], problem.dataset
        if data is None or "group_label" not in data.coords:
            return np.asarray(problem.rows.groups[first])
        return np.asarray(data["group_label"])[first]

    @property
    def sensitivities(self) -> pd.DataFrame:
        """d parameter / d weight of the unit, natural scale: one row a unit."""
        return self._natural(self.slopes)

    @property
    def changes(self) -> pd.DataFrame:
        """How far each parameter moves without the unit, in standard errors; one row a unit.

        By one Newton step (exact for a likelihood that is a parabola), and on the natural scale to
        first order. The standard errors are those of the observed information, for rows and
        groups alike.
        """
        return self._natural(self.steps) / self.fit.standard_errors("observed")

    def to_frame(self) -> pd.DataFrame:
        """One row a unit: leverage, displacement, and `changes` as `dfb_` columns."""
        own = {"leverage": self.leverage, "displacement": self.displacement}
        changes = self.changes.add_prefix("dfb_")
        return pd.concat([pd.DataFrame(own, index=changes.index), changes], axis=1)

    def _natural(self, thetas: np.ndarray) -> pd.DataFrame:
        problem = self.fit.problem
        moved = thetas @ problem.natural_jacobian(self.fit.theta).T
        what = "row" if problem.rows.groups is None else "group"
        return pd.DataFrame(
            moved, index=pd.Index(self.labels, name=what), columns=list(problem.labels)
        )


def influence(fit: Estimate) -> Influence:
    """What each row, or declared group, weighs in the fit, without fitting again.

    Raises ModelError without a regular optimum, within bounds, and where rows are not separate.
    """
    if not fit.optimum.verdict.regular:
        raise ModelError(f"no row can leave the fit: {fit.status}. {fit.optimum.verdict.advice}")
    if fit.bounds is not None:
        raise ModelError("one Newton step knows of no bounds; leave rows out of the free fit")
    problem, moves = fit.problem, fit.moves
    units, times = units_of(problem)
    scale = 1.0 / np.sqrt(np.diag(fit.optimum.information)[moves])
    whole = scale[:, None] * fit.optimum.information[np.ix_(moves, moves)] * scale
    weighted = times[:, None] * problem.scores(fit.theta)[:, moves] * scale
    scores = _by_unit(weighted, units, int(units.max()) + 1)
    slopes = np.linalg.solve(whole, scores.T).T
    steps, leverage = np.zeros_like(scores), np.zeros(len(scores))
    definite = np.zeros(len(scores), dtype=bool)
    for part, lost in _curvatures(fit, units, times, scale):
        left = whole - lost
        finite = np.isfinite(left).all(axis=(1, 2))
        left[~finite] = -whole  # no minimum without the unit, as far as one step can tell
        definite[part] = _positive_definite(left)
        leverage[part] = np.einsum("ij,uji->u", np.linalg.inv(whole), lost)
        safe = np.where(definite[part][:, None, None], left, whole)
        steps[part] = -np.linalg.solve(safe, scores[part][..., None])[..., 0]
    return Influence(
        fit=fit,
        units=units,
        times=times,
        slopes=_placed(slopes * scale, moves),
        steps=_placed(steps * scale, moves),
        definite=definite,
        leverage=leverage,
        displacement=np.einsum("uj,uj->u", scores, slopes),
    )


def units_of(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """What leaves the fit together: of each row the place of its unit, and how many rows leave.

    A row of frequency weight w stands for w rows, of which one leaves; a group leaves whole.
    """
    weights, groups = problem.rows.weights, problem.rows.groups
    if groups is None:
        return np.arange(problem.rows.count), np.minimum(weights, 1.0)
    return np.unique(groups, return_inverse=True)[1], weights


def _by_unit(values: np.ndarray, units: np.ndarray, count: int) -> np.ndarray:
    """Sums of rows' values, the rows of one unit together."""
    sums = np.zeros((count, *values.shape[1:]))
    if len(units) == count:  # each is alone
        sums[units] = values
    else:
        np.add.at(sums, units, values)
    return sums


def _positive_definite(matrices: np.ndarray) -> np.ndarray:
    """Of each (u, m, m); all of them have a Cholesky factor, mostly, which is found sooner."""
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        return np.asarray((np.linalg.eigvalsh(matrices) > 0).all(axis=1))
    return np.ones(len(matrices), dtype=bool)


def _placed(free: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Rows of the coordinates that move, among zeros for those that are held."""
    whole = np.zeros((len(free), len(moves)))
    whole[:, moves] = free
    return whole


def _curvatures(
    fit: Estimate, units: np.ndarray, times: np.ndarray, scale: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Some units at a time, so that they find room: which, and their scaled Hessians (u, m, m)."""
    problem, moves, count = fit.problem, fit.moves, int(units.max()) + 1
    together = max(1, int(NUMBERS / max(len(fit.theta), 1) ** 2 * count / len(units)))
    order = np.argsort(units, kind="stable")
    for first in range(0, count, together):
        part = np.arange(first, min(first + together, count))
        begin, end = np.searchsorted(units[order], (part[0], part[-1] + 1))
        rows = np.sort(order[begin:end])
        inner = problem if len(rows) == problem.rows.count else problem.among(rows)
        curvature = inner.row_hessians(fit.theta)[np.ix_(np.arange(len(rows)), moves, moves)]
        weighted = -times[rows, None, None] * scale[:, None] * curvature * scale
        yield part, _by_unit(weighted, np.searchsorted(part, units[rows]), len(part))
