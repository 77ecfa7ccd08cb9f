"""How far apart two losses spread if the better model is true: rows kept, outcomes simulated.

Where the rows that decide are rare, as in heavy tails, the rows' own spread is too small just when
none of them has been seen, and no resampling of rows can show it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from workbench import density
from workbench.errors import DataError, ModelError
from workbench.evaluation import Evaluation

DRAWS = 10_000  # outcomes in all, shared out among the rows; as many again for the second half
MOVED = 0.1  # by which twice as many may move a spread that is finite
ROWS = 200  # of which an integral is taken where draws do not settle
INNER = slice(6, -6)  # of its 101 nodes: without the outermost the integral must be the same


@dataclass(frozen=True)
class Spread:
    """Standard deviation of a row's difference of losses under the better model, nats.

    `sd` is that of 2 x 10,000 draws, `half` of the first 10,000; or of an integral, with and
    without its outermost tails, where the draws do not settle. Outcomes that the other model
    holds for impossible are an infinite difference; they are `impossible`, a share, and left out,
    as the rows compared on have none. Without a spread both are NaN, for a `reason`.
    """

    sd: float
    half: float
    impossible: float = 0.0
    reason: str = ""

    @property
    def finite(self) -> bool:
        """Whether it has settled: a variance that is infinite goes on growing."""
        return math.isnan(self.sd) or abs(self.sd - self.half) <= MOVED * self.half


def implied_spreads(better: Evaluation, others: Mapping[str, Evaluation]) -> dict[str, Spread]:
    """The spread of each model's loss less that of `better`, if `better` were true.

    Rows are taken in proportion to their weights, each with its own predictors; outcomes are
    simulated with the evaluation's seed. It takes rows for independent. Where draws do not settle,
    the spread is integrated over the better model's quantiles, if it is one of the families with
    a density: Student's t of 4.5 degrees has a variance that no number of draws shows.
    """
    rng = np.random.default_rng([better.seed, DRAWS])
    spreads = {}
    try:
        places = [_places(better.weights, rng) for _ in range(2)]
        drawn = [better.simulated(rows, rng) for rows in places]
        own = [better.losses_at(rows, y) for rows, y in zip(places, drawn, strict=True)]
    except (DataError, ModelError) as reason:
        return {name: Spread(math.nan, math.nan, reason=str(reason)) for name in others}
    for name, other in others.items():
        try:
            losses = [other.losses_at(rows, y) for rows, y in zip(places, drawn, strict=True)]
        except (DataError, ModelError) as reason:
            spreads[name] = Spread(math.nan, math.nan, reason=str(reason))
            continue
        spread = _spread(*(loss - at for loss, at in zip(losses, own, strict=True)))
        spreads[name] = spread if spread.finite else _settled(spread, better, other)
    return spreads


def _settled(drawn: Spread, better: Evaluation, other: Evaluation) -> Spread:
    """The same by tanh-sinh quadrature, on a part of the rows; as drawn where there is none."""
    law = better.distribution if better.ordered else None
    smooth = law is not None and law.name in density.FAMILIES and not density.has_atoms(law)
    if not smooth or better.recording.width is not None:
        return drawn
    places = _places(better.weights, np.random.default_rng(better.seed), ROWS)
    w, recorded = better.quantiles_at(places)
    every = np.tile(places, len(w))
    d = other.losses_at(every, recorded.ravel()) - better.losses_at(every, recorded.ravel())
    d = d.reshape(recorded.shape)
    return replace(drawn, sd=_deviation(w, d), half=_deviation(w[INNER], d[INNER]))


def _deviation(weights: np.ndarray, d: np.ndarray) -> float:
    """Standard deviation of d (q, r), by the weights of its nodes, where it is finite."""
    possible = np.isfinite(d)
    powers = (np.where(possible, d, 0.0) ** power for power in (1, 2))
    total = weights @ possible.mean(axis=1)
    mean, square = (float(weights @ values.mean(axis=1) / total) for values in powers)
    return math.sqrt(max(square - mean**2, 0.0))


def _places(weights: np.ndarray, rng: np.random.Generator, count: int = DRAWS) -> np.ndarray:
    """Rows as often as their weights say, evenly through the table (systematic sampling)."""
    steps = (np.arange(count) + rng.random()) / count
    cumulative = np.cumsum(weights) / weights.sum()
    return np.minimum(np.searchsorted(cumulative, steps, side="right"), len(weights) - 1)


def _spread(first: np.ndarray, second: np.ndarray) -> Spread:
    both = np.concatenate([first, second])
    possible = np.isfinite(both)
    if not possible.any():
        return Spread(math.nan, math.nan, 1.0, "it simulates only what the other holds impossible")
    half = first[np.isfinite(first)]
    return Spread(
        sd=float(both[possible].std(ddof=1)),
        half=float(half.std(ddof=1)) if half.size > 1 else math.nan,
        impossible=float(1 - possible.mean()),
    )
