"""The bootstrap of an estimate: rows, or whole groups, drawn again and fitted again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import ModelError
from workbench.estimate.objective import PRIOR, Loss
from workbench.optimum import Objective
from workbench.resampling import drawn_rows, refitted, stepped

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

WAYS = {"refit": refitted, "one step": stepped}
# Fewer replicates than this share found an optimum: what is left is another distribution.
MOST_FAILED = 0.1
NOTE_EVERY = 100  # replicates

Note = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Estimates on the natural scale for rows drawn again, one row of `params` a replicate.

    `failed` replicates found no optimum and are left out; `way` is "refit" or "one step", the
    approximation by one Newton step.
    """

    params: pd.DataFrame
    failed: int
    way: str
    unit: str  # what was drawn: rows, or the declared groups

    @property
    def bse(self) -> pd.Series:
        """Standard deviation over replicates."""
        return self.params.std(ddof=1)

    def conf_int(self, level: float = 0.95) -> pd.DataFrame:
        """Percentile limits (Efron 1979), columns `lower` and `upper`."""
        tail = (1 - level) / 2
        limits = self.params.quantile([tail, 1 - tail]).T
        return limits.set_axis(["lower", "upper"], axis=1)


def bootstrap(
    fit: "Estimate", replicates: int, way: str, rng: np.random.Generator | None, note: Note
) -> Bootstrap:
    """The estimate's bootstrap; see `Estimate.bootstrap`."""
    if way not in WAYS:
        raise ModelError(f"a bootstrap is by {' or '.join(map(repr, WAYS))}, not {way!r}")
    if replicates < 2:
        raise ModelError(f"a bootstrap needs two replicates or more, not {replicates}")
    if not fit.optimum.verdict.regular:
        raise ModelError(f"no bootstrap: {fit.status}. {fit.optimum.verdict.advice}")
    if fit.bounds is not None and way == "one step":
        raise ModelError(
            "one Newton step knows of no bounds and may lead out of them; use way='refit'"
        )
    rows = fit.problem.rows
    draws = drawn_rows(rows.weights, rows.groups, rng or np.random.default_rng(0))

    def loss(weights: np.ndarray) -> Objective:
        reweighted = replace(fit.problem, rows=replace(rows, weights=weights))
        held = replace(fit.loss, objective=Loss(reweighted, PRIOR[fit.objective]))
        return held if fit.bounds is None else fit.bounds.box(held, fit.problem)

    found = []
    for number, theta in enumerate(
        WAYS[way](loss, fit.theta[fit.moves], islice(draws, replicates)), start=1
    ):
        found.append(theta)
        if number % NOTE_EVERY == 0:
            note(f"bootstrap: {number} of {replicates} replicates")
    arrived = [theta for theta in found if np.isfinite(theta).all()]
    failed = replicates - len(arrived)
    if failed > MOST_FAILED * replicates:
        raise ModelError(
            f"{failed} of {replicates} replicates found no optimum, so the others are a choice of "
            "data that suit the model; use kind='profile', or a smaller model"
        )
    values = [fit.problem.natural(theta) for theta in fit.loss.whole(np.array(arrived))]
    params = pd.DataFrame(values, columns=list(fit.problem.labels))
    return Bootstrap(params, failed, way, "rows" if rows.groups is None else "groups")
