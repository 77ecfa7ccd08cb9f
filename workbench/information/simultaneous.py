"""Limits that hold for several paired differences at once."""

import numpy as np
import numpy.typing as npt

from workbench.errors import DataError
from workbench.information.averages import FEW_UNITS, Array, simultaneous_z

DRAWS = 200_000  # of the largest of several statistics: its 95 % point to .005 standard errors
SEED = 19610923  # the limit is a constant of the rows, the same in every run


def simultaneous_limit(
    differences: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    level: float = 0.95,
) -> float:
    """Standard errors that all means of `differences` (R, m) keep at once, two-sided (max-t).

    The largest |t| of R normal statistics with the correlation that the differences have, unit by
    unit (rows, or sums over groups), drawn with a fixed seed; Student's, of one degree of freedom
    less, where the units are few (Hothorn, Bretz and Westfall 2008). Never wider than Bonferroni's
    `simultaneous_z`, which it is for a single difference and where no correlation is known.
    """
    d = np.asarray(differences, float)
    if d.ndim != 2:
        raise DataError(f"differences have shape {d.shape}: a line for each rival, a value a row")
    w = np.ones(d.shape[1]) if weights is None else np.asarray(weights, float)
    counted = w > 0
    codes = None if groups is None else np.asarray(groups)[counted]
    sums, units = _unit_sums(d[:, counted], w[counted], codes)
    bound = simultaneous_z(len(d), level, units)
    spread = np.sqrt((sums**2).sum(axis=1))
    if len(d) == 1 or not (np.isfinite(spread) & (spread > 0)).all():
        return bound
    scaled = sums / spread[:, None]
    values, vectors = np.linalg.eigh(scaled @ scaled.T)
    rng = np.random.default_rng(SEED)
    z = rng.standard_normal((DRAWS, len(d))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
    largest = np.abs(z).max(axis=1)
    if units < FEW_UNITS:
        largest /= np.sqrt(rng.chisquare(units - 1, DRAWS) / (units - 1))
    return min(bound, float(np.quantile(largest, level)))


def _unit_sums(d: Array, w: Array, groups: npt.ArrayLike | None) -> tuple[Array, float]:
    """Deviations from the mean (R, units), whose products give the correlation; how many units."""
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and says so itself
        deviations = d - (d @ w / w.sum())[:, None]
    if groups is None:
        return deviations * np.sqrt(w), float(w.sum())
    codes = np.unique(groups, return_inverse=True)[1]
    count = int(codes.max()) + 1
    return np.array([np.bincount(codes, line, count) for line in deviations * w]), float(count)
