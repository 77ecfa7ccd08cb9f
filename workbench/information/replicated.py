"""KL given the predictors, of outcomes that repeat with the same ones.

Of binary outcomes it is the deviance from the saturated model, less what chance makes of it. The
deviance D = 2 (log-likelihood of the saturated model - of the model) over twice the trials is a
plug-in KL, too high even under a perfect model. What it is on average there is summed exactly: with
few trials a group its half degree of freedom is wrong.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import xlogy

from workbench.errors import DataError
from workbench.information.averages import Array, Mean, tail_probability
from workbench.information.divergence import Divergence, error_of_frequencies

REPLICATES = 1000  # simulated outcomes of the model that make the null's law
FEWEST_REPLICATES = 100
MOST_SIMULATED = 20_000_000  # numbers, for which there are fewer of them
NULL_SEED = 20130606
FEWEST_GROUPS = 5  # below which their spread tells no standard error
ENOUGH_TRIALS = 20  # in a group, to tell its own error
TAIL = 1e-12  # probability that the exact expectations leave out at the upper end
CELLS = 2_000_000  # numbers held at once
RARE = 0.5  # times that a category is expected in a pattern, below which it is put to others
LEFT_OVER = 1e-9  # probability that is rounding
GIVEN_PREDICTORS = "KL given the predictors"


def binomial_deviances(
    successes: npt.ArrayLike, trials: npt.ArrayLike, probabilities: npt.ArrayLike
) -> Array:
    """2 [y log(y/nq) + (n - y) log((n - y)/n(1 - q))] of each group: twice nats, 0 where y = nq."""
    y, n, q = _checked_binomial(successes, trials, probabilities)
    counts, chances = np.stack([y, n - y], axis=-1), np.stack([q, 1 - q], axis=-1)
    return 2 * _plugin(counts, n, chances)


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
    predictors, and independent given them: else it is the KL seen by the groups alone. What is
    taken off is exact at the model and near it. Where outcomes are rarer under the model than one
    in a group, and in truth are not, it is too little, by up to half a nat a group: of 200 groups
    of 20 and p = .01 against q = .001 the estimate is .027 on average, and KL .014.

    The standard error is that within groups of 20 trials or more, by the delta method at their own
    frequencies, and that of the spread between smaller ones, of which each is a unit; it is no less
    than that of a perfect model, of which 1,000 simulated outcomes give floor and p-value too.
    """
    y, n, q = _checked_binomial(successes, trials, probabilities)
    counts, chances = np.column_stack([y, n - y]), np.column_stack([q, 1 - q])
    return _of_tables(counts, chances, GIVEN_PREDICTORS, "nats per trial")


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
        np.zeros((3, y.size)),
        1,
        lambda rng, size: _poisson(rng.poisson(mu, size).astype(float), mu) / 2,
        "KL of Poisson means, each row its own",
        "nats per row",
    )


def replicated_divergence(counts: npt.ArrayLike, probabilities: npt.ArrayLike) -> Divergence:
    """KL of categories given the predictors, from rows that share theirs; nats per row.

    `counts` and the model's `probabilities` are (G, K): a line for each pattern of predictors, the
    same categories in all. What the probabilities leave to 1 is one more. As of binary outcomes it
    is half the deviance from each pattern's own frequencies, less its exact expectation under the
    model, with floor and p-value of 1,000 simulated outcomes (of very many patterns down to 100).

    Categories that the model expects less than half a time in a pattern are put together there
    (into the rarest other one, if they come to less in all), as their expected deviance would be
    too small for a truth in which they are frequent. What they would add is not seen, and the label
    then says that it is a lower bound.
    """
    c, q = _checked_tables(counts, probabilities)
    impossible = (c > 0) & (q == 0)
    if impossible.any():
        return _impossible(int(impossible.any(axis=1).sum()), c, GIVEN_PREDICTORS, "nats per row")
    pooled_counts, pooled, seen = _pooled(c, q)
    label = GIVEN_PREDICTORS + ", a lower bound" * (not seen)
    return _of_tables(pooled_counts, pooled, label, "nats per row")


def _pooled(counts: Array, probabilities: Array) -> tuple[Array, Array, bool]:
    """Tables with rare categories put together in the last column; whether none was."""
    n = counts.sum(axis=1, keepdims=True)
    rare = (n * probabilities < RARE) & (probabilities > 0)
    tables = []
    for table in (counts, probabilities):
        kept, together = np.where(rare, 0.0, table), np.where(rare, table, 0.0).sum(axis=1)
        tables.append(np.column_stack([kept, together]))
    c, q = tables
    short = np.flatnonzero((q[:, -1] > 0) & (n[:, 0] * q[:, -1] < RARE))
    others = np.where(q[short, :-1] > 0, q[short, :-1], np.inf)
    rarest = others.argmin(axis=1)
    for table in (c, q):
        table[short, rarest] += table[short, -1]
        table[short, -1] = 0.0
    return c, np.minimum(q, 1.0), not rare.any()


def _of_tables(counts: Array, probabilities: Array, label: str, unit: str) -> Divergence:
    """Of outcomes (G, K) in each of the groups, whose sizes are given."""
    n = counts.sum(axis=1)
    plugin, ratios = _plugin(counts, n, probabilities), _log_ratios(counts, n, probabilities)
    with np.errstate(invalid="ignore"):  # of infinite ratios, which `_divergence` tells of
        apart = ratios - (plugin / n)[:, None]
        moments = [(counts * apart**power).sum(axis=1) for power in (2, 3)]
    freedom = (probabilities > 0).sum(axis=1) - 1.0

    chances = np.sort(probabilities, axis=1)  # what rounding leaves is drawn for the last of them

    def simulated(rng: np.random.Generator, size: tuple[int, int]) -> Array:
        drawn = rng.multinomial(n.astype(int), chances, size).astype(float)
        return _plugin(drawn, n, chances)

    expected = _expected_plugin(n, probabilities)
    within = np.array([*moments, freedom])
    return _divergence(plugin, expected, n, within, counts.shape[1], simulated, label, unit)


def _divergence(
    plugin: Array,
    expected: Array,
    sizes: Array,
    within: Array,
    width: int,
    simulated: Callable[[np.random.Generator, tuple[int, int]], Array],
    label: str,
    unit: str,
) -> Divergence:
    """Sums over groups of each size, per trial; the whole against outcomes of the model.

    `within` are variance and third moment of each group's log ratios, and its degrees of freedom;
    `width` is how many numbers an outcome is.
    """
    total, count = float(sizes.sum()), plugin.size
    if not np.isfinite(plugin).all():
        return _impossible(int(np.sum(~np.isfinite(plugin))), sizes, label, unit)
    excess = plugin - expected
    value = float(excess.sum() / total)
    rng = np.random.default_rng([NULL_SEED, count])
    at_once = max(1, CELLS // (count * width))
    few = MOST_SIMULATED // (count * width)
    replicates = min(max(few, FEWEST_REPLICATES), REPLICATES)
    pieces = [min(at_once, replicates - done) for done in range(0, replicates, at_once)]
    sums = np.concatenate([simulated(rng, (piece, count)).sum(axis=1) for piece in pieces])
    null = (sums - expected.sum()) / total
    large = sizes >= ENOUGH_TRIALS
    variance, third, freedom = within[:, large].sum(axis=1)
    se, skewness = error_of_frequencies(variance, third, freedom, total, exact=True)
    small = excess[~large] - sizes[~large] * (excess[~large].sum() / max(sizes[~large].sum(), 1))
    told = bool(large.any()) or small.size >= FEWEST_GROUPS
    clusters = None if large.any() or sizes.max() == 1 else count
    found = Mean(value, se if told else math.nan, round(total), unit, clusters, skewness)
    if small.size >= FEWEST_GROUPS:
        between = float(small.size / (small.size - 1) * (small**2).sum())
        found = found.enlarged(math.hypot(se, math.sqrt(between) / total))
    return Divergence(
        found.enlarged(float(null.std(ddof=1))),
        label,
        float(np.quantile(null, 0.95)),
        tail_probability(null, value),
    )


def _impossible(places: int, sizes: Array, label: str, unit: str) -> Divergence:
    reason = f"{places} of {len(sizes)} outcomes have probability 0 under the model"
    nothing = Mean(math.inf, math.nan, round(sizes.sum()), unit)
    return Divergence(nothing, label, math.nan, 0.0, reason)


def _plugin(counts: Array, sizes: Array, probabilities: Array) -> Array:
    """Σ y log(y / nq) of each table (..., G, K) in nats; infinite where y > 0 = q."""
    return np.asarray((counts * _log_ratios(counts, sizes, probabilities)).sum(axis=-1))


def _log_ratios(counts: Array, sizes: Array, probabilities: Array) -> Array:
    """log(y / nq) of each category, 0 where none was observed."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(counts > 0, counts / (sizes[..., None] * probabilities), 1.0)
    return np.asarray(np.log(ratios))


def _poisson(y: Array, mu: Array) -> Array:
    return np.asarray(2 * (xlogy(y, y / mu) - (y - mu)))


def _expected_plugin(sizes: Array, probabilities: Array) -> Array:
    """E of Σ y log(y / nq) over counts of each group (G,), each count binomial by itself."""
    n = np.broadcast_to(sizes[:, None], probabilities.shape)
    pairs, place = np.unique(
        np.column_stack([n.ravel(), probabilities.ravel()]), axis=0, return_inverse=True
    )
    found = np.zeros(len(pairs))
    inside = (pairs[:, 1] > 0) & (pairs[:, 1] < 1)
    lowest, highest = (ends(TAIL, *pairs.T) for ends in (stats.binom.ppf, stats.binom.isf))
    lowest = np.maximum(lowest, 1.0)  # y = 0 adds nothing
    order = np.flatnonzero(inside)[np.argsort((highest - lowest)[inside])]
    while order.size:
        widths = highest[order] - lowest[order] + 1
        now = max(1, int(np.searchsorted(widths * np.arange(1, order.size + 1), CELLS)))
        some, order = order[:now], order[now:]
        trials, chances = pairs[some].T
        y = lowest[some] + np.arange(widths[now - 1])[:, None]
        terms = stats.binom.pmf(y, trials, chances) * y * np.log(y / (trials * chances))
        found[some] = terms.sum(axis=0)  # the mass beyond all trials is 0
    return np.asarray(found[place.ravel()].reshape(probabilities.shape).sum(axis=1))


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


def _checked_tables(counts: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Array, Array]:
    """Both (G, K + 1), with what the probabilities leave to 1 in the last column."""
    c, q = np.asarray(counts, float), np.asarray(probabilities, float)
    if c.ndim != 2 or c.shape != q.shape:
        raise DataError(
            f"counts have shape {c.shape}, probabilities {q.shape}: both a line for each pattern, "
            "a column for each category"
        )
    if not ((c >= 0) & (c == np.floor(c))).all() or not c.any(axis=1).all():
        raise DataError("counts are whole numbers, none below 0, with one above 0 in each pattern")
    if not ((q >= 0) & (q <= 1)).all() or (q.sum(axis=1) > 1 + LEFT_OVER).any():
        raise DataError(
            "probabilities lie between 0 and 1, and come to no more than 1 in a pattern"
        )
    rest = 1 - q.sum(axis=1)
    rest[rest < LEFT_OVER] = 0.0
    c, q = np.column_stack([c, np.zeros(len(c))]), np.column_stack([q, rest])
    return c, q / q.sum(axis=1, keepdims=True)


def _checked_poisson(counts: npt.ArrayLike, means: npt.ArrayLike) -> tuple[Array, Array]:
    y, mu = np.broadcast_arrays(*(np.atleast_1d(np.asarray(v, float)) for v in (counts, means)))
    if not ((y >= 0) & (y == np.floor(y)) & np.isfinite(y)).all():
        raise DataError("counts are whole numbers, none below 0")
    if not ((mu > 0) & np.isfinite(mu)).all():
        raise DataError("means are finite and above 0")
    return y, mu
