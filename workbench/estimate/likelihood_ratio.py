"""Two nested fits compared, and the likelihood ratio's null distribution by simulation."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import ModelError
from workbench.estimate.bounds import entered
from workbench.estimate.objective import model_starts
from workbench.optimum import Optimum, Status, find, point
from workbench.problem import Problem, same_rows

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

# Nats that a search towards a limit (a dispersion at infinity, a variance at zero) leaves.
SHORT = 1e-3
# Verdicts whose value is the likelihood's largest, though a parameter may not be told.
SETTLED = (Status.IRREGULAR, Status.NOT_IDENTIFIED, Status.RUNNING_AWAY)
# Fewer replicates than this share were fitted: what is left is another distribution.
MOST_FAILED = 0.1


@dataclass(frozen=True, eq=False)
class SimulatedTest:
    """A likelihood ratio among those of outcomes simulated from the restricted fit.

    `null` holds the statistics of the replicates (b,), `failed` counts those that could not be
    fitted and are left out.
    """

    kind: str
    hypothesis: str
    statistic: float
    null: np.ndarray
    failed: int

    @property
    def replicates(self) -> int:
        return len(self.null)

    @property
    def p_value(self) -> float:
        """(1 + those at least as large) / (1 + all) (Davison and Hinkley 1997, 4.11)."""
        larger = np.count_nonzero(self.null >= self.statistic - 2 * SHORT)  # a tie, for a search
        return float((1 + larger) / (1 + self.replicates))

    def __str__(self) -> str:
        failed = f" ({self.failed} more could not be fitted)" if self.failed else ""
        return (
            f"{self.kind} test of {self.hypothesis}: {self.statistic:.4g} among those of "
            f"{self.replicates} data sets simulated from the restricted fit{failed}, "
            f"p = {self.p_value:.3g}"
        )


def simulated_test(
    restricted: "Estimate", free: "Estimate", replicates: int, rng: np.random.Generator
) -> SimulatedTest:
    """The likelihood-ratio test by parametric bootstrap; see `likelihood_ratio_test`."""
    if replicates < 1:
        raise ModelError(f"a simulated null needs one replicate or more, not {replicates}")
    require_comparable(restricted, free)
    if not restricted.optimum.verdict.determined:
        raise ModelError(
            f"no null can be simulated: the restricted fit is {restricted.status}. "
            f"{restricted.optimum.verdict.advice}"
        )
    if not _settled(free.optimum):
        raise ModelError(f"the free fit has no maximum: {free.status}")
    statistic = 2 * nested_gain(restricted, free, SHORT)
    rows = [fit.problem.unweighted() for fit in (restricted, free)]
    null = []
    for _ in range(replicates):
        outcomes = rows[0].simulate(restricted.theta, rng)
        smaller, larger = (
            _again(fit, problem.with_outcomes(outcomes))
            for fit, problem in zip((restricted, free), rows, strict=True)
        )
        gain = smaller.value - larger.value
        if _settled(smaller) and _settled(larger) and gain > -SHORT:
            null.append(2 * max(gain, 0.0))
    failed = replicates - len(null)
    if failed > MOST_FAILED * replicates:
        raise ModelError(
            f"{failed} of {replicates} data sets simulated from the restricted fit could not be "
            "fitted, so the others are no null distribution; simplify the free model"
        )
    return SimulatedTest(
        "likelihood-ratio", pair(restricted, free), statistic, np.array(null), failed
    )


def _again(fit: "Estimate", problem: Problem) -> Optimum:
    """The same parameters, within their bounds, fitted to other outcomes.

    From the estimate and the model's own starts: an estimate at a boundary is none alone, as the
    likelihood is flat there.
    """
    objective = fit.on(problem)
    starts = {"estimate": fit.theta} | model_starts(problem)
    begins = {name: entered(objective, theta[fit.moves]) for name, theta in starts.items()}
    points = {name: point(objective, theta) for name, theta in begins.items()}
    labels = fit.loss.named(problem.theta_labels)
    return find(objective, points, labels, problem.rows.weights.sum())


def _settled(optimum: Optimum) -> bool:
    verdict = optimum.verdict
    return verdict.determined or (verdict.bounded and verdict.status in SETTLED)


def pair(restricted: "Estimate", free: "Estimate") -> str:
    """The two by name, and by what is held where the name is the same."""
    return " within ".join(
        f"{fit.problem.name} with {', '.join(fit.held)} held" if fit.held else fit.problem.name
        for fit in (restricted, free)
    )


def nested_gain(restricted: "Estimate", free: "Estimate", slack: float) -> float:
    """The log-likelihood that the free fit gains, in nats; `slack` is what searches leave.

    Raises ModelError where the order of the two, or nesting, cannot be what was meant.
    """
    gain = free.llf - restricted.llf
    if free.k <= restricted.k:
        raise ModelError(
            f"the restricted fit has {restricted.k} free parameters and the free one {free.k}; "
            "pass the smaller model first"
        )
    if gain < -slack:
        raise ModelError(
            f"the restricted fit lies {-gain:.3g} nats above the free one, so it is not nested "
            "in it, or the free fit is not at its maximum"
        )
    return max(gain, 0.0)


def require_comparable(restricted: "Estimate", free: "Estimate") -> None:
    """Raise ModelError for fits whose likelihoods have no ratio."""
    for fit in (restricted, free):
        if fit.objective != "likelihood":
            raise ModelError("a likelihood ratio is of maximum-likelihood fits, and one is a MAP")
        if fit.problem.rows.groups is not None:
            raise ModelError(
                "a likelihood ratio takes rows for independent, and these belong to groups; use "
                "fit.wald_test(...), with errors by group"
            )
        if not np.isfinite(fit.llf):
            raise ModelError(f"{fit.problem.name} has no finite maximum: {fit.status}")
    if not same_rows(restricted.problem.rows, free.problem.rows):
        raise ModelError("the fits stand on different rows, so their likelihoods have no ratio")
