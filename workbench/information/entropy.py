"""Entropy of a sample: of categories from their counts, of a number from nearest neighbours."""

import math

import numpy as np
import numpy.typing as npt
from scipy import integrate, spatial
from scipy.special import entr, psi

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
