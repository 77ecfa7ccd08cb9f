"""Entropy of a sample: of categories from their counts, of a number from nearest neighbours."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import integrate, spatial
from scipy.special import entr, psi, xlogy

from workbench.errors import DataError
from workbench.information.averages import Array


def entropy_plugin(counts: npt.ArrayLike) -> float:
    """Entropy of the observed frequencies, in nats: too low by about (K - 1) / 2n."""
    c = checked_counts(counts)
    return float(entr(c / c.sum()).sum())


def entropy_miller_madow(counts: npt.ArrayLike) -> float:
    """The plug-in entropy with its leading bias taken off; K is the number of categories seen."""
    c = checked_counts(counts)
    return entropy_plugin(c) + (np.count_nonzero(c) - 1) / (2 * c.sum())


def entropy_jackknife(counts: npt.ArrayLike) -> float:
    """n times the plug-in entropy less (n - 1) times its mean with one row left out, in nats.

    Takes off the bias in 1/n exactly, -(K - 1)/2n of K categories, and so needs each of them seen
    (Zahl 1977); its variance is larger than that of Miller and Madow.
    """
    c = checked_counts(counts)
    c, n = c[c > 0], c.sum()
    if n == 1:
        return 0.0
    without = (xlogy(c, c).sum() - xlogy(c, c) + xlogy(c - 1, c - 1)) / (n - 1)
    return float(n * entropy_plugin(c) - (n - 1) * (c / n) @ (math.log(n - 1) - without))


def entropy_grassberger(counts: npt.ArrayLike) -> float:
    """log n - Σ c G(c)/n, with G(c) = ψ(c) + (-1)^c [ψ((c+1)/2) - ψ(c/2)]/2 (Grassberger 2003).

    In nats. G makes E[c G(c)] of a Poisson count as near to λ log λ as a function of single counts
    does: the bias of a category falls exponentially with its count, not as 1/n.
    """
    c = checked_counts(counts)
    c, n = c[c > 0], c.sum()
    sign = np.where(c % 2 == 0, 1.0, -1.0)
    g = psi(c) + sign * (psi((c + 1) / 2) - psi(c / 2)) / 2
    return float(math.log(n) - c @ g / n)


def entropy_chao_shen(counts: npt.ArrayLike) -> float:
    """Frequencies shrunk to the coverage, each term by its chance to be seen (Chao and Shen 2003).

    In nats: -Σ s log s / (1 - (1 - s)^n) with s = Ĉ c/n, and the coverage Ĉ = 1 - f₁/n by Good and
    Turing, 1 - (n-1)/n where all n rows are alone in their category. For many rare categories.
    """
    c = checked_counts(counts)
    c, n = c[c > 0], c.sum()
    singletons = min(np.sum(c == 1), n - 1) if n > 1 else 0
    shares = (1 - singletons / n) * c / n
    with np.errstate(divide="ignore"):  # (1 - s)^n of a share of 1 is 0
        seen = -np.expm1(n * np.log1p(-shares))
    return float((entr(shares) / seen).sum())


def entropy_chao_wang_jost(counts: npt.ArrayLike) -> float:
    """Entropy in nats that also counts what was not seen (Chao, Wang and Jost 2013).

    The usual form of the second term, (1-A)^(1-n) times a difference of two near-equal sums,
    overflows and cancels; that difference is a tail sum, computed here as such.
    """
    c = checked_counts(counts)
    c = c[c > 0]
    n, singletons, doubletons = c.sum(), np.sum(c == 1), np.sum(c == 2)
    seen = float((c / n * (psi(n) - psi(c))).sum())
    if singletons == 0 or (singletons == 1 and doubletons == 0):
        return seen
    if doubletons > 0:
        missing = 2 * doubletons / ((n - 1) * singletons + 2 * doubletons)
    else:
        missing = 2 / ((n - 1) * (singletons - 1) + 2)
    return seen + float(singletons / n * (1 - missing) * _tail_sum(n, missing))


def entropy_nearest_neighbour(x: npt.ArrayLike, k: int = 3) -> float:
    """Differential entropy in nats of a continuous number (Kozachenko and Leonenko).

    It depends on the unit of x. Values that repeat have no density, and are refused.
    """
    points = np.asarray(x, float)
    if not 1 <= k < points.size:
        raise DataError(f"k = {k} neighbours need more than {k} values; there are {points.size}")
    distances = spatial.KDTree(points[:, None]).query(points[:, None], k + 1)[0][:, k]
    if (distances == 0).any():
        raise DataError(f"more than {k} values are equal: rounded values have no density")
    return float(psi(points.size) - psi(k) + np.log(2) + np.log(distances).mean())


def checked_counts(counts: npt.ArrayLike) -> Array:
    """Counts as floats, refused unless they are whole, not negative and not all zero."""
    c = np.asarray(counts, float)
    if c.ndim != 1 or not (np.isfinite(c) & (c >= 0) & (c == np.floor(c))).all() or c.sum() == 0:
        raise DataError("counts must be a list of whole numbers, none below 0 and one above 0")
    return c


@lru_cache(maxsize=4096)
def _tail_sum(n: float, missing: float) -> float:
    """Σ_{j≥0} (1-A)^j / (n+j) = ∫₀¹ t^(n-1) / (1 - (1-A)t) dt, for A = missing.

    With t = exp(-s/n) and s = nA(exp(w) - 1) the integrand is smooth in w at every A and n.
    """
    scale = n * missing

    def integrand(w: float) -> float:
        s = scale * math.expm1(w)
        denominator = scale - n * (1 - missing) * math.expm1(-s / n)
        return math.exp(-s) * (scale + s) / denominator

    end = math.log1p(50 / scale)  # beyond s = 50 the rest is below exp(-50)
    return float(integrate.quad(integrand, 0, end, epsabs=0, epsrel=1e-12, limit=200)[0])
