"""Rows left out of a posterior without fitting again: Laplace draws reweighted, PSIS-LOO and WAIC.

Draws of the posterior of all rows, each weighed by one over the likelihood of a row, are draws of
the posterior without it. Pareto smoothing steadies the weights, and its k-hat says whether it could
(Vehtari, Gelman and Gabry 2017; from approximate draws Magnusson et al. 2019).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from workbench import information
from workbench.errors import ModelError
from workbench.estimate import Estimate, Laplace, smoothed
from workbench.evaluation import LEFT_OUT, Evaluation, left_out
from workbench.information import Mean
from workbench.leverage import units_of
from workbench.recorded import clusters_of

DRAWS = 4000  # as many as Laplace takes


@dataclass(frozen=True, eq=False)
class PsisLoo:
    """The training rows under the posterior predictive without each unit (a row, or a group).

    `pointwise` is -log of each row's predictive density without its unit, `training` the same with
    all rows (minus the lppd), `spread` its variance over the posterior, each with its unit's: what
    WAIC adds; all (n,), in nats. `k_hat` is by unit. `monte_carlo` is what the number of draws
    leaves open of `cross_entropy`, in nats per row.
    """

    laplace: Laplace
    units: np.ndarray  # of each row: the place of its unit
    pointwise: np.ndarray
    training: np.ndarray
    spread: np.ndarray
    k_hat: np.ndarray
    monte_carlo: float

    @property
    def cross_entropy(self) -> Mean:
        """CE of rows that the posterior has not seen, nats per row; lower is better."""
        return self._mean(self.pointwise)

    @cached_property
    def evaluation(self) -> Evaluation:
        """The rows with their losses left out, as `wb.compare` takes them."""
        return left_out(self.laplace.fit, self.pointwise, LEFT_OUT)

    @property
    def waic(self) -> Mean:
        """Watanabe's estimate of the same, nats per row: -lppd plus the variance over draws."""
        return self._mean(self.training + self.spread)

    @property
    def p_waic(self) -> float:
        """The effective parameters as WAIC counts them."""
        return float(self.laplace.fit.problem.rows.weights @ self.spread)

    @property
    def p_loo(self) -> float:
        """The effective parameters as leaving out finds them."""
        return float(self.laplace.fit.problem.rows.weights @ (self.pointwise - self.training))

    @property
    def doubtful(self) -> np.ndarray:
        """The places of units whose weights no smoothing makes reliable."""
        return np.flatnonzero(~(self.k_hat < self.laplace.good_k))

    @property
    def advice(self) -> str:
        """What makes the estimate doubtful, and what to do; empty if nothing does."""
        if not self.laplace.usable:
            return self.laplace.advice
        if not len(self.doubtful):
            return ""
        what = "rows" if self.laplace.fit.problem.rows.groups is None else "groups"
        return (
            f"{len(self.doubtful)} of {len(self.k_hat)} {what} have a k-hat of "
            f"{self.laplace.good_k:.2g} or more, up to {self.k_hat.max():.2g}: their weights have "
            "too heavy a tail for the error to be known; use wb.leave_one_out, which fits again "
            "where it must"
        )

    def to_frame(self) -> pd.DataFrame:
        """One row a row: nll (minus lppd), nll_left_out, p_waic, and k_hat of its unit."""
        columns = {
            "nll": self.training,
            "nll_left_out": self.pointwise,
            "p_waic": self.spread,
            "k_hat": self.k_hat[self.units],
        }
        labels = self.laplace.fit.problem.rows.labels
        return pd.DataFrame(columns, index=pd.Index(labels, name="row"))

    def _mean(self, values: np.ndarray) -> Mean:
        problem = self.laplace.fit.problem
        clusters = clusters_of(problem, problem.dataset)
        return information.mean(values, weights=problem.rows.weights, groups=clusters)


def psis_loo(
    fit: Estimate, *, draws: int = DRAWS, rng: np.random.Generator | None = None
) -> PsisLoo:
    """Leave-one-out of a MAP's posterior predictive, by reweighted Laplace draws.

    A group, where one is declared, is left out whole; of a row of frequency weight w one of its w
    rows. It holds `draws` x rows numbers in memory, and some minutes' work for many rows, which
    `leave_one_out` does in seconds.

    rng
        None means a generator seeded with 0.

    Raises ModelError as `Estimate.laplace` does, so for a maximum of the likelihood, and where
    rows are not separate or the posterior has no density at a draw.
    """
    problem = fit.problem
    if not problem.independent:
        raise ModelError(
            f"{problem.name} has no rows to leave out: one row's data change another row's term"
        )
    laplace = fit.laplace(draws, rng=rng)
    if not np.isfinite(laplace.log_weights).all():
        raise ModelError(f"no PSIS-LOO: {laplace.advice}")
    units, times = units_of(problem)
    told = laplace.log_likelihood()  # (S, n)
    together = np.zeros((int(units.max()) + 1, draws))
    np.add.at(together, units, (times * told).T)
    found = [smoothed(laplace.log_weights - one) for one in together]
    without = np.array([weights for weights, _ in found]).T[:, units]  # (S, n), log
    losses = -logsumexp(without + told, axis=0)
    share = problem.rows.weights / problem.rows.weights.sum()
    moved = (np.exp(without) * np.expm1(told + losses)) @ share  # what each draw adds
    posterior = smoothed(laplace.log_weights)[0]
    return PsisLoo(
        laplace=laplace,
        units=units,
        pointwise=losses,
        training=-logsumexp(posterior[:, None] + told, axis=0),
        spread=_covariance(np.exp(posterior), told, together.T[:, units]),
        k_hat=np.array([k_hat for _, k_hat in found]),
        monte_carlo=float(np.sqrt(np.sum(moved**2))),
    )


def _covariance(weights: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Of the columns of (S, n) and (S, n), under weights (S,) that add up to 1."""
    first, second = (values - weights @ values for values in (one, other))
    return np.asarray(weights @ (first * second))
