"""Calibration: what a model's own distribution function makes of the outcomes, against uniform.

If u = Q(y) (for atoms drawn uniformly between Q(y-) and Q(y)) and z is its normal score, then
log p(y)/q(y) = log p(z)/φ(z): the KL divergence of any outcome is one of z from the standard
normal. It is all of KL for a model without predictors; with predictors it is the part seen
without them, a lower bound.
"""

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import ndtri, ndtri_exp, psi

from workbench.errors import DataError
from workbench.information.averages import Array, Mean, effective_units, mean, tail_probability
from workbench.information.divergence import Divergence, log_ratios, plugin_floor

SPACING = 3  # order statistics to either side that make one spacing
FEWEST_UNITS = 50  # rows (or groups), below which spacings say too little to be printed
LARGEST_SIMULATED = 2000  # rows; beyond them the null's law only shrinks, as 1/√n
REPLICATES = 1000  # simulated samples that make the null's law
RANDOMISED_REPLICATES = 200  # of them, where each outcome is randomised several times
TINY = 2.0**-53  # to which a drawn probability of 0 is rounded up
NULL_SEED = 20130606  # the null's law is a constant of the method, the same in every run
LOWER_BOUND = "calibration KL, a lower bound"
DEPENDENT = "no p-value: rows of one group are not independent"


def probability_integral_transform(
    lower: npt.ArrayLike, upper: npt.ArrayLike, rng: np.random.Generator
) -> Array:
    """u drawn uniformly from [Q(y-), Q(y)], each row: uniform under the model, atoms or not."""
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    return np.asarray(low + (high - low) * rng.random(low.shape))


def normal_scores(
    log_distribution: tuple[npt.ArrayLike, npt.ArrayLike],
    log_survival: tuple[npt.ArrayLike, npt.ArrayLike],
    rng: np.random.Generator,
) -> Array:
    """Standard normal scores z of the randomised u, to full precision in both tails.

    Each pair holds the logarithm just below y and at y: of P(Y < y) and P(Y <= y), and of
    P(Y >= y) and P(Y > y). z comes from the smaller tail, so it does not stick at 8.2, where
    u rounds to 1. Where a tail has underflowed to probability 0, z is infinite.
    """
    share = 1 - rng.random(np.shape(log_distribution[0]))  # in (0, 1]
    with np.errstate(divide="ignore"):
        log_share, log_rest = np.log(share), np.log1p(-share)
    log_lower, log_upper = (
        np.logaddexp(np.asarray(below, float) + log_rest, np.asarray(at, float) + log_share)
        for below, at in (log_distribution, log_survival)
    )
    scores = np.where(log_lower < log_upper, ndtri_exp(log_lower), -ndtri_exp(log_upper))
    return np.asarray(scores)


def too_few(units: int, fewest: int) -> str:
    """Why there is no number where this many are independent."""
    return f"{units} independent rows, groups or blocks are fewer than the {fewest} it takes"


def uniform_scores(z: npt.ArrayLike) -> Array:
    """u of normal scores: the randomised PIT itself, rounded to 1 beyond z = 8.2."""
    return np.asarray(stats.norm.cdf(np.asarray(z, float)))


def calibration_divergence(
    z: npt.ArrayLike,
    *,
    groups: npt.ArrayLike | None = None,
    label: str = LOWER_BOUND,
    null: npt.ArrayLike | None = None,
) -> Divergence:
    """KL of normal scores from N(0, 1) by spacings, centred on what a perfect model gives.

    `z` is (n,), or (R, n) for R randomisations of the same rows, whose mean is less noisy. Its law
    under a perfect model is then not that of N(0, 1) scores, but narrower: `null` are estimates of
    `randomised_null`, for the same rows and R. Without them floor and p-value (that of the first)
    stay those of a single randomisation, which is conservative.

    Pass `label="KL"` for a model without predictors. The standard error is the conservative
    sd/√n, clustered if there are groups; the p-value comes from simulated perfect samples.

    Rows in groups get no p-value, and the floor of as many independent rows as there are
    effective groups. Simulated perfect models, 300 groups of 4, correlation of z in a group .3
    and .7: mean of the estimate -.0003 and .002, sd .0072 and .0077, floor 1.645 × .015, which
    .2 % and .5 % of samples exceed. Nearly equal rows look like ties, though: at correlation .95
    the mean is .010 and 5 % exceed the floor (of 60 groups of 20: .055 and 33 %), at .99 40 %.
    """
    scores = _checked_scores(z)
    n = scores.shape[1]
    units = n if groups is None else int(effective_units(groups))
    outside = int(np.isinf(scores[0]).sum())
    if outside:
        reason = f"{outside} of {n} rows have probability 0 in the model's tail"
        return Divergence(Mean(math.inf, math.nan, n), label, math.nan, None, reason)
    if units < FEWEST_UNITS:
        reason = too_few(units, FEWEST_UNITS)
        return Divergence(Mean(math.nan, math.nan, n), label, math.nan, None, reason)
    local = local_log_ratios(scores)
    raw = mean(local.mean(axis=0), groups=groups)
    centred = replace(raw, value=raw.value - float(null_estimates(n).mean()))
    if groups is not None:
        floor = float(stats.norm.isf(0.05) * null_estimates(units).std(ddof=1))
        return Divergence(centred, label, floor, None, DEPENDENT)
    own: Array = null_estimates(n) if null is None else np.asarray(null, float)
    floor = float(stats.norm.isf(0.05) * own.std(ddof=1))
    tested = local[0].mean() if null is None else raw.value
    return Divergence(centred, label, floor, tail_probability(own, float(tested)))


@lru_cache(maxsize=256)
def null_estimates(rows: int) -> Array:
    """The uncentred spacing estimate in simulated samples of `rows` standard normal scores."""
    size = min(rows, LARGEST_SIMULATED)
    draws = np.random.default_rng([NULL_SEED, size]).standard_normal((REPLICATES, size))
    estimates = local_log_ratios(draws).mean(axis=1)
    estimates = estimates * math.sqrt(size / rows)
    estimates.flags.writeable = False  # shared by all callers
    return np.asarray(estimates)


def randomised_null(
    lower: npt.ArrayLike, upper: npt.ArrayLike, *, repeats: int, rows: int | None = None
) -> Array:
    """Uncentred estimates of outcomes drawn from the model itself, each randomised `repeats` times.

    `lower` and `upper`, (V, n), are P(Y < v) and P(Y <= v) in each row of the values v that have a
    probability of their own, in increasing order. A uniform draw u falls into one of these cells,
    and is then drawn again within it, or between them, and stays. 200 samples of these n rows;
    if they stand for more, `rows` says for how many: the spread shrinks as 1/√n.
    """
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    if low.ndim != 2 or low.shape != high.shape or repeats < 1:
        raise DataError("cells are P(Y < v) and P(Y <= v) of the same values v and rows, (V, n)")
    size = low.shape[1]
    rows = size if rows is None else rows
    rng = np.random.default_rng([NULL_SEED, rows, repeats])
    estimates = np.array(
        [
            local_log_ratios(_redrawn(low, high, repeats, rng)).mean()
            for _ in range(RANDOMISED_REPLICATES)
        ]
    )
    spread = (estimates - null_estimates(size).mean()) * math.sqrt(size / rows)
    return np.asarray(null_estimates(rows).mean() + spread)


def _redrawn(low: Array, high: Array, repeats: int, rng: np.random.Generator) -> Array:
    """Normal scores (repeats, n) of one outcome a row, drawn from the model."""
    u = rng.random((low.shape[1],))
    cell = np.minimum((high < u).sum(axis=0), len(low) - 1)
    start, end = (np.take_along_axis(edge, cell[None], axis=0)[0] for edge in (low, high))
    inside = (start < u) & (u <= end)
    again = start + (end - start) * rng.random((repeats, u.size))
    return np.asarray(ndtri(np.clip(np.where(inside, again, u), TINY, 1 - TINY)))


def pit_histogram_divergence(
    u: npt.ArrayLike, bins: int = 20, *, groups: npt.ArrayLike | None = None
) -> Divergence:
    """KL of the binned u from uniform, bias taken off: what the eye sees in a PIT histogram.

    Binning loses information, the tails' above all, so it is a lower bound of the calibration KL.
    """
    values = np.asarray(u, float)
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError("u must lie between 0 and 1")
    n = values.size
    units = n if groups is None else int(effective_units(groups))
    codes = np.minimum((values * bins).astype(int), bins - 1)
    counts = np.bincount(codes, minlength=bins).astype(float)
    local = mean(log_ratios(counts, np.full(bins, 1 / bins))[codes], groups=groups)
    value = local.value - (bins - 1) / (2 * n)
    se = math.hypot(local.se, math.sqrt((bins - 1) / 2) / units)
    centred = replace(local, value=value).enlarged(se)
    p_value = None if groups is not None else float(stats.chi2.sf(2 * n * local.value, bins - 1))
    return Divergence(
        centred,
        f"KL in {bins} bins, a lower bound",
        plugin_floor(bins, units),
        p_value,
        "" if groups is None else DEPENDENT,
    )


def pit_band(units: float, level: float = 0.95) -> float:
    """Half-width of the simultaneous band for the ECDF of u less u, under a perfect model.

    It is the exact quantile of Kolmogorov's two-sided statistic for that many independent rows.
    For rows in groups pass `effective_units(groups)`: as if each group were one row, which is
    conservative.
    """
    return float(stats.kstwo.ppf(level, int(units)))


def local_log_ratios(scores: Array) -> Array:
    """log(density of the spacings / standard normal density) at each score of samples (..., n)."""
    order = np.argsort(scores, axis=-1)
    ordered = np.take_along_axis(scores, order, axis=-1)
    n = scores.shape[-1]
    index = np.arange(n)
    high, low = np.minimum(index + SPACING, n - 1), np.maximum(index - SPACING, 0)
    log_density = psi(high - low) - psi(n + 1) - np.log(ordered[..., high] - ordered[..., low])
    ratios = np.empty_like(scores)
    np.put_along_axis(ratios, order, log_density - stats.norm.logpdf(ordered), axis=-1)
    return ratios


def _checked_scores(z: npt.ArrayLike) -> Array:
    """Scores of shape (R, n), without NaN, and without ties within a randomisation."""
    scores = np.asarray(z, float)
    if scores.ndim not in (1, 2) or np.isnan(scores).any():
        raise DataError("normal scores must be one number a row, none of them NaN")
    for sample in np.atleast_2d(scores):
        finite = sample[np.isfinite(sample)]
        repeated = finite.size - np.unique(finite).size
        if repeated:
            raise DataError(
                f"{repeated} of {sample.size} normal scores repeat another, and a spacing of 0 has "
                "no density: outcomes that are counts or rounded need randomised scores "
                "(normal_scores)"
            )
    return np.atleast_2d(scores)
