"""Entropy, cross-entropy and KL where the truth is known: by exact sums, or quadrature."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit

from workbench.errors import DataError

type Array = npt.NDArray[np.float64]

TAIL = 1e-18  # probability of either tail that a sum leaves out
MOST_TERMS = 10_000_000
REACH = 3.6  # of the quadrature's nodes: the probabilities beyond are 1e-25
NODES = 801
WHOLE = 1e-6  # what the probability may lack, at an edge without bound
AGREED = 1e-6  # nats, or relative: what half the nodes may find otherwise


@dataclass(frozen=True)
class Known:
    """H(p), CE(p, q) and KL(p || q) = CE - H, in nats.

    `error` is what half the nodes of a quadrature find otherwise, 0 for a sum; of simulated draws
    it is the standard error of KL. KL is computed by itself, from log p - log q. Infinite where q
    gives no chance to what p does.
    """

    entropy: float
    cross_entropy: float
    divergence: float
    error: float


def known_divergence(p: Any, q: Any) -> Known:
    """Of a truth p and a model q, distributions of one number as `scipy.stats` freezes them.

    Discrete ones by their sum until 1e-18 of either tail is left; continuous ones by tanh-sinh
    quadrature over p's quantiles (Takahasi and Mori 1974), which a heavy tail does not disturb; a
    density without bound at an edge costs it some digits, as `error` says. Raises DataError where
    one is discrete and the other is not, and where half the nodes find another value: then the
    integral is not told.
    """
    if distributions(p, q):
        return _summed(p, q)
    return integrated(p, q)


def distributions(p: Any, q: Any) -> bool:
    """Whether both are discrete; DataError where they are no distributions of one number alike."""
    for name, one in (("p", p), ("q", q)):
        scalar = hasattr(one, "ppf") and (hasattr(one, "logpmf") or hasattr(one, "logpdf"))
        if not scalar or np.ndim(one.ppf(0.5)):
            raise DataError(f"{name} is no distribution of one number as scipy.stats freezes them")
        if np.isnan(one.ppf(0.5)):
            raise DataError(f"{name} has parameters that are not valid, or no median")
    discrete = hasattr(p, "pmf")
    if discrete != hasattr(q, "pmf"):
        raise DataError(
            "one distribution is discrete and the other is not: their divergence is infinite, "
            "and their cross-entropy none of densities of one measure"
        )
    return discrete


def integrated(p: Any, q: Any, below: float = 0.0, above: float = 0.0) -> Known:
    """By quadrature over p's quantiles, but for the probabilities `below` and `above`.

    What is left out there is left out of all three, and is the caller's to add.
    """
    whole, half = (np.array(_integrated(p, q, every, below, above)) for every in (1, 2))
    told = np.isfinite(whole) & np.isfinite(half)
    error = float(np.abs(whole[told] - half[told]).max(initial=0.0))
    if not error <= AGREED * max(1.0, np.abs(whole[told]).max(initial=0.0)):
        raise DataError(
            f"the quadrature does not settle: half its nodes differ by {error:.2g} nats; the "
            "expectation does not exist, or the densities bend or rise too sharply for it"
        )
    entropy, cross_entropy, divergence = map(float, whole)
    return Known(entropy, cross_entropy, divergence, error)


def whole_numbers(p: Any) -> Array:
    """All that a discrete distribution reaches, but for `TAIL` at either end."""
    (first, last), middle = p.support(), float(p.ppf(0.5))
    low, high = max(_beyond(p.cdf, middle, -1.0), first), min(_beyond(p.sf, middle, 1.0), last)
    if not high - low < MOST_TERMS:
        raise DataError(f"a sum over more than {MOST_TERMS:,} values is too long")
    return np.arange(np.floor(low), high + 1)


def _summed(p: Any, q: Any) -> Known:
    values = whole_numbers(p)
    log_p, log_q = np.asarray(p.logpmf(values)), np.asarray(q.logpmf(values))
    entropy, cross_entropy, divergence = expected(np.exp(log_p), log_p, log_q)
    return Known(entropy, cross_entropy, divergence, 0.0)


def _beyond(tail: Callable[[float], float], middle: float, reach: float) -> float:
    """A value so far out that nothing but `TAIL` is left; SciPy's quantiles stop at 1e-15."""
    while tail(middle + reach) > TAIL and abs(reach) < MOST_TERMS:
        reach *= 2
    return middle + reach


def quantile_nodes(
    p: Any, every: int = 1, *, below: float = 0.0, above: float = 0.0
) -> tuple[Array, Array]:
    """Values and weights that stand for a continuous distribution p, as `scipy.stats` freezes it.

    Over either half of p's quantiles: u = 1 / (1 + exp(-pi sinh t)) / 2 from its end. So nodes are
    dense in both tails, and at the median, where a density may have a kink or a gap. As rows with
    frequency weights they make a fit the minimiser of KL from p. Only each `every`-th node;
    without the probability `below` and `above`, of either tail.
    """
    t = np.linspace(-REACH, REACH, NODES)[::every]
    bend, inside = np.pi * np.sinh(t), 1 - below - above
    u = 0.5 * inside * expit(bend)
    half = 0.5 * inside * (t[1] - t[0]) * np.pi * np.cosh(t) * expit(bend) * expit(-bend)
    x, weights = np.append(p.ppf(below + u), p.isf(above + u)), np.append(half, half)
    edge = np.isin(x, p.support()) if hasattr(p, "support") else np.zeros(len(x), bool)
    counted = np.isfinite(x) & ~edge  # not where rounding puts the outermost quantiles
    return x[counted], weights[counted]


def _integrated(
    p: Any, q: Any, every: int, below: float, above: float
) -> tuple[float, float, float]:
    x, weights = quantile_nodes(p, every, below=below, above=above)
    return expected(weights, p.logpdf(x), q.logpdf(x), 1 - below - above)


def expected(
    weights: Array, log_p: Array, log_q: Array, total: float = 1.0
) -> tuple[float, float, float]:
    """Of -log p, -log q and log p - log q; nothing counts that has no weight."""
    counted = weights > 0
    w, a, b = weights[counted], log_p[counted], log_q[counted]
    if not abs(w.sum() - total) < WHOLE or np.isnan(b).any():
        raise DataError(
            f"the truth's probability adds up to {w.sum():.6g} where it was looked for, or the "
            "model's density is not a number: known are distributions of one number, of whole "
            "numbers if discrete, with parameters that are valid"
        )
    return float(-w @ a), float(-w @ b), float(w @ (a - b))


def normal_vectors(
    p: tuple[npt.ArrayLike, npt.ArrayLike], q: tuple[npt.ArrayLike, npt.ArrayLike]
) -> Known:
    """Of multivariate normals, each a mean (d,) and a covariance (d, d), in closed form."""
    (mean, truth), (other, model) = (
        (np.asarray(m, float), np.asarray(c, float)) for m, c in (p, q)
    )
    for what, covariance in (("truth", truth), ("model", model)):
        square = covariance.shape == (len(mean), len(mean)) and len(other) == len(mean)
        if not square or np.linalg.eigvalsh(covariance)[0] <= 0:
            raise DataError(
                f"the {what}'s covariance is no positive definite one of {len(mean)} numbers"
            )
    d, apart = len(mean), mean - other
    inverse = np.linalg.inv(model)
    log_ratio = np.linalg.slogdet(model)[1] - np.linalg.slogdet(truth)[1]
    divergence = 0.5 * (np.trace(inverse @ truth) + apart @ inverse @ apart - d + log_ratio)
    entropy = float(stats.multivariate_normal(mean, truth).entropy())
    return Known(entropy, entropy + float(divergence), float(divergence), 0.0)
