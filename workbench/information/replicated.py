"""KL given the predictors, of outcomes that repeat with the same ones.

Of binary outcomes it is the deviance from the saturated model, less what chance makes of it. The
deviance D = 2 (log-likelihood of the saturated model - of the model) over twice the trials is a
plug-in KL, too high even under a perfect model. What it is on average there is summed exactly: with
few trials a group its half degree of freedom is wrong.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import logit, xlogy

from workbench.errors import DataError
from workbench.information.averages import Array, Mean
from workbench.information.divergence import (
    Divergence,
    error_of_frequencies,
    g_test,
    kl_discrete,
    moments,
    plugin_floor,
    pooled_g,
)

REPLICATES = 1000  # simulated outcomes of the model that make the null's law
NULL_SEED = 20130606
FEWEST_GROUPS = 5  # below which their spread tells no standard error
ENOUGH_TRIALS = 20  # in a group on average, to tell its own error
TAIL = 1e-12  # probability that the exact expectations leave out at the upper end
CELLS = 2_000_000  # numbers held at once
GIVEN_PREDICTORS = "KL given the predictors"


def binomial_deviances(
    successes: npt.ArrayLike, trials: npt.ArrayLike, probabilities: npt.ArrayLike
) -> Array:
    """2 [y log(y/nq) + (n - y) log((n - y)/n(1 - q))] of each group: twice nats, 0 where y = nq."""
    y, n, q = _checked_binomial(successes, trials, probabilities)
    return _binomial(y, n, q)


def poisson_deviances(counts: npt.ArrayLike, means: npt.ArrayLike) -> Array:
    """2 [y log(y/μ) - (y - μ)] of each row, in twice nats."""
    y, mu = _checked_poisson(counts, means)
    return _poisson(y, mu)


def saturated_binomial(successes: npt.ArrayLike, trials: npt.ArrayLike) -> Array:
    """-log P(y) of each group under its own frequency y/n, in nats: the least NLL there can be.

    Its mean is the saturated cross-entropy; the model's NLL less it is half the deviance.
    """
    y, n, _ = _checked_binomial(successes, trials, 0.5)
    return np.asarray(-stats.binom.logpmf(y, n, y / n))


def saturated_poisson(counts: npt.ArrayLike) -> Array:
    """-log P(y) of each row under a Poisson of mean y, in nats: the least NLL there can be."""
    y, _ = _checked_poisson(counts, 1.0)
    return np.asarray(-stats.poisson.logpmf(y, y))


def binomial_divergence(
    successes: npt.ArrayLike, trials: npt.ArrayLike, probabilities: npt.ArrayLike
) -> Divergence:
    """KL per trial of grouped binary outcomes: D/2N - E_q[D]/2N over all N trials, in nats.

    `probabilities` are the model's, fixed without these rows. A group is of trials alike in all
    predictors, and independent given them: else it is the KL seen by the groups alone.

    The standard error is that within groups, by the delta method at their own frequencies, if they
    have 20 trials on average, else that of the spread between them, with each a unit; and no less
    than that of a perfect model, of which 1,000 simulated outcomes give floor and p-value too.
    """
    y, n, q = _checked_binomial(successes, trials, probabilities)
    pairs, place = np.unique(np.column_stack([n, q]), axis=0, return_inverse=True)
    expected = np.array([_expected_binomial(*pair) for pair in pairs])[place.ravel()]
    return _divergence(
        _binomial(y, n, q) / 2,
        expected / 2,
        n,
        _within(y, n, q) if n.mean() >= ENOUGH_TRIALS else None,
        lambda rng, size: _binomial(rng.binomial(n.astype(int), q, size).astype(float), n, q) / 2,
        GIVEN_PREDICTORS,
        "nats per trial",
    )


def poisson_divergence(counts: npt.ArrayLike, means: npt.ArrayLike) -> Divergence:
    """KL per row of counts that are Poisson, each about a mean of its own: D/2n - E_μ[D]/2n, nats.

    Counts that spread more than a Poisson's are taken for means further from the model's; then
    this is no KL, but grows with the dispersion. Otherwise as `binomial_divergence`.
    """
    y, mu = _checked_poisson(counts, means)
    values, place = np.unique(mu, return_inverse=True)
    expected = _expected_poisson(values)[place]
    return _divergence(
        _poisson(y, mu) / 2,
        expected / 2,
        np.ones(y.size),
        None,
        lambda rng, size: _poisson(rng.poisson(mu, size).astype(float), mu) / 2,
        "KL of Poisson means, each row its own",
        "nats per row",
    )


def replicated_divergence(
    counts: Sequence[npt.ArrayLike], probabilities: Sequence[npt.ArrayLike]
) -> Divergence:
    """KL of categories given the predictors, from rows that share theirs; nats per row.

    One sequence of counts, and of the model's probabilities for the same categories, for each
    pattern of predictors. The patterns' own `kl_discrete` are averaged by their rows, and their G
    statistics added up; a pattern whose entropy is not known leaves the whole unknown. The floor is
    that of a plug-in with as many degrees of freedom as categories were seen beyond the first of
    each pattern. For two categories `binomial_divergence` takes its bias off exactly.
    """
    each = [kl_discrete(c, q) for c, q in zip(counts, probabilities, strict=True)]
    tables = [(np.asarray(c, float), np.asarray(q, float))
              for c, q in zip(counts, probabilities, strict=True)]  # fmt: skip
    rows = sum(one.mean.count for one in each)
    value = sum(one.mean.count * one.mean.value for one in each) / rows
    if not math.isfinite(value):
        reason = next(one.reason for one in each if not math.isfinite(one.mean.value))
        p_value = 0.0 if value == math.inf else None
        nothing = Mean(value, math.nan, rows)
        return Divergence(nothing, GIVEN_PREDICTORS, math.nan, p_value, reason)
    freedom = int(sum(np.count_nonzero(c) - 1 for c, _ in tables))
    variance, third = np.sum([moments(c, q) for c, q in tables], axis=0)
    se, skewness = error_of_frequencies(variance, third, freedom, rows)
    p_value, reason = g_test([pooled_g(c, q) for c, q in tables])
    found = Mean(value, se, rows, skewness=skewness)
    floor = plugin_floor(freedom + 1, rows)
    return Divergence(found, GIVEN_PREDICTORS, floor, p_value, reason)


def _divergence(
    plugin: Array,
    expected: Array,
    sizes: Array,
    within: tuple[float, float] | None,
    simulated: Callable[[np.random.Generator, tuple[int, int]], Array],
    label: str,
    unit: str,
) -> Divergence:
    """Sums over groups of each size, per trial; the whole against outcomes of the model.

    `within` is the standard error by the groups themselves, where they can tell it, and the
    skewness.
    """
    total, count = sizes.sum(), plugin.size
    if not np.isfinite(plugin).all():
        places = int(np.sum(~np.isfinite(plugin)))
        reason = f"{places} of {count} outcomes have probability 0 under the model"
        nothing = Mean(math.inf, math.nan, round(total), unit)
        return Divergence(nothing, label, math.nan, 0.0, reason)
    excess = plugin - expected
    value = float(excess.sum() / total)
    rng = np.random.default_rng([NULL_SEED, count])
    at_once = max(1, CELLS // count)
    pieces = [min(at_once, REPLICATES - done) for done in range(0, REPLICATES, at_once)]
    sums = np.concatenate([simulated(rng, (piece, count)).sum(axis=1) for piece in pieces])
    null = (sums - expected.sum()) / total
    p_value = float((1 + np.sum(null >= value)) / (1 + REPLICATES))
    if within is not None:
        (se, skewness), clusters = within, None
    else:
        spread = count / max(count - 1, 1) * ((excess - sizes * value) ** 2).sum()
        se = math.sqrt(spread) / float(total) if count >= FEWEST_GROUPS else math.nan
        skewness, clusters = 0.0, count if sizes.max() > 1 else None
    se = float(np.maximum(se, null.std(ddof=1)))
    mean = Mean(value, se, round(total), unit, clusters, skewness)
    return Divergence(mean, label, float(np.quantile(null, 0.95)), p_value)


def _binomial(y: Array, n: Array, q: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = xlogy(y, y / (n * q)), xlogy(n - y, (n - y) / (n * (1 - q)))
    return np.asarray(2 * sum(parts))


def _within(y: Array, n: Array, q: Array) -> tuple[float, float]:
    """Standard error and skewness of the sum of n KL(y/n ‖ q) over all trials."""
    p = y / n
    inside = (p > 0) & (p < 1)
    slope = logit(np.where(inside, p, 0.5)) - logit(np.where(inside, q, 0.5))
    variances = np.where(inside, n * p * (1 - p), 0.0) * slope**2
    variance, third = float(variances.sum()), float((variances * (1 - 2 * p) * slope).sum())
    return error_of_frequencies(variance, third, y.size, float(n.sum()), exact=True)


def _poisson(y: Array, mu: Array) -> Array:
    return np.asarray(2 * (xlogy(y, y / mu) - (y - mu)))


def _expected_binomial(trials: float, probability: float) -> float:
    y = np.arange(trials + 1)
    of = stats.binom(trials, probability)
    return float(
        of.pmf(y) @ np.nan_to_num(_binomial(y, np.asarray(trials), np.asarray(probability)))
    )


def _expected_poisson(means: Array) -> Array:
    """Sums over counts up to the largest quantile, in pieces that fit into memory."""
    found = np.empty(means.size)
    order = np.argsort(means)
    start = 0
    while start < means.size:
        last = start + max(1, int(CELLS / (1 + stats.poisson.isf(TAIL, means[order[start]]))))
        piece = means[order[start:last]]
        y = np.arange(stats.poisson.isf(TAIL, piece[-1]) + 1)[:, None]
        found[order[start:last]] = (stats.poisson.pmf(y, piece) * _poisson(y, piece)).sum(axis=0)
        start = last
    return found


def _checked_binomial(
    successes: npt.ArrayLike, trials: npt.ArrayLike, probabilities: npt.ArrayLike
) -> tuple[Array, Array, Array]:
    y, n, q = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, float)) for v in (successes, trials, probabilities))
    )
    if not ((y >= 0) & (y <= n) & (n >= 1) & (y == np.floor(y)) & (n == np.floor(n))).all():
        raise DataError("successes are whole numbers from 0 up to the trials, which are 1 or more")
    if not ((q >= 0) & (q <= 1)).all():
        raise DataError("probabilities lie between 0 and 1")
    return y, n, q


def _checked_poisson(counts: npt.ArrayLike, means: npt.ArrayLike) -> tuple[Array, Array]:
    y, mu = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in (counts, means)))
    if not ((y >= 0) & (y == np.floor(y)) & np.isfinite(y)).all():
        raise DataError("counts are whole numbers, none below 0")
    if not ((mu > 0) & np.isfinite(mu)).all():
        raise DataError("means are finite and above 0")
    return y, mu
