"""Whether simulator and likelihood are one model: at the simulated parameters the score is zero."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import LinAlgError, cho_solve, cholesky

from workbench.errors import ImpossibleOutcomeError, ModelError
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

# Of a false alarm: a wrong formula is seen at many standard errors, so little power is given away.
LEVEL = 1e-3
FEWEST = 10  # replicates beyond one a parameter, for the scores' covariance


@dataclass(frozen=True, eq=False)
class ConsistencyTest:
    """Hotelling's test that simulated outcomes give the likelihood's score a mean of zero.

    `statistic` is m s' C^-1 s of the mean s and the covariance C of the m replicates' scores.
    `parameters` tells the mean score of each coordinate of theta (nats per unit of it), its
    standard error over replicates, their ratio z, and Student's p-value of that one alone.
    """

    statistic: float
    df: int  # coordinates of theta that the likelihood reads
    replicates: int
    parameters: pd.DataFrame

    @property
    def p_value(self) -> float:
        """By the F distribution on `df` and m - df degrees of freedom (Hotelling 1931)."""
        m, k = self.replicates, self.df
        return float(stats.f.sf(self.statistic * (m - k) / (k * (m - 1)), k, m - k))

    @property
    def agrees(self) -> bool:
        """Whether such a score is nothing unusual: one false alarm in a thousand tests."""
        return self.p_value > LEVEL

    @property
    def off(self) -> list[str]:
        """Coordinates whose mean score alone is beyond chance (Bonferroni), worst first."""
        if self.agrees:
            return []
        worst = self.parameters.sort_values("z", key=np.abs, ascending=False)
        alone = worst.index[worst["p_value"] < LEVEL / self.df]
        return list(alone if len(alone) else worst.index[:1])

    def __str__(self) -> str:
        measured = (
            f"Hotelling's T2 {self.statistic:.4g} on {self.df} "
            f"parameter{'s' * (self.df > 1)} from {self.replicates} replicates, "
            f"p = {self.p_value:.3g}"
        )
        if self.agrees:
            return (
                "the simulator and the likelihood agree: over simulated outcomes the mean score "
                f"is zero to within its error ({measured})"
            )
        said = ", ".join(f"{label} by {self.parameters['z'][label]:+.1f}" for label in self.off)
        return (
            "the simulator and the likelihood do not match: over simulated outcomes the mean "
            f"score is not zero; off is, in standard errors, {said} ({measured})"
        )


def consistency_test(
    fit: "Estimate", replicates: int, rng: np.random.Generator | None
) -> ConsistencyTest:
    """The test at the estimate; see `Estimate.consistency_test`."""
    if not fit.optimum.verdict.determined:
        raise ModelError(
            f"no consistency test: {fit.status}. Only inside the parameter space, on a support "
            "that does not move with the parameters, is the score's mean known to be zero"
        )
    if replicates < fit.k + FEWEST:
        raise ModelError(
            f"a consistency test of {fit.k} parameters needs {fit.k + FEWEST} replicates or more, "
            f"not {replicates}"
        )
    scores = _scores(fit, replicates, rng or np.random.default_rng(0))
    labels = fit.loss.named(fit.problem.theta_labels)
    mean, spread = scores.mean(axis=0), scores.std(axis=0, ddof=1)
    read = (scores != 0).any(axis=0)  # the likelihood may not know a prior's own parameters
    still = read & (np.ptp(scores, axis=0) == 0)  # of equal values the spread may be rounding
    if still.any() or not read.any():
        label = labels[int(np.argmax(still))]
        raise ModelError(
            f"no consistency test: the score of {label} is the same for all simulated outcomes, "
            "so these do not vary with chance, or the likelihood does not vary with them"
        )
    with np.errstate(invalid="ignore"):  # zero over zero, where there is nothing to test
        z = mean / (spread / np.sqrt(replicates))
    columns = {
        "score": mean,
        "se": spread / np.sqrt(replicates),
        "z": z,
        "p_value": 2 * stats.t.sf(np.abs(z), replicates - 1),
    }
    statistic = _hotelling(z[read], np.atleast_2d(np.corrcoef(scores[:, read], rowvar=False)))
    return ConsistencyTest(statistic, int(read.sum()), replicates, pd.DataFrame(columns, labels))


def _hotelling(z: np.ndarray, correlation: np.ndarray) -> float:
    try:
        factor = cholesky(correlation, lower=True)
    except LinAlgError as reason:
        raise ModelError(
            "no consistency test: the scores of simulated outcomes move together, in fewer "
            "directions than there are parameters"
        ) from reason
    return float(z @ cho_solve((factor, True), z))


def _scores(fit: "Estimate", replicates: int, rng: np.random.Generator) -> np.ndarray:
    """The likelihood's score at the estimate for each replicate's outcomes, (m, k)."""
    scores = []
    for _ in range(replicates):
        simulated = fit.problem.with_outcomes(fit.problem.simulate(fit.theta, rng))
        value, gradient = simulated.value_and_gradient(fit.theta)
        if not np.isfinite(value) or not np.isfinite(gradient).all():
            why = _not_finite(simulated, fit.theta)
            raise ImpossibleOutcomeError(f"no consistency test: {why}")
        scores.append(-gradient[fit.moves])
    return np.array(scores)


def _not_finite(simulated: Problem, theta: np.ndarray) -> str:
    terms, rows = simulated.pointwise(theta), simulated.rows
    impossible = np.flatnonzero(~np.isfinite(terms))
    if not len(impossible) or len(terms) != rows.count:
        return "the score of simulated outcomes is not finite, so it has no mean to be tested"
    row = impossible[0]
    return (
        f"the simulator drew {rows.observed[row]} at row {rows.labels[row]}, where the "
        f"log-likelihood is {terms[row]:g}: the two do not match, or the draw was rounded to an "
        "end of the support"
    )
