"""The continuous ranked probability score: beside the log score, in the outcome's own unit."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from workbench.errors import DataError
from workbench.information.averages import Array
from workbench.information.known import MOST_TERMS, whole_numbers

REACH, NODES = 3.6, 201


def crps(distribution: Any, y: npt.ArrayLike) -> Array:
    """∫ (F(x) - 1{x >= y})² dx of each outcome, in its unit: lower is better, 0 a sure hit.

    Strictly proper, as the log score is; it does not change with y's distribution far from y, nor
    is it invariant under transformations, and so may rank models otherwise (tails count less). Of
    one distribution of `scipy.stats` with a mean: continuous, by tanh-sinh quadrature of
    2 ∫ (1{y <= F⁻¹(u)} - u)(F⁻¹(u) - y) du on either side of y, or of whole numbers, by the sum.
    """
    values = np.asarray(y, float)
    if not hasattr(distribution, "ppf") or np.ndim(distribution.ppf(0.5)):
        raise DataError("one distribution of one number, as scipy.stats freezes it, has a score")
    if not np.isfinite(distribution.mean()) or not np.isfinite(values).all():
        raise DataError("the score needs a finite expected value, and outcomes that are finite")
    if hasattr(distribution, "pmf"):
        return _summed(distribution, values)
    t = np.linspace(-REACH, REACH, NODES)
    bend = np.pi * np.sinh(t)
    share, weight = expit(bend), (t[1] - t[0]) * np.pi * np.cosh(t) * expit(bend) * expit(-bend)
    rest, at = expit(-bend), values[..., None]
    below, above = distribution.cdf(at), distribution.sf(at)
    u, v = below * share, above * share  # of probability below and above the outcome
    lower = _quantile(distribution, u, above + below * rest)
    upper = _quantile(distribution, below + above * rest, v)
    left = np.where(u > 0, u * (at - lower), 0) @ weight * below[..., 0]
    right = np.where(v > 0, v * (upper - at), 0) @ weight * above[..., 0]
    return np.asarray(2 * (left + right))


def _quantile(distribution: Any, below: Array, above: Array) -> Array:
    """From the smaller tail, where it loses no digits."""
    return np.asarray(np.where(below < above, distribution.ppf(below), distribution.isf(above)))


def _summed(distribution: Any, values: Array) -> Array:
    reached = whole_numbers(distribution)
    first, last = min(reached[0], np.floor(values.min())), max(reached[-1], np.ceil(values.max()))
    if not last - first < MOST_TERMS:
        raise DataError(f"a sum over more than {MOST_TERMS:,} values is too long")
    grid = np.arange(first, last + 1)
    below, above = distribution.cdf(grid) ** 2, distribution.sf(grid) ** 2
    # Up to y the squares are of F, from y on of 1 - F; what y cuts in pieces counts by its length.
    left, right = np.append(0.0, np.cumsum(below)), np.append(np.cumsum(above[::-1])[::-1], 0.0)
    place = (np.floor(values) - first).astype(int)
    part = values - np.floor(values)
    return np.asarray(
        left[place] + part * below[place] + (1 - part) * above[place] + right[place + 1]
    )
