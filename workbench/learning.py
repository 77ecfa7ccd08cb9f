"""The learning curve: cross-entropy on the same held-out rows as the training rows grow in number.

It separates what the family cannot express, which no number of rows mends, from what these rows
cannot tell: to first order E CE(n) = CE* + tr(J^-1 K) / (2 n), with CE* the cross-entropy of the
family's best member and tr(J^-1 K) the effective parameters, k where the model is right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from workbench import resampling
from workbench.errors import DataError, ModelError
from workbench.estimate import Estimate
from workbench.evaluation import Evaluation, evaluate
from workbench.leverage import units_of
from workbench.problem import Problem

SHARES = (0.1, 0.2, 0.4, 0.7)  # of the training rows; the fit to all of them is there
REPLICATES = 5


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """CE of fits to nested random parts of the training rows, on the same held-out rows.

    Arrays are by replicate and share, (R, S): `rows` each part has, counted by weight, and in
    nats per row `training` and `heldout` CE, NaN where a part has no optimum. `full` is the fit
    to all rows, and `effective` its effective parameters.
    """

    full: Evaluation
    shares: tuple[float, ...]
    rows: np.ndarray
    training: np.ndarray
    heldout: np.ndarray
    all_rows: float
    effective: float

    @property
    def limit(self) -> float:
        """CE*, what more rows would lead to: CE of all rows less tr(J^-1 K) / (2 n), nats per row.

        Its error is that of the held-out rows, as for CE itself, and beyond it what this one set
        of training rows happens to lose, which is of the order of the difference.
        """
        return self.full.cross_entropy.value - self.effective / (2 * self.all_rows)

    def expected(self, rows: np.ndarray | float) -> np.ndarray:
        """CE* + tr(J^-1 K) / (2 n) at each number of rows, nats per row."""
        return self.limit + self.effective / (2 * np.asarray(rows, float))

    @property
    def failed(self) -> int:
        """How many parts had no optimum."""
        return int(np.isnan(self.heldout).sum())

    def to_frame(self) -> pd.DataFrame:
        """One row a fit: replicate, share, rows, training, heldout, and what is expected there.

        The last is the fit to all rows, replicate -1.
        """
        count, size = self.heldout.shape
        parts = pd.DataFrame(
            {
                "replicate": np.repeat(np.arange(count), size),
                "share": np.tile(self.shares, count),
                "rows": self.rows.ravel(),
                "training": self.training.ravel(),
                "heldout": self.heldout.ravel(),
            }
        )
        ce = self.full.cross_entropy.value
        parts.loc[len(parts)] = [-1, 1.0, self.all_rows, self.full.training_nll, ce]
        parts["replicate"] = parts["replicate"].astype(int)
        return parts.assign(expected=self.expected(parts["rows"].to_numpy()))


def learning_curve(
    fit: Estimate,
    heldout: xr.Dataset,
    *,
    shares: Sequence[float] = SHARES,
    replicates: int = REPLICATES,
    rng: np.random.Generator | None = None,
) -> LearningCurve:
    """The fit made again on parts of its training rows, searched from the estimate of all.

    In each replicate the rows (whole groups, where declared) are put in random order, and the
    first `shares` of them are taken, so that a smaller part lies in a larger one. What the formula
    learned it learned on all rows. rng: None means a generator seeded with 0.

    Raises DataError for shares that do not grow between 0 and 1, for no replicates, and for rows
    that do not fit; ModelError without a regular optimum, and where rows are not separate.
    """
    ordered = tuple(float(share) for share in shares)
    inside = all(0 < share < 1 for share in ordered)
    if not ordered or not inside or list(ordered) != sorted(set(ordered)):
        raise DataError(f"shares grow between 0 and 1, such as {SHARES}; got {ordered}")
    if replicates < 1:
        raise DataError(f"a learning curve takes a replicate or more, not {replicates}")
    if not fit.optimum.verdict.regular:
        raise ModelError(f"no learning curve: {fit.status}. {fit.optimum.verdict.advice}")
    fit.problem.require_movable()
    rng = rng or np.random.default_rng(0)
    masks = [part for _ in range(replicates) for part in _nested(fit.problem, ordered, rng)]
    full = evaluate(fit, heldout)
    found = np.array(list(_fitted(fit, masks, evaluate(fit), full)))
    found = found.reshape(replicates, len(ordered), 3)
    return LearningCurve(
        full=full,
        shares=ordered,
        rows=found[:, :, 0],
        training=found[:, :, 1],
        heldout=found[:, :, 2],
        all_rows=fit.nobs,
        effective=fit.effective_parameters,
    )


def _nested(
    problem: Problem, shares: Sequence[float], rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Which rows (n,) belong to each part, whole units of them, the smaller within the larger."""
    units = units_of(problem)[0]
    place = rng.permutation(int(units.max()) + 1)
    for share in shares:
        yield place[units] < max(1, round(share * len(place)))


def _fitted(
    fit: Estimate, masks: Sequence[np.ndarray], training: Evaluation, heldout: Evaluation
) -> Iterator[tuple[float, float, float]]:
    """Of the fit to each part: its rows, its training CE, and its CE on the held-out rows."""
    problem, moves, point = fit.problem, fit.moves, fit.point
    for mask in masks:
        weights = problem.rows.weights * mask
        rows = weights.sum()
        part = problem.redrawn(weights)
        near = replace(point, information=point.information * (rows / fit.nobs))
        theta = fit.theta.copy()
        theta[moves] = next(resampling.refitted([fit.on(part)], near, rows))
        if not np.isfinite(theta).all():
            yield rows, np.nan, np.nan
            continue
        known, new = (one.losses(theta) for one in (training, heldout))
        shares = heldout.weights / heldout.weights.sum()
        yield rows, float(weights @ known / rows), float(shares @ new)
