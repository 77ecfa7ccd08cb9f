"""A KL divergence with the conditions under which it may be read; the one of discrete rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import xlogy

from workbench.errors import DataError
from workbench.information.averages import Array, Mean
from workbench.information.entropy import checked_counts, entropy_chao_wang_jost

MOST_SINGLETONS = 0.3  # share of rows alone in their category, above which entropy is guesswork
ENOUGH_EXPECTED = 5.0  # rows expected in a cell of the G-test; rarer categories are pooled
REPLICATES = 400  # samples of the model, of which the floor is the 95 % point
NULL_SEED = 20130606
ROUNDING = 1e-9  # by which given probabilities may exceed 1 in all


@dataclass(frozen=True)
class Divergence:
    """An estimated KL divergence of the truth from a model, never without its conditions.

    `label` says what is estimated ("KL", or the lower bound that it is). Below `floor`, the upper
    5 % point of the estimate under a perfect model, no misfit is resolved. `p_value` tests the
    perfect model. `reason` says why the value is infinite or NaN, or `p_value` None.
    """

    mean: Mean
    label: str
    floor: float
    p_value: float | None
    reason: str = ""

    @property
    def resolved(self) -> bool:
        """Whether the estimate stands above what a perfect model would give by chance."""
        return self.mean.value > self.floor


def kl_discrete(
    counts: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    labels: Sequence[object] | None = None,
) -> Divergence:
    """KL(truth ‖ model) of an unconditional discrete outcome from counts of independent rows.

    `probabilities` are the model's for the same categories, fixed without these rows; what they
    leave to 1 belongs to categories not listed. The estimate is the cross-entropy less the
    Chao-Wang-Jost entropy. Its standard error keeps the second-order term (K-1)/2m², without
    which it would vanish near KL = 0, and its interval is as skew as a non-central chi-squared.
    The floor, and the least standard error, are of 400 samples of the model itself; the p-value is
    that of the G-test. For rows in groups use `calibration_divergence`.
    """
    c, q = checked_counts(counts), _checked_probabilities(probabilities)
    if q.shape != c.shape:
        raise DataError(f"{c.size} counts but {q.size} probabilities: one each a category")
    names = range(c.size) if labels is None else labels
    impossible = [str(name) for name, x, p in zip(names, c, q, strict=True) if x > 0 and p == 0]
    m = int(c.sum())
    if impossible:
        reason = f"the model gives probability 0 to what was observed: {', '.join(impossible)}"
        return Divergence(Mean(math.inf, math.nan, m), "KL", math.nan, 0.0, reason)
    alone = np.sum(c == 1) / m
    if alone > MOST_SINGLETONS:
        reason = f"{alone:.0%} of the rows are alone in their category: the entropy is not known"
        return Divergence(Mean(math.nan, math.nan, m), "KL", math.nan, None, reason)
    value = _estimate(c, q)
    categories = int(np.count_nonzero(c))
    se, skewness = error_of_frequencies(*_moments(c, q), categories - 1, m)
    p_value, reason = _g_test(c, q)
    null = _null(q, m)
    mean = Mean(value, se, m, skewness=skewness).enlarged(float(null.std(ddof=1)))
    return Divergence(mean, "KL", float(np.quantile(null, 0.95)), p_value, reason)


def kl_plugin(counts: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """KL of the observed frequencies themselves from the model's probabilities, in nats: G / 2m.

    Exactly the mean of -log q over the rows less `entropy_plugin`. Of the truth it is an estimate
    that is too high by about (K - 1) / 2m, for which there is `kl_discrete`. Infinite where the
    model excludes what was observed. Raises DataError as `kl_discrete` does.
    """
    c, q = checked_counts(counts), _checked_probabilities(probabilities)
    if q.shape != c.shape:
        raise DataError(f"{c.size} counts but {q.size} probabilities: one each a category")
    if (q[c > 0] == 0).any():
        return math.inf
    return float(c @ log_ratios(c, q) / c.sum())


def log_ratios(counts: Array, probabilities: Array) -> Array:
    """log(observed frequency / model probability) of each category, 0 where none was observed."""
    observed = counts > 0
    ratios = np.divide(
        counts / counts.sum(), probabilities, out=np.ones(counts.size), where=observed
    )
    return np.asarray(np.log(ratios))


def plugin_floor(categories: int, rows: float) -> float:
    """Upper 5 % point of the bias-corrected plug-in KL under a perfect model.

    2m times the plug-in KL is asymptotically chi-squared with K - 1 degrees of freedom.
    """
    freedom = categories - 1
    return float((stats.chi2.isf(0.05, freedom) - freedom) / (2 * rows)) if freedom else 0.0


def error_of_frequencies(
    variance: float, third: float, freedom: float, rows: float, *, exact: bool = False
) -> tuple[float, float]:
    """Standard error and skewness of a KL from frequencies, as `Mean` has them.

    `variance` and `third` are of the log ratios, summed over rows. To second order the sum over
    rows has the variance V + f/2 and the third cumulant M + 3V + f, f its degrees of freedom: that
    of half a chi-squared, non-central, and M besides. Frequencies that are noisy themselves make V
    too large by f, which is taken off for the skewness. For the error it is a standard deviation
    of that noise less, √2f, and nothing unless the rest is `exact`, without the bias of an entropy
    that the larger error has to cover: V varies, and with it the estimate.
    """
    less = max(variance - freedom, 0.0)
    left = less / variance if variance else 0.0
    noise = max(freedom - math.sqrt(2 * freedom), 0.0) if exact else 0.0
    whole = max(variance - noise, 0.0) + freedom / 2
    if not whole > 0:
        return 0.0, 0.0
    cumulant = left * third + 3 * less + freedom
    return math.sqrt(whole) / rows, float(cumulant / whole**1.5 * math.sqrt(rows))


def _estimate(counts: Array, probabilities: Array) -> float:
    """Cross-entropy of the rows less their Chao-Wang-Jost entropy."""
    cross_entropy = -xlogy(counts, np.where(counts > 0, probabilities, 1)).sum() / counts.sum()
    return float(cross_entropy - entropy_chao_wang_jost(counts))


def _null(probabilities: Array, rows: int) -> Array:
    """Estimates from samples of the model; what is not listed is one category of them."""
    # In order, as what rounding leaves of very many rows is drawn for the last of them.
    whole = np.sort(np.append(probabilities, max(0.0, 1 - probabilities.sum())))
    whole = whole / whole.sum()
    drawn = np.random.default_rng([NULL_SEED, rows]).multinomial(rows, whole, REPLICATES)
    return np.array([_estimate(counts.astype(float), whole) for counts in drawn])


def _moments(counts: Array, probabilities: Array) -> tuple[float, float]:
    """Second and third central moment of the rows' log ratios, times their number."""
    ratios = log_ratios(counts, probabilities)
    apart = ratios - counts @ ratios / counts.sum()
    return float(counts @ apart**2), float(counts @ apart**3)


def _g_test(counts: Array, probabilities: Array) -> tuple[float | None, str]:
    """p-value of the likelihood-ratio test, categories too rare for it put into one cell."""
    m = counts.sum()
    unlisted = max(0.0, 1 - probabilities.sum())
    observed, expected = np.append(counts, 0.0), m * np.append(probabilities, unlisted)
    rare = expected < ENOUGH_EXPECTED
    observed = np.append(observed[~rare], observed[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    cells = expected > m * ROUNDING
    if cells.sum() < 2:
        return None, "fewer than two categories are expected often enough for a test"
    observed, expected = observed[cells], expected[cells]
    statistic = 2 * xlogy(observed, observed / expected).sum()
    return float(stats.chi2.sf(statistic, cells.sum() - 1)), ""


def _checked_probabilities(probabilities: npt.ArrayLike) -> Array:
    q = np.asarray(probabilities, float)
    if not (np.isfinite(q) & (q >= 0)).all() or q.sum() > 1 + ROUNDING:
        raise DataError(f"probabilities must not be below 0, nor sum to {q.sum():.6g}, above 1")
    return q
