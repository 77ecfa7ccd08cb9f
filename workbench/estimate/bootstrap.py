"""The bootstrap of an estimate: rows, groups or outcomes drawn again, and fitted again."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import ModelError
from workbench.optimum import Objective
from workbench.resampling import drawn_rows, refitted, stepped

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

WAYS = {"refit": refitted, "one step": stepped, "parametric": refitted}
# Fewer replicates than this share found an optimum: what is left is another distribution.
MOST_FAILED = 0.1
NOTE_EVERY = 100  # replicates

Note = Callable[[str], None]


def on_terminal(message: str) -> None:
    """Progress where somebody is looking: a line that the next one overwrites."""
    if sys.stderr.isatty():
        print(message, end="\r", file=sys.stderr, flush=True)


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Estimates on the natural scale for data drawn again, one row of `params` a replicate.

    `failed` replicates found no optimum and are left out; `way` is "refit", "one step", the
    approximation by one Newton step, or "parametric".
    """

    params: pd.DataFrame
    failed: int
    way: str
    unit: str  # what was drawn: rows, the declared groups, or outcomes

    @property
    def bse(self) -> pd.Series:
        """Standard deviation over replicates; zero for what was held, not rounding."""
        moves = self.params.min() != self.params.max()
        return self.params.std(ddof=1).where(moves, 0.0)

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
        raise ModelError(f"a bootstrap is by {_listed()}, not {way!r}")
    if replicates < 2:
        raise ModelError(f"a bootstrap needs two replicates or more, not {replicates}")
    if not fit.optimum.verdict.determined:
        raise ModelError(f"no bootstrap: {fit.status}. {fit.optimum.verdict.advice}")
    if fit.bounds is not None and way == "one step":
        raise ModelError(
            "one Newton step knows of no bounds and may lead out of them; use way='refit'"
        )
    if fit.problem.kinked and way == "one step":
        raise ModelError(
            f"one Newton step knows of no kinks, and the {fit.loss.name} has some; use way='refit'"
        )
    rng = rng or np.random.default_rng(0)
    if way == "parametric":
        losses, unit = _simulated(fit, rng), "outcomes simulated from the fitted model"
    else:
        losses = _reweighted(fit, rng)
        unit = "rows" if fit.problem.rows.groups is None else "groups"
    found = []
    for number, theta in enumerate(
        WAYS[way](islice(losses, replicates), fit.point, fit.nobs), start=1
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
    return Bootstrap(params, failed, way, unit)


def _reweighted(fit: "Estimate", rng: np.random.Generator) -> Iterator[Objective]:
    """What was minimised, on rows or groups drawn with replacement; without end."""
    rows = fit.problem.rows
    for weights in drawn_rows(rows.weights, rows.groups, rng):
        yield fit.on(fit.problem.redrawn(weights))


def _simulated(fit: "Estimate", rng: np.random.Generator) -> Iterator[Objective]:
    """What was minimised, on outcomes drawn from the model at the estimate; without end."""
    if fit.problem.rows.groups is not None:
        raise ModelError(
            "no parametric bootstrap: the rows belong to groups, and the model knows of no "
            "dependence within them, so its draws would have none; way='refit' draws whole groups"
        )
    problem = fit.problem.unweighted()
    while True:
        yield fit.on(problem.with_outcomes(problem.simulate(fit.theta, rng)))


def _listed() -> str:
    *first, last = map(repr, WAYS)
    return f"{', '.join(first)} or {last}"
