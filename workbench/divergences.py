"""Which KL may be told of held-out rows, by the kind of their outcome, and what it is."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from workbench import density, information
from workbench.density import Distribution
from workbench.information import Divergence, Mean

CALIBRATION = "calibration KL, a lower bound"
ENOUGH_A_PATTERN = 10  # rows, or trials, that share their predictors, on average
ENOUGH_A_CATEGORY = 5  # rows for each category seen, from which on counts tell more than spacings
MOST_SIMULATED = 1000  # rows on which the null of randomised outcomes is simulated
MOST_ATOMS = 1000  # values whose cells are known, to simulate what randomised outcomes make of them
MOST_CELLS = 1_000_000  # patterns by values, of which a null is simulated in seconds
TAIL = 1e-6  # probability beyond them, where an atom is too small to matter
SEVERAL = "rows with several outcomes have no single distribution, and so no PIT, mean or shares"

Cell = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def own_cell(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends between which a value as the model takes it in lies, the lower one outside."""
    return density.just_below(values), values


def divergence(
    distribution: Distribution,
    observed: np.ndarray,
    scores: Callable[[], np.ndarray],
    *,
    conditional: bool,
    weights: np.ndarray,
    groups: np.ndarray | None,
    cell: Cell = own_cell,
    width: float | None = None,
) -> Divergence:
    """KL of one outcome a row, (m,), by the estimator that suits it, with the label it deserves.

    Without predictors: of counts and categories from their frequencies, if there are five rows for
    each seen (of categories always), else from the spacings of the (randomised) normal scores. With
    predictors it is the calibration KL: of binary outcomes what isotonic recalibration would gain,
    else by the spacings. `scores` gives them, (R, m), when asked. The outcomes that are recorded as
    a value are those above the first of its `cell` and up to the second: of rounded ones, at
    multiples of `width`, those between its ends.
    """
    if (
        not conditional
        and groups is None
        and (found := _by_frequencies(distribution, observed, weights))
    ):
        return found
    if not (weights == 1).all():
        return no_divergence("no KL for weighted rows: the spacings of repeated rows are zero")
    if conditional and (chances := _binary(distribution, observed)) is not None:
        return information.isotonic_divergence(observed, chances, groups=groups)
    z = scores()
    if len(np.unique(z[0])) < z.shape[1]:
        return no_divergence(
            "no KL for outcomes that repeat under a continuous model: their rounding is not "
            "declared, or a model for counts is wanted"
        )
    null = None
    if len(z) > 1 and groups is None:
        values = _atoms(distribution, observed, width)
        null = _null(distribution, values, cell, len(z), len(observed))
    label = CALIBRATION if conditional else "KL"
    return information.calibration_divergence(z, groups=groups, label=label, null=null)


def given_predictors(
    distribution: Distribution,
    observed: np.ndarray,
    weights: np.ndarray,
    predictors: Sequence[np.ndarray],
) -> Divergence | None:
    """KL given the predictors of discrete outcomes, (m,), of rows that share all of theirs, (m,).

    The outcomes of each pattern of predictors against the model's chances of all its values, of
    numbers of successes trial by trial. None where there is no such outcome, less than ten rows
    (trials) a pattern on average, or too many patterns and values to be simulated.
    """
    if not predictors or not density.is_discrete(distribution) or (weights % 1).any():
        return None
    trials = _trials(distribution, observed)
    rows = np.flatnonzero(weights if trials is None else weights * trials[0])
    first, pattern = np.unique(
        np.array(predictors)[:, rows], axis=1, return_index=True, return_inverse=True
    )[1:]
    y, times, places = observed[rows], weights[rows], rows[first]
    if trials is None:
        values = _atoms(distribution, observed, None)
        few = times.sum() < ENOUGH_A_PATTERN * len(places) or len(values) > MOST_ATOMS
        if few or len(places) * len(values) > MOST_CELLS:
            return None
        values = values[: int(np.searchsorted(values, y.max())) + 1]  # beyond them is the rest
        counts = np.zeros((len(places), len(values)))
        np.add.at(counts, (pattern, np.searchsorted(values, y)), times)
        alike = _among(distribution, places, len(observed))
        chances = [np.broadcast_to(np.exp(density.log_density(alike, value)), places.shape)
                   for value in values]  # fmt: skip
        return information.replicated_divergence(counts, np.minimum(np.array(chances).T, 1.0))
    n, q = (part[rows] for part in trials)
    size, successes = np.bincount(pattern, times * n), np.bincount(pattern, times * y)
    if size.sum() < ENOUGH_A_PATTERN * len(places):
        return None
    chance = q[first]
    found = information.replicated_divergence(
        np.column_stack([successes, size - successes]), np.column_stack([chance, 1 - chance])
    )
    unit = "nats per trial" if size.sum() > times.sum() else found.mean.unit
    return replace(found, mean=replace(found.mean, unit=unit))


def vector_divergences(
    z: np.ndarray, *, conditional: bool, groups: np.ndarray | None
) -> tuple[Divergence, ...]:
    """Of several numbers a row, whitened, (m, d): by neighbours, and two lower bounds of any d.

    Each stands for itself: the largest of them, picked on these rows, would be no bound.
    """
    repeated = len(z) - len(np.unique(z, axis=0))
    if repeated:
        return (no_divergence(f"no KL: {repeated} of {len(z)} rows repeat another"),)
    label = CALIBRATION if conditional else "KL"
    return (
        information.nearest_neighbour_divergence(z, groups=groups, label=label),
        information.marginal_divergence(z, groups=groups),
        information.normal_refit_divergence(z, groups=groups),
    )


def whitened(
    distribution: Distribution, observed: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Several numbers a row (m, d) as independent standard normal ones under the model.

    Of a multivariate normal by its Cholesky factor; of outcomes side by side, independent given the
    predictors, each by its own (randomised) normal score. ModelError for other vectors.
    """
    if density.is_vector(distribution):
        return density.whitened(distribution, observed)
    first: np.ndarray = normal_scores(distribution, observed, rng)[0]
    return first


def normal_scores(
    distribution: Distribution,
    observed: np.ndarray,
    rng: np.random.Generator,
    repeats: int = 1,
    cell: Cell = own_cell,
) -> np.ndarray:
    """The (randomised) PIT of each outcome as a standard normal score, so many times; SciPy's.

    `cell` has the ends between which an outcome lies, the lower one outside.
    """
    below, at = cell(observed)
    low, high = density.log_distribution_function, density.log_survival_function
    lower = low(distribution, below), low(distribution, at)
    upper = high(distribution, below), high(distribution, at)
    return np.array([information.normal_scores(lower, upper, rng) for _ in range(repeats)])


def varies(distribution: Distribution, rows: int) -> bool:
    """Whether any parameter differs between rows, which stand along its first axis."""
    own = any(
        np.ndim(p) and len(p) == rows and np.ptp(p, axis=0).max() > 0
        for p in distribution.parameters
    )
    return bool(own) or any(varies(component, rows) for component in distribution.components)


def no_divergence(reason: str) -> Divergence:
    """No number, and why."""
    nothing = Mean(float("nan"), float("nan"), 0)
    return Divergence(nothing, "KL", float("nan"), None, reason)


def _by_frequencies(
    distribution: Distribution, observed: np.ndarray, weights: np.ndarray
) -> Divergence | None:
    """Of a discrete outcome without predictors; None where spacings tell more."""
    if not density.is_discrete(distribution) or (weights != np.floor(weights)).any():
        return None
    values, place = np.unique(observed[weights > 0], return_inverse=True)
    counts = np.bincount(place, weights[weights > 0])
    unordered = distribution.name == "Categorical"
    if counts.sum() < ENOUGH_A_CATEGORY * len(values) and not unordered:
        return None
    chances = np.minimum(density.probabilities(distribution, values.tolist()), 1.0)
    return information.kl_discrete(counts, chances, labels=[f"{value:g}" for value in values])


def _binary(distribution: Distribution, observed: np.ndarray) -> np.ndarray | None:
    """P(Y = 1) of each row, where every outcome can be 0 or 1 alone."""
    if not density.is_discrete(distribution) or not np.isin(observed, (0, 1)).all():
        return None
    none, one = (np.exp(density.log_density(distribution, value)) for value in (0.0, 1.0))
    if not np.allclose(none + one, 1, rtol=0, atol=1e-9):
        return None
    return np.asarray(np.clip(np.broadcast_to(one, observed.shape), 0, 1))


def _trials(
    distribution: Distribution, observed: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Of each row how often it could succeed, and with what probability; None of other counts."""
    if distribution.name == "Binomial":
        n, q = (np.broadcast_to(part, observed.shape) for part in distribution.parameters)
        return n.astype(float), q
    chances = _binary(distribution, observed)
    return None if chances is None else (np.ones(observed.shape), chances)


def _null(
    distribution: Distribution,
    values: np.ndarray,
    cell: Cell,
    repeats: int,
    rows: int,
) -> np.ndarray | None:
    """Estimates under the model, of outcomes randomised so often; None if there are many atoms."""
    if len(values) > MOST_ATOMS:
        return None
    places = np.sort(np.random.default_rng(rows).permutation(rows)[:MOST_SIMULATED])
    part = _among(distribution, places, rows)
    below, at = (
        np.array(
            [np.broadcast_to(density.distribution_function(part, end), places.shape)
             for end in ends]
        )
        for ends in cell(values)
    )  # fmt: skip
    return information.randomised_null(below, at, repeats=repeats, rows=rows)


def _among(distribution: Distribution, places: np.ndarray, rows: int) -> Distribution:
    """The distributions of some of the rows."""
    return Distribution(
        distribution.name,
        tuple(p[places] if np.shape(p)[:1] == (rows,) else p for p in distribution.parameters),
        tuple(_among(part, places, rows) for part in distribution.components),
    )


def _atoms(distribution: Distribution, observed: np.ndarray, width: float | None) -> np.ndarray:
    """Values that may have a probability of their own, in increasing order."""
    if width is not None:
        return np.arange(np.rint(observed.min() / width), observed.max() / width + 1) * width
    if not density.is_discrete(distribution):
        return np.unique(np.concatenate([[0.0, 1.0], *_limits(distribution)]))
    last = max(1.0, float(observed.max()))
    while np.max(density.survival_function(distribution, last)) > TAIL and last < MOST_ATOMS:
        last *= 2
    return np.arange(min(0.0, float(observed.min())), last + 1)


def _limits(distribution: Distribution) -> list[np.ndarray]:
    """Where censoring puts an atom, and points are."""
    own = distribution.parameters if distribution.name in ("Censored", "DiracDelta") else ()
    found = [np.unique(limit[np.isfinite(limit)]) for limit in map(np.asarray, own)]
    return found + [limit for part in distribution.components for limit in _limits(part)]
