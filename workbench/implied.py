"""How far apart two losses spread if the better model is true: rows kept, outcomes simulated.

Where the rows that decide are rare, as in heavy tails, the rows' own spread is too small just when
none of them has been seen, and no resampling of rows can show it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.errors import DataError, ModelError
from workbench.evaluation import Evaluation

DRAWS = 10_000  # outcomes in all, shared out among the rows; as many again for the second half
MOVED = 0.1  # by which twice as many may move a spread that is finite


@dataclass(frozen=True)
class Spread:
    """Standard deviation of a row's difference of losses under the better model, nats.

    `sd` is that of 2 x 10,000 draws, `half` of the first 10,000. Outcomes that the other model
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
    simulated with the evaluation's seed. It takes rows for independent.
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
        spreads[name] = _spread(*(loss - at for loss, at in zip(losses, own, strict=True)))
    return spreads


def _places(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows as often as their weights say, evenly through the table (systematic sampling)."""
    steps = (np.arange(DRAWS) + rng.random()) / DRAWS
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
