"""Models against each other on the same rows: paired differences, in which the entropy cancels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench import information
from workbench.errors import DataError, ModelError, nearest
from workbench.evaluation import Evaluation
from workbench.information import Mean

FEW_ROWS = 100
SMALL_TOTAL = 4.0  # nats in all, as in arviz-stats' compare


@dataclass(frozen=True)
class Comparison:
    """Evaluations of the same rows in order of cross-entropy, best first.

    All differences are means of rowwise differences of NLL, in nats per row, with standard
    errors that respect the groups. `limit` is how many of them separate two models, for all
    rivals of the best at once (Bonferroni).
    """

    evaluations: dict[str, Evaluation]
    reference: str
    competitor: str | None
    level: float

    @property
    def best(self) -> str:
        return next(iter(self.evaluations))

    @property
    def limit(self) -> float:
        """Standard errors that separate two models, for all rivals of the best at once."""
        units = self.evaluations[self.best].cross_entropy
        independent = units.count if units.clusters is None else units.clusters
        rivals = max(len(self.evaluations) - 1, 1)
        return information.simultaneous_z(rivals, self.level, independent)

    def difference(self, name: str, other: str) -> Mean:
        """CE of `name` minus CE of `other`: the difference of their KL from the truth."""
        a, b = self._evaluation(name), self._evaluation(other)
        return information.mean(a.pointwise - b.pointwise, weights=a.weights, groups=a.groups)

    def above_best(self, name: str) -> Mean | None:
        """How much worse than the best; None for the best itself."""
        return None if name == self.best else self.difference(name, self.best)

    def above_competitor(self, name: str) -> Mean | None:
        """A lower bound of this model's KL: KL(q) >= CE(q) - CE(r), r fixed beforehand.

        It holds because the competitor r, the model of lowest training NLL, was not chosen on
        these rows; in truth r itself is at some distance from the truth.
        """
        if self.competitor is None or name == self.competitor:
            return None
        return self.difference(name, self.competitor)

    def separated(self, name: str) -> bool:
        """Whether the best is separated from this model.

        Unknown errors separate nothing, nor does a difference that is small over all rows.
        """
        gap = self.above_best(name)
        if gap is None or gap.value * self.rows < SMALL_TOTAL:
            return False
        return bool(gap.value > self.limit * gap.se)

    @property
    def rows(self) -> float:
        """Rows compared on, counted by their frequency weights."""
        return float(self.evaluations[self.best].weights.sum())

    @property
    def flags(self) -> tuple[str, ...]:
        """What makes a difference hard to trust on these rows."""
        rows = self.rows
        said = [f"only {rows:g} held-out rows"] if rows < FEW_ROWS else []
        for name in self.evaluations:
            gap = self.above_best(name)
            if gap is not None and abs(gap.value) * rows < SMALL_TOTAL:
                said.append(
                    f"{name} and {self.best} differ by less than {SMALL_TOTAL:g} nats over all rows"
                )
        return tuple(said)

    def to_frame(self) -> pd.DataFrame:
        """One row a model: cross_entropy, se, above_best, se_above_best, separated."""
        rows = {}
        for name, evaluation in self.evaluations.items():
            gap = self.above_best(name)
            rows[name] = {
                "cross_entropy": evaluation.cross_entropy.value,
                "se": evaluation.cross_entropy.se,
                "above_best": 0.0 if gap is None else gap.value,
                "se_above_best": np.nan if gap is None else gap.se,
                "separated": self.separated(name),
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def _evaluation(self, name: str) -> Evaluation:
        if name not in self.evaluations:
            raise DataError(
                f"no model '{name}' in this comparison{nearest(name, self.evaluations)}"
            )
        return self.evaluations[name]


def compare(
    evaluations: Mapping[str, Evaluation], *, reference: str | None = None, level: float = 0.95
) -> Comparison:
    """Compare fits on the same rows: same labels, outcomes and weights, in the same order.

    reference
        A model to which others are related; by default the first. Raises DataError where the
        rows differ, or a name is unknown.
    """
    if not evaluations:
        raise DataError("there is no evaluation to compare")
    first_name, first = next(iter(evaluations.items()))
    for name, evaluation in evaluations.items():
        if why := unlike(evaluation, first):
            raise DataError(f"'{name}' is not comparable with '{first_name}': {why}")
        if not evaluation.ranked:
            raise ModelError(
                f"'{name}' is {evaluation.status}, so it has no maximum to be compared at; "
                "leave it out, and see its summary() for what to do"
            )
    reference = reference or first_name
    if reference not in evaluations:
        raise DataError(f"no model '{reference}' to refer to{nearest(reference, evaluations)}")
    ordered = dict(sorted(evaluations.items(), key=lambda item: item[1].cross_entropy.value))
    return Comparison(ordered, reference, _competitor(ordered), level)


def unlike(one: Evaluation, other: Evaluation) -> str:
    """Why the difference of two cross-entropies says nothing; empty where it does."""
    if one.rows_hash != other.rows_hash:
        return (
            "they were not evaluated on the same rows with the same outcomes, so nothing can be "
            "paired; give both one Dataset, or one outcome and one unit of the likelihood"
        )
    if one.heldout != other.heldout:
        return "only one of them is held out; evaluate both on rows that neither was fitted on"
    if one.discrete != other.discrete:
        return (
            "one gives probabilities, the other densities, which change with the unit; compare "
            "like with like"
        )
    return ""


def _competitor(evaluations: Mapping[str, Evaluation]) -> str | None:
    """The model of lowest training NLL: a choice that never saw the held-out rows."""
    if len(evaluations) < 2 or not all(e.heldout for e in evaluations.values()):
        return None
    return min(evaluations, key=lambda name: evaluations[name].training_nll)
