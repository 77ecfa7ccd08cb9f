"""Known truths put together: hurdles, censored, rounded, given predictors, simulated."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from workbench.errors import DataError
from workbench.information.known import (
    MOST_TERMS,
    TAIL,
    Array,
    Known,
    distributions,
    expected,
    integrated,
    known_divergence,
)

LARGEST_SHARE = 0.1  # of all weights q/p that one draw may have


def hurdle_divergence(p_zero: float, p: Any, q_zero: float, q: Any) -> Known:
    """Of outcomes that are 0 with probability `p_zero` (`q_zero`), else drawn from p (from q).

    p and q are `scipy.stats` distributions of what is not 0, continuous or of counts from 1 on.
    H, CE and KL are with respect to an atom at 0 beside their own measure, and each is that of the
    zeros plus (1 - p_zero) times that of p and q.
    """
    for name, share in (("p_zero", p_zero), ("q_zero", q_zero)):
        if not 0 <= share <= 1:
            raise DataError(f"{name} = {share:g} is no probability")
    if distributions(p, q) and (p.pmf(0) > 0 or q.pmf(0) > 0):
        raise DataError("p and q are of what is not 0: counts that may be 0 have to be truncated")
    zeros = known_divergence(stats.bernoulli(p_zero), stats.bernoulli(q_zero))
    if p_zero == 1:
        return zeros
    return _sum([zeros, known_divergence(p, q)], np.array([1.0, 1 - p_zero]))


def censored_divergence(p: Any, q: Any, lower: float = -math.inf, upper: float = math.inf) -> Known:
    """Of what is observed where a continuous outcome below `lower` or above `upper` shows as it.

    With respect to Lebesgue measure between the limits and an atom at either; the inside by
    quadrature, the atoms by P(Y <= lower) and P(Y > upper). KL is never above that of p from q.
    """
    if distributions(p, q):
        raise DataError("of discrete outcomes the censored are categories: sum them yourself")
    if not lower < upper:
        raise DataError(f"lower = {lower:g} is not below upper = {upper:g}")
    below, above = float(p.cdf(lower)), float(p.sf(upper))
    logs = np.array([[p.logcdf(lower), p.logsf(upper)], [q.logcdf(lower), q.logsf(upper)]])
    parts = [Known(*expected(np.array([below, above]), logs[0], logs[1], below + above), error=0.0)]
    if below + above < 1:
        parts.append(integrated(p, q, below, above))
    return _sum(parts, np.ones(len(parts)))


def rounded_divergence(p: Any, q: Any, width: float) -> Known:
    """Of continuous outcomes rounded to multiples of `width`, as probabilities of the cells.

    A cell is of all values nearer to its multiple than to another. H is about h - log(width), with
    h the differential entropy; KL is never above that of p from q. Summed until 1e-18 of either
    tail is left.
    """
    if distributions(p, q) or not (width > 0 and math.isfinite(width)):
        raise DataError("continuous distributions are rounded, to multiples of a width above 0")
    first, last = (_cell(p, width, tail) for tail in (p.ppf, p.isf))
    if not last - first < MOST_TERMS:
        raise DataError(f"more than {MOST_TERMS:,} cells of width {width:g} are too many to add up")
    edges = (np.arange(first, last + 2) - 0.5) * width
    log_p, log_q = _log_cells(p, edges), _log_cells(q, edges)
    return Known(*expected(np.exp(log_p), log_p, log_q), error=0.0)


def conditional_divergence(
    pairs: Iterable[tuple[Any, Any]], weights: npt.ArrayLike | None = None
) -> Known:
    """H(y|x), CE and KL averaged over predictors: one pair (p, q) for each x, or their `Known`.

    `weights` are the probabilities of the x, as of a quadrature over x; else each counts alike,
    as rows of a sample do (`information.mean` of their KL has its standard error over x). Each
    pair by `known_divergence`, unless it is a `Known` already.
    """
    each = [pair if isinstance(pair, Known) else known_divergence(*pair) for pair in pairs]
    w = np.full(len(each), 1.0) if weights is None else np.asarray(weights, float)
    if not each or w.shape != (len(each),) or not (np.isfinite(w) & (w >= 0)).all() or not w.sum():
        raise DataError(f"{len(each)} pairs need as many weights, not below 0 and not all 0")
    return _sum(each, w / w.sum())


def monte_carlo_divergence(
    log_p: npt.ArrayLike, log_q: npt.ArrayLike, *, model_mass: float | None = None
) -> Known:
    """Of draws from p, by their log densities under p and under q, each (S,); `error` is a SE.

    The mean of log p - log q or, with r = q/p as a control variate, of log p - log q + r - 1, less
    what that adds: Q(supp p) - 1, where `model_mass` = Q(supp p) is known exactly (1 where q lives
    on p's support). The variance of r may be infinite, so the control is only used where it
    makes the sample's spread smaller and no draw has more than a tenth of all r.
    """
    a, b = np.asarray(log_p, float), np.asarray(log_q, float)
    if a.ndim != 1 or a.shape != b.shape or a.size < 2 or not np.isfinite(a).all():
        raise DataError("draws from p need two log densities each, finite under p")
    if model_mass is not None and not 0 <= model_mass <= 1:
        raise DataError(f"model_mass = {model_mass:g} is no probability")
    if np.isnan(b).any() or np.isposinf(b).any():
        raise DataError("the log densities under q are NaN or infinite")
    local = a - b
    with np.errstate(over="ignore", invalid="ignore"):
        ratio = np.exp(-local)
        controlled = local + ratio - 1
        if model_mass is not None and _helps(controlled, local, ratio):
            local = controlled - (model_mass - 1)
        spread = float(np.std(local, ddof=1))
    divergence = float(local.mean())
    return Known(float(-a.mean()), float(-b.mean()), divergence, spread / math.sqrt(a.size))


def _helps(controlled: Array, local: Array, ratio: Array) -> bool:
    return bool(
        np.std(controlled) < np.std(local) and ratio.max() < LARGEST_SHARE * ratio.sum()
    )  # of infinite ones neither is


def _sum(parts: list[Known], weights: Array) -> Known:
    """Nothing counts that has no weight, be it infinite."""
    some = weights > 0
    columns = np.array(
        [(one.entropy, one.cross_entropy, one.divergence, one.error) for one in parts]
    )
    return Known(*map(float, weights[some] @ columns[some]))


def _cell(p: Any, width: float, quantile: Any) -> float:
    """The multiple that the outermost values are rounded to."""
    return float(np.round(quantile(TAIL) / width))


def _log_cells(of: Any, edges: Array) -> Array:
    """log P(cell), as a difference in the tail where it loses fewer digits."""
    upper = edges[:-1] >= of.ppf(0.5)
    far = np.where(upper, of.logsf(edges[:-1]), of.logcdf(edges[1:]))
    near = np.where(upper, of.logsf(edges[1:]), of.logcdf(edges[:-1]))
    some = far > near  # else nothing is left, be it of what had underflowed
    gap = np.subtract(near, far, out=np.zeros(far.shape), where=some)
    with np.errstate(divide="ignore"):
        return np.asarray(far + np.where(some, np.log(-np.expm1(gap)), -np.inf))
