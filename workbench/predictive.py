"""Held-out rows under a fit that knows it is uncertain: densities averaged over Laplace draws.

A plug-in density q(y | theta-hat) takes the estimate for the truth. The predictive one averages
q(y | theta) over what the training rows leave open of theta. Where there are few rows a parameter
it loses less on new rows; where there are many the two agree to a second order.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import logsumexp

from workbench.errors import DataError, ModelError
from workbench.estimate import Estimate, normal_draws
from workbench.evaluation import Evaluation, evaluate
from workbench.information import Mean

DRAWS = 400
FEWEST = 100  # draws; of fewer the average of densities is noise
# Parameters a training row, beyond which plug-in and predictive differ by what can be seen.
WORTH = 0.02


@dataclass(frozen=True, eq=False)
class Predictive:
    """The same rows under the plug-in density, and under its average over draws of theta.

    `pointwise` is -log of the mean density of each row over the draws, `average` the mean of
    -log of its density, both (m,), in nats. `monte_carlo` is what the number of draws leaves
    open of `cross_entropy`, in nats per row: the root mean square of its spread from seed to seed
    and of its bias.
    """

    plug_in: Evaluation
    pointwise: np.ndarray
    average: np.ndarray
    draws: int
    monte_carlo: float
    label: str  # whose density is averaged

    @property
    def cross_entropy(self) -> Mean:
        """CE of the predictive density, nats per row; lower is better."""
        return self._mean(self.pointwise)

    @property
    def gain(self) -> Mean:
        """CE plug-in less CE predictive, paired, nats per row: above zero, averaging helps."""
        return self._mean(self.plug_in.pointwise - self.pointwise)

    @property
    def average_cross_entropy(self) -> Mean:
        """The mean CE of the draws, never below the predictive one (Jensen), nats per row.

        It is what a single draw from the posterior (Gibbs) loses.
        """
        return self._mean(self.average)

    def _mean(self, values: np.ndarray) -> Mean:
        return self.plug_in.mean(values)


def predictive_cross_entropy(
    fit: Estimate,
    data: xr.Dataset,
    *,
    draws: int = DRAWS,
    rng: np.random.Generator | None = None,
) -> Predictive:
    """Cross-entropy on the rows of `data`, plug-in and Laplace-predictive.

    A maximum of the likelihood is drawn from Normal(theta-hat, H^-1), H the observed information
    on the unconstrained scale; a MAP as `Estimate.laplace` does, around the mode of the density of
    theta. Both take training rows for independent given theta, in groups too.

    rng
        None means a generator seeded with 0.

    Raises ModelError without a regular optimum, within bounds, and as `Estimate.laplace`;
    DataError for fewer than a hundred draws, and for rows that do not fit the declaration.
    """
    if draws < FEWEST:
        raise DataError(f"an average over draws takes {FEWEST} of them or more, not {draws}")
    thetas, label = _drawn(fit, draws, rng)
    plug_in = evaluate(fit, data)
    told = np.array([-plug_in.losses(theta) for theta in thetas])  # (S, m)
    log_mean = logsumexp(told, axis=0) - np.log(draws)
    share = plug_in.weights / plug_in.weights.sum()
    with np.errstate(invalid="ignore"):  # a row to which no draw gives any density
        relative = np.exp(told - log_mean)
    spread = (relative @ share).std(ddof=1) / np.sqrt(draws)
    bias = share @ relative.var(axis=0, ddof=1) / (2 * draws)
    return Predictive(
        plug_in=plug_in,
        pointwise=-log_mean,
        average=-told.mean(axis=0),
        draws=draws,
        monte_carlo=float(np.hypot(spread, bias)),
        label=label,
    )


def _drawn(fit: Estimate, draws: int, rng: np.random.Generator | None) -> tuple[np.ndarray, str]:
    """Draws of theta (S, k), and around what."""
    if fit.objective == "joint":
        return fit.laplace(draws, rng=rng).thetas, "Laplace-predictive, of the posterior"
    if not fit.optimum.verdict.regular:
        raise ModelError(f"no predictive density: {fit.status}. {fit.optimum.verdict.advice}")
    if fit.bounds is not None:
        raise ModelError(
            f"no predictive density within bounds ({fit.bounds.said}): a normal knows of none; "
            "fit without them"
        )
    free = fit.point
    drawn, _ = normal_draws(free.theta, free.information, draws, rng)
    return fit.loss.whole(drawn), "Laplace-predictive, around the maximum of the likelihood"
