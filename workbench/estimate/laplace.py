"""Laplace's approximation of a posterior: normal draws around its mode on the unconstrained scale.

How good the normal is, importance weights tell: Pareto k-hat (Vehtari et al. 2024).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from scipy.linalg import solve_triangular

from workbench import uncertainty
from workbench.errors import ModelError
from workbench.estimate.objective import PRIOR, Loss, released
from workbench.optimum import Held, Optimum, Status, find, point

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

# As many as four chains of a thousand. Of one thousand, k-hat varies by 0.2 from seed to seed.
DRAWS = 4000
FEWEST = 100  # of fewer, the tail that k-hat is told from has less than twenty
HIGHEST = 0.7  # k-hat beyond which no feasible number of draws makes the weights reliable
EVEN = 1e-6  # nats: weights so near to each other correct nothing, and their tail is rounding
IMPROPER = ("Flat(", "HalfFlat(")


@dataclass(frozen=True)
class LogJoint(Loss):
    """Minus the log density of theta: the loss of a MAP, less the log Jacobian; nats."""

    def values(self, thetas: np.ndarray) -> np.ndarray:
        return np.asarray(super().values(thetas) - self.problem.log_jacobians(thetas))

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = super().value_and_gradient(theta)
        part, slope, _ = self.problem.log_jacobian_derivatives(theta)
        return value - part, gradient - slope

    def hessian_product(self, theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
        curvature = self.problem.log_jacobian_derivatives(theta)[2]
        return np.asarray(super().hessian_product(theta, direction) - curvature @ direction)

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = super().derivatives(theta)
        part, slope, curvature = self.problem.log_jacobian_derivatives(theta)
        return value - part, gradient - slope, hessian - curvature


@dataclass(frozen=True, eq=False)
class Laplace:
    """Draws of theta from Normal(mode, H^-1), and how far they are from draws of the posterior.

    The mode is that of the density of theta: likelihood times prior times the Jacobian of the
    transforms. It is not the MAP, which is the mode of the density of the natural values: where a
    parameter is transformed, the two lie apart. H is the Hessian of minus the log density at the
    mode. The likelihood counts as declared: rows are independent given the parameters.
    """

    fit: "Estimate"  # the MAP
    optimum: Optimum  # the mode of the density of theta
    thetas: np.ndarray  # (draws, k), unconstrained
    log_p: np.ndarray  # log density of theta at each draw, not normalised, nats
    log_q: np.ndarray  # the normal's log density there, nats

    @property
    def mode(self) -> pd.Series:
        """The natural values at the mode of the density of theta; these are not the MAP."""
        labels = list(self.fit.problem.labels)
        return pd.Series(self.fit.problem.natural(self.optimum.theta), index=labels)

    @cached_property
    def draws(self) -> pd.DataFrame:
        """The draws as natural values, one row a draw, labelled as `Estimate.params`."""
        values = [self.fit.problem.natural(theta) for theta in self.thetas]
        return pd.DataFrame(values, columns=list(self.fit.problem.labels))

    @property
    def theta_covariance(self) -> np.ndarray:
        """H^-1, (k, k), unconstrained; zero for coordinates that were held."""
        covariance, moves = np.zeros_like(self.optimum.information), self.fit.moves
        free = np.ix_(moves, moves)
        covariance[free] = uncertainty.inverse(self.optimum.information[free])
        return covariance

    @property
    def log_weights(self) -> np.ndarray:
        """Importance log-weights of the draws, log p - log q; their mean weight is the evidence."""
        return np.asarray(self.log_p - self.log_q)

    @cached_property
    def k_hat(self) -> float:
        """Pareto k-hat of the weights' tail: the lower, the nearer the normal is to the posterior.

        -inf where all weights are equal, the normal being exact; NaN where a draw has no density.
        It sees only where the draws go: of another mode, which they never reach, it says nothing.
        """
        if not np.isfinite(self.log_weights).all():
            return float("nan")
        return smoothed(self.log_weights)[1]

    @property
    def good_k(self) -> float:
        """What k-hat must stay below with so many draws: min(1 - 1 / log10 S, 0.7)."""
        return min(1 - 1 / float(np.log10(len(self.thetas))), HIGHEST)

    @property
    def usable(self) -> bool:
        """Whether k-hat says that the draws stand for the posterior."""
        return self.k_hat < self.good_k

    @property
    def advice(self) -> str:
        """What k-hat says, in words."""
        worse = "The normal approximation is not good enough"
        if np.isnan(self.k_hat):
            lost = int((~np.isfinite(self.log_weights)).sum())
            return (
                f"k-hat cannot be told: the posterior has no finite density at {lost} of "
                f"{len(self.thetas)} draws. {worse}; sample the posterior, with pm.sample"
            )
        if self.usable:
            return f"k-hat {self.k_hat:.2g} is below {self.good_k:.2g}: the draws are usable"
        return (
            f"k-hat {self.k_hat:.2g} is not below {self.good_k:.2g}. {worse}: on the "
            "unconstrained scale the posterior is skewed, or has heavier tails than a normal; "
            "sample it, with pm.sample"
        )

    @property
    def log_evidence(self) -> float:
        """Laplace's log p(data) in nats: log p(mode) + k/2 log 2 pi - 1/2 log det H.

        Raises ModelError for an improper prior, and for parameters held at a value.
        """
        improper = [one.name for one in self.fit.problem.parameters
                    if one.prior.startswith(IMPROPER)]  # fmt: skip
        if improper:
            raise ModelError(
                f"the prior of '{improper[0]}' is improper, so the evidence is known to no "
                "constant; give it a proper one"
            )
        if self.fit.free is not None:
            raise ModelError("parameters are held, so this is no evidence of the declared model")
        return -self.optimum.value - _log_peak(self.optimum.information)

    def log_likelihood(self) -> np.ndarray:
        """Log-likelihood of each row at each draw, unweighted, (draws, n), nats."""
        return np.array([self.fit.problem.pointwise(theta) for theta in self.thetas])

    def summary(self) -> str:
        """The draws' mean, standard deviation and 95 % range, under what k-hat says of them."""
        table = self.draws.agg(["mean", "std"]).T.rename(columns={"std": "sd"})
        table[["2.5 %", "97.5 %"]] = self.draws.quantile([0.025, 0.975]).T.to_numpy()
        verdict = self.optimum.verdict
        lines = [
            f"Laplace approximation of {self.fit.problem.name}: {len(self.thetas)} draws, "
            f"around {verdict.status}",
            self.advice,
            *([verdict.advice] if verdict.advice else []),
            "",
            table.to_string(float_format="%.5g"),
        ]
        return "\n".join(lines)


def laplace(fit: "Estimate", draws: int, rng: np.random.Generator | None) -> Laplace:
    """The Laplace approximation around a MAP's declaration; see `Estimate.laplace`."""
    if fit.objective != "joint":
        raise ModelError(
            "Laplace draws are of a posterior, and this is a maximum of the likelihood; use "
            "wb.maximum_a_posteriori(problem)"
        )
    if fit.bounds is not None:
        raise ModelError(
            f"no Laplace draws within bounds ({fit.bounds.said}): a normal knows of none; declare "
            "the bounds in the prior, or fit without them"
        )
    if draws < FEWEST:
        raise ModelError(f"a Laplace approximation takes {FEWEST} draws or more, not {draws}")
    if fit.optimum.verdict.status is Status.KINK:
        raise ModelError(
            "no Laplace draws: the posterior's mode stands on a kink, and a normal has none; "
            "sample the posterior, with pm.sample"
        )
    density = Held(LogJoint(fit.problem, PRIOR["joint"]), fit.theta, fit.moves)
    found = _mode(fit, density)
    if not found.verdict.regular:
        raise ModelError(
            f"no Laplace draws: on the unconstrained scale the mode is {found.verdict.status}. "
            f"{found.verdict.advice}"
        )
    drawn, log_q = normal_draws(found.theta, found.information, draws, rng)
    thetas = density.whole(drawn)
    return Laplace(fit, released(found, density), thetas, -density.objective.values(thetas), log_q)


def smoothed(log_weights: np.ndarray) -> tuple[np.ndarray, float]:
    """Importance log-weights (S,) with their tail as a Pareto's, adding up to 1, and its k-hat.

    Where all weights are equal there is no tail: k-hat is -inf.
    """
    if np.ptp(log_weights) < EVEN:
        return np.full(len(log_weights), -np.log(len(log_weights))), float("-inf")
    weights, k_hat = array_stats.psislw(-log_weights)  # it takes their negatives
    return np.asarray(weights), float(k_hat)


def normal_draws(
    mean: np.ndarray, precision: np.ndarray, draws: int, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Draws (S, k) from the normal of this mean and inverse covariance; its log density there."""
    deviates = (rng or np.random.default_rng(0)).standard_normal((len(mean), draws))
    factor = np.linalg.cholesky(precision)
    log_q = _log_peak(precision) - 0.5 * np.sum(deviates**2, axis=0)
    return mean + solve_triangular(factor.T, deviates).T, log_q


def _mode(fit: "Estimate", density: Held) -> Optimum:
    """The mode of the density of theta, searched from the MAP and from where its searches began."""
    begins = {"the MAP": fit.theta} | {one.name: one.begin for one in fit.optimum.starts}
    starts = {name: point(density, theta[fit.moves]) for name, theta in begins.items()}
    return find(density, starts, density.named(fit.problem.theta_labels), fit.nobs)


def _log_peak(information: np.ndarray) -> float:
    """Log density of a normal at its mean, by its precision (k, k)."""
    determinant = float(np.linalg.slogdet(information)[1])
    return 0.5 * (determinant - len(information) * float(np.log(2 * np.pi)))
