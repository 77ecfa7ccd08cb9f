"""Cross-validation: each row's loss under the fit of the folds that do not hold it."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from workbench import information, resampling
from workbench.errors import DataError, ModelError
from workbench.estimate import Estimate
from workbench.evaluation import Evaluation, left_out
from workbench.information import Mean
from workbench.recorded import clusters_of
from workbench.table import Folds


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The rows' losses under fits that did not see them.

    `pointwise` is NLL of each row (n,) in nats: NaN where no fold holds the row out, and where
    the fit without its fold has no optimum; such folds are `failed`.
    """

    name: str
    pointwise: np.ndarray
    training: np.ndarray  # NLL under the fit of all rows
    weights: np.ndarray
    clusters: np.ndarray | None  # of rows that depend on each other, for standard errors
    labels: np.ndarray
    fold: np.ndarray
    failed: tuple[int, ...]
    fit: Estimate = field(repr=False)  # of all rows

    @property
    def cross_entropy(self) -> Mean:
        """CE averaged over the folds' training sets, nats per row; lower is better.

        Of fits to a share of the rows, so a little above that of the fit to all. The standard
        error takes the rows' losses for independent, which the shared training rows make them not
        quite (Bates, Hastie and Tibshirani 2024): it is too small rather than too large. Unknown
        where a fold failed.
        """
        return self._mean(self.pointwise)

    @cached_property
    def evaluation(self) -> Evaluation:
        """The rows with their losses left out, as `wb.compare` takes them.

        Raises ModelError where a fold has no optimum.
        """
        if self.failed:
            raise ModelError(f"{self.name} cannot be compared: {self.advice}")
        return left_out(self.fit, self.pointwise, f"in {self.fold.max() + 1} folds")

    @property
    def optimism(self) -> Mean:
        """By how much CE on training rows is too low, nats per row."""
        return self._mean(self.pointwise - self.training)

    @property
    def advice(self) -> str:
        """Which folds could not be fitted; empty if all were."""
        if not self.failed:
            return ""
        said = ", ".join(map(str, self.failed))
        return f"without fold {said} there is no optimum: take fewer folds, or stratify them"

    def to_frame(self) -> pd.DataFrame:
        """One row a row: its fold, nll under all rows, and nll_left_out."""
        columns = {"fold": self.fold, "nll": self.training, "nll_left_out": self.pointwise}
        return pd.DataFrame(columns, index=pd.Index(self.labels, name="row"))

    def _mean(self, values: np.ndarray) -> Mean:
        counted = self.fold >= 0
        if self.failed:
            return Mean(float("nan"), float("nan"), int(counted.sum()))
        clusters = None if self.clusters is None else self.clusters[counted]
        return information.mean(values[counted], weights=self.weights[counted], groups=clusters)


def cross_validate(fit: Estimate, folds: Folds) -> CrossValidation:
    """Each row's loss under the fit without its fold, searched from the fit of all rows.

    What the formula learned (levels, knots, centring) it learned on all of them. Raises
    ModelError without a maximum in all parameters and where rows are not separate, DataError for
    folds of other rows, and for random or stratified ones that cut a declared group. A row of
    frequency weight w is held out whole.
    """
    problem, moves, verdict = fit.problem, fit.moves, fit.optimum.verdict
    if not verdict.determined:
        raise ModelError(f"no cross-validation: {fit.status}. {verdict.advice}")
    if getattr(problem.source, "unit", "row") == "group":
        raise ModelError(
            f"{problem.name} takes the rows of a group together, which folds of a table's rows do "
            "not tell; leave groups out by wb.leave_one_out"
        )
    if len(folds.number) != problem.rows.count:
        raise DataError(
            f"the folds number {len(folds.number)} rows, and the fit has {problem.rows.count}; "
            "make them of the table that it was fitted to"
        )
    problem.require_movable()
    _require_whole_groups(problem.rows.groups, folds)
    masks = [folds.masks(fold) for fold in range(folds.count)]
    replicates = (fit.on(problem.redrawn(problem.rows.weights * training)) for training, _ in masks)
    losses, failed = np.full(problem.rows.count, np.nan), []
    found = resampling.refitted(replicates, fit.point, fit.nobs)
    for fold, ((_, heldout), free) in enumerate(zip(masks, found, strict=True)):
        theta = fit.theta.copy()
        theta[moves] = free
        if np.isfinite(theta).all():
            losses[heldout] = -problem.pointwise(theta)[heldout]
        else:
            failed.append(fold)
    return CrossValidation(
        name=problem.name,
        pointwise=losses,
        training=-problem.pointwise(fit.theta),
        weights=problem.rows.weights,
        clusters=clusters_of(problem, problem.dataset),
        labels=np.asarray(problem.rows.labels),
        fold=folds.number,
        failed=tuple(failed),
        fit=fit,
    )


def _require_whole_groups(groups: np.ndarray | None, folds: Folds) -> None:
    """Else a row's own group tells of it, and CE comes out too low. In time that is as it is."""
    if groups is None or folds.way != "random":
        return
    codes = np.unique(groups, return_inverse=True)[1]
    pairs = np.unique(np.column_stack([codes, folds.number]), axis=0)
    if len(pairs) > codes.max() + 1:
        raise DataError(
            "the folds cut groups that the fit declares; make them of the same table, "
            "wb.folds(wb.read(file, group=...))"
        )
