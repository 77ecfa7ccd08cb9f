"""Calibration as pictures show it, and how far a perfect model's picture strays by chance.

Quantiles of the normal scores, the coverage of central intervals, and the reliability of
probabilities (isotonic recalibration); each with what a perfect model gives for as many rows.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import isotonic_regression

from workbench.errors import DataError
from workbench.information.averages import Array, Mean, mean

LARGEST_SIMULATED = 2000  # rows; beyond them the share of a local level hardly moves
SAMPLES = 1000  # simulated perfect samples behind a band
RESAMPLED = 200  # simulated outcomes behind a consistency band
SEED = 20210316  # a band is a constant of the method, the same in every run


def quantile_band(
    units: float, probabilities: npt.ArrayLike, level: float = 0.95
) -> tuple[Array, Array]:
    """Limits of a uniform sample's quantiles, that hold at all these probabilities at once.

    units
        How many independent rows; `effective_units(groups)` of rows in groups.
    probabilities
        Where, (g,), strictly between 0 and 1. The p-quantile of n rows is Beta(n p + 1/2,
        n (1 - p) + 1/2), so the order statistics' own law at p = (i - 1/2) / n.

    Every point gets the same local level, by simulation (as Säilynoja et al. 2022 do for the ECDF),
    so that unlike Kolmogorov's band it is sharp in the tails. Lower and upper, (g,).
    """
    p = np.asarray(probabilities, float)
    if not ((p > 0) & (p < 1)).all():
        raise DataError("probabilities of a band lie strictly between 0 and 1")
    tail = _local_level(int(min(units, LARGEST_SIMULATED)), tuple(p.tolist()), level) / 2
    law = stats.beta(units * p + 0.5, units * (1 - p) + 0.5)
    return np.asarray(law.ppf(tail)), np.asarray(law.isf(tail))


@lru_cache(maxsize=64)
def _local_level(rows: int, probabilities: tuple[float, ...], level: float) -> float:
    """The two-sided level at each point that a perfect sample keeps everywhere with `level`."""
    ranks = np.unique(np.round(np.asarray(probabilities) * rows + 0.5).astype(int))
    ranks = ranks[(ranks >= 1) & (ranks <= rows)]
    draws = np.random.default_rng([SEED, rows]).random((SAMPLES, rows))
    ordered = np.sort(draws, axis=1)[:, ranks - 1]
    below = stats.beta.cdf(ordered, ranks, rows + 1 - ranks)
    extreme = 2 * np.minimum(below, 1 - below).min(axis=1)
    return float(np.quantile(extreme, 1 - level))


def interval_coverage(
    u: npt.ArrayLike,
    level: float,
    *,
    weights: npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
) -> Mean:
    """The share of rows inside the central predictive interval of this level.

    `u` is the PIT, (n,); where it is randomised, a row on the edge of the interval counts with the
    probability that makes the coverage of a perfect model exact. The standard error is binomial,
    or by group, and never below the binomial one at this level: few rows that are all inside have
    no spread of their own.
    """
    inside = np.abs(np.asarray(u, float) - 0.5) < level / 2
    found = mean(inside.astype(float), weights=weights, groups=groups, unit="share of rows")
    return found.enlarged(float(np.sqrt(level * (1 - level) / found.count)))


def recalibrated(
    probabilities: npt.ArrayLike, outcomes: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> Array:
    """The shares of ones that best rise with the probabilities (pool adjacent violators), (n,).

    Of rows with one probability it is one share. Dimitriadis, Gneiting and Jordan (2021).
    """
    p, y = np.asarray(probabilities, float), np.asarray(outcomes, float)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, float)
    if p.shape != y.shape or p.ndim != 1 or not np.isin(y, (0.0, 1.0)).all():
        raise DataError("reliability takes one probability a row, and outcomes of 0 and 1")
    place = np.unique(p, return_inverse=True)[1]
    return np.asarray(_pooled(place, np.bincount(place, w), y * w)[place])


def reliability_band(
    probabilities: npt.ArrayLike, at: npt.ArrayLike, level: float = 0.95
) -> tuple[Array, Array]:
    """Limits of `recalibrated` at the probabilities `at` (g,) for outcomes drawn from the model.

    Point by point, by simulation; rows are taken for independent. Lower and upper, (g,).
    """
    p, grid = np.asarray(probabilities, float), np.asarray(at, float)
    levels, place = np.unique(p, return_inverse=True)
    counts = np.bincount(place).astype(float)
    rng = np.random.default_rng(SEED)
    drawn = np.array(
        [
            np.interp(grid, levels, _pooled(place, counts, (rng.random(len(p)) < p).astype(float)))
            for _ in range(RESAMPLED)
        ]
    )
    tail = (1 - level) / 2
    lower, upper = np.quantile(drawn, (tail, 1 - tail), axis=0)
    return lower, upper


def _pooled(place: npt.NDArray[np.intp], counts: Array, sums: Array) -> Array:
    """The rising shares of each distinct probability, from the rows' places among them."""
    shares = np.bincount(place, sums) / counts
    return np.asarray(isotonic_regression(shares, weights=counts).x)
