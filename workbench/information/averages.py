"""A mean over rows with its standard error, for independent rows and for rows in groups."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from workbench.errors import DataError

type Array = npt.NDArray[np.float64]
type Codes = npt.NDArray[np.integer[Any]]

FEW_UNITS = 40  # independent units below which Student's t replaces the normal quantile
ROUNDING = 1e-10  # of sums that are equal but for the order of their terms
NO_SKEWNESS = 1e-6  # over √n, below which undoing it would only lose digits


@dataclass(frozen=True)
class Mean:
    """A mean over `count` rows; `se` is NaN where the rows cannot tell it.

    `clusters` is the number of groups that `se` takes for its independent units, None where
    the rows themselves are. `skewness` is that of the units' sums about the mean, and 0 where it is
    not known.
    """

    value: float
    se: float
    count: int
    unit: str = "nats per row"
    clusters: int | None = None
    skewness: float = 0.0

    @property
    def bits(self) -> "Mean":
        """The same mean in bits."""
        if "nats" not in self.unit:
            raise DataError(f"a mean in {self.unit} has no value in bits: only nats convert")
        unit = self.unit.replace("nats", "bits")
        return replace(self, value=bits(self.value), se=bits(self.se), unit=unit)

    def enlarged(self, se: float) -> "Mean":
        """With this standard error where it is larger; the third cumulant stays what it was."""
        if not se > self.se:
            return self
        return replace(self, se=se, skewness=self.skewness * (self.se / se) ** 3)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided limits at quantiles of Student's t, with its skewness undone (Hall 1992).

        With t = (value - truth) / se, n units and the skewness g, t + g t²/3√n + g² t³/27n + g/6√n
        is more nearly normal than t, and monotone in it. Losses are skew, and symmetric limits
        would mostly be exceeded from above: of 30 normal rows 95 % limits held the cross-entropy in
        95 % of 4,000 simulated samples, and 92 % without; of t5 rows under a normal, whose losses
        have no skewness to estimate, in 91 and 83 %. Student's t has one degree of freedom less
        than there are units, if they are few.
        """
        if math.isnan(self.se):
            return math.nan, math.nan
        units = self.count if self.clusters is None else self.clusters
        tail = (1 - level) / 2
        quantile = stats.t.isf(tail, units - 1) if units < FEW_UNITS else stats.norm.isf(tail)
        high, low = (
            _unskewed(end, self.skewness / math.sqrt(units)) for end in (quantile, -quantile)
        )
        return self.value - high * self.se, self.value - low * self.se


def mean(
    values: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    unit: str = "nats per row",
) -> Mean:
    """Mean of the rows' values, with frequency weights; one unit of `groups` is one draw.

    A weight of 3 says that three independent rows had this value (of the same group, if there
    are groups). The standard error of grouped rows is the cluster-robust one.
    """
    v, w, codes = _checked(values, weights, groups)
    total = w.sum()
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and says so itself
        value = float((w * v).sum() / total)
    clusters = None if codes is None else int(codes.max()) + 1
    if not np.isfinite(value):
        return Mean(value, math.nan, round(total), unit, clusters)
    deviations = v - value
    if np.abs(deviations).max() <= 4 * np.finfo(float).eps * abs(value):
        deviations = np.zeros(v.shape)  # equal values, whose mean is rounded
    se, skewness = _spread(deviations, w, codes)
    return Mean(value, se, round(total), unit, clusters, skewness)


def effective_units(groups: npt.ArrayLike) -> float:
    """How many groups of equal size would average as well as these: n² / Σ n_g² (Kish)."""
    sizes = np.unique(np.asarray(groups), return_counts=True)[1].astype(float)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def simultaneous_z(rivals: int, level: float = 0.95, units: float = math.inf) -> float:
    """Standard errors that hold for all rivals at once, by Bonferroni; two-sided.

    With few independent units (rows, or groups) Student's t with one degree of freedom less.
    """
    tail = (1 - level) / (2 * rivals)
    return float(stats.t.isf(tail, units - 1) if units < FEW_UNITS else stats.norm.isf(tail))


def tail_probability(null: Array, value: float) -> float:
    """The share of `null` and of `value` itself that reaches it, but for rounding: a p-value."""
    reached = null >= value - ROUNDING * max(abs(value), float(np.abs(null).max()))
    return float((1 + np.count_nonzero(reached)) / (1 + null.size))


def bits(nats: float) -> float:
    """Nats in bits."""
    return nats / math.log(2)


def _spread(deviations: Array, weights: Array, codes: Codes | None) -> tuple[float, float]:
    """Standard error of the mean, and the skewness of the units' sums."""
    total = weights.sum()
    if codes is None:
        units = float(total)
        squares, cubes = ((weights * deviations**power).sum() for power in (2, 3))
    else:
        sums = np.bincount(codes, weights * deviations)
        units, squares, cubes = float(sums.size), (sums**2).sum(), (sums**3).sum()
    if units <= 1:
        return math.nan, 0.0
    se = float(np.sqrt(units / (units - 1) * squares) / total)
    return se, float(math.sqrt(units) * cubes / squares**1.5) if squares > 0 else 0.0


def _unskewed(x: float, a: float) -> float:
    """The t of which t + a t²/3 + a² t³/27 + a/6 is x: the inverse of Hall's transformation."""
    if abs(a) < NO_SKEWNESS:
        return x
    return float(3 / a * (np.cbrt(1 + a * (x - a / 6)) - 1))


def _checked(
    values: npt.ArrayLike, weights: npt.ArrayLike | None, groups: npt.ArrayLike | None
) -> tuple[Array, Array, Codes | None]:
    """Values, weights and dense group codes of the rows whose weight is not zero."""
    v = np.asarray(values, float)
    w = np.ones(v.shape) if weights is None else np.asarray(weights, float)
    codes = None if groups is None else np.asarray(groups)
    for name, array in (("weights", w), ("groups", codes)):
        if array is not None and array.shape != v.shape:
            raise DataError(f"{name} have shape {array.shape}, the values {v.shape}: one a row")
    if v.ndim != 1 or not (np.isfinite(w) & (w >= 0)).all():
        raise DataError("a mean needs one value a row, and weights that are finite and not below 0")
    keep = w > 0
    if not keep.any():
        raise DataError("a mean needs at least one row with a weight above 0")
    dense = None if codes is None else np.unique(codes[keep], return_inverse=True)[1]
    return v[keep], w[keep], dense
