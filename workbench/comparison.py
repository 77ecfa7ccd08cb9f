"""Models against each other on the same rows: paired differences, in which the entropy cancels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from workbench import information
from workbench.cross_validation import CrossValidation
from workbench.errors import DataError, ModelError, nearest
from workbench.evaluation import Evaluation
from workbench.implied import Spread, implied_spreads
from workbench.information import Mean
from workbench.leaving_out import LeaveOneOut
from workbench.reweighting import PsisLoo

FEW_ROWS = 100
SMALL_TOTAL = 4.0  # nats in all, as in arviz-stats' compare
FAR_APART = 1.5  # of the two standard errors, from which on the rows' own is doubtful


@dataclass(frozen=True)
class Difference:
    """CE of one model less that of another, nats per row, with two standard errors.

    `rows` is the mean of the rowwise differences, with the error that the rows themselves show (by
    group or block, where they are not independent). `spread` is what the better of the two models
    implies for a row, if it is true and rows are independent.
    """

    rows: Mean
    spread: Spread

    @property
    def value(self) -> float:
        return self.rows.value

    @property
    def implied_se(self) -> float:
        """The error that the better model implies; NaN where it has none to give."""
        return self.spread.sd / math.sqrt(self.rows.count)

    @property
    def se(self) -> float:
        """The one used: the larger of the two."""
        return self.rows.se if self.by_rows else self.implied_se

    @property
    def by_rows(self) -> bool:
        """Whether the error used is the one that the rows show."""
        return not self.implied_se > self.rows.se

    @property
    def finite(self) -> bool:
        """Whether the difference has a finite variance, as far as the better model can tell."""
        return self.spread.finite

    @property
    def mean(self) -> Mean:
        """The difference with the error used."""
        return self.rows if self.by_rows else replace(self.rows, se=self.implied_se, skewness=0.0)


@dataclass(frozen=True)
class Comparison:
    """Evaluations of the same rows in order of cross-entropy, best first.

    All differences are means of rowwise differences of NLL, in nats per row, with standard
    errors that respect the groups. `limit` is how many of them separate two models, for all
    rivals of the best at once.
    """

    evaluations: dict[str, Evaluation]
    reference: str
    competitor: str | None
    level: float

    @property
    def best(self) -> str:
        return next(iter(self.evaluations))

    @cached_property
    def limit(self) -> float:
        """Standard errors that separate two models, for all rivals of the best at once.

        The simultaneous (max-t) limit of the differences from one model, for whichever model it
        is largest. So the model that is best in truth, whichever that is, stands separated from
        the best of these rows in about (1 - level) / 2 of samples or less, although that one was
        picked on them.
        """
        losses = {name: one.pointwise for name, one in self.evaluations.items()}
        if len(losses) == 1:
            return information.simultaneous_z(1, self.level, self._units)
        first = self.evaluations[self.best]
        with np.errstate(invalid="ignore"):  # inf - inf is NaN, and says so itself
            return max(
                information.simultaneous_limit(
                    [loss - control for other, loss in losses.items() if other != name],
                    weights=first.weights,
                    groups=first.clusters,
                    level=self.level,
                )
                for name, control in losses.items()
            )

    def difference(self, name: str, other: str) -> Difference:
        """CE of `name` minus CE of `other`: the difference of their KL from the truth."""
        a, b = self._evaluation(name), self._evaluation(other)
        with np.errstate(invalid="ignore"):
            d = a.pointwise - b.pointwise
        rows = a.mean(d)
        better, worse = (name, other) if rows.value < 0 else (other, name)
        return Difference(rows, self._spreads_under(better)[worse])

    def above_best(self, name: str) -> Difference | None:
        """How much worse than the best; None for the best itself."""
        return None if name == self.best else self.difference(name, self.best)

    def above_reference(self, name: str) -> Difference | None:
        """How much worse (above zero) or better than the reference; None for the reference."""
        return None if name == self.reference else self.difference(name, self.reference)

    def above_competitor(self, name: str) -> Difference | None:
        """A lower bound of this model's KL: KL(q) >= CE(q) - CE(r), r fixed beforehand.

        It holds because the competitor r, the model of lowest training NLL, was not chosen on
        these rows; in truth r itself is at some distance from the truth.
        """
        if self.competitor is None or name == self.competitor:
            return None
        return self.difference(name, self.competitor)

    def vuong(self, name: str, other: str) -> float:
        """Vuong's statistic (1989): the paired difference over the error that the rows show.

        sqrt(m) mean(d) / sd(d), d the rows' loss under `name` less that under `other`: above zero
        `other` is better. By group or block, where rows are not independent. On the rows that the
        models were fitted on, the fitted parameters are paid for as in AIC, k nats in all each
        (Vuong's corrected statistic); it is then standard normal only where the two models do not
        share the density that is nearest to the truth, as nested ones may. On held-out rows the
        fits are fixed, and it is standard normal wherever the rows' error can be trusted. Rows
        that were left out have paid.
        """
        a, b = self._evaluation(name), self._evaluation(other)
        rows = self.difference(name, other).rows
        paid = 0.0 if a.heldout or a.left_out else (a.k - b.k) / rows.count
        return (rows.value + paid) / rows.se if rows.se > 0 else math.nan

    def separated(self, name: str) -> bool:
        """Whether the best is separated from this model.

        Unknown errors separate nothing, nor does a difference that is small over all rows, or has
        no finite variance.
        """
        gap = self.above_best(name)
        if gap is None or not gap.finite or gap.value * self.rows < SMALL_TOTAL:
            return False
        return bool(gap.value > self.limit * gap.se)

    @property
    def rows(self) -> float:
        """Rows compared on, counted by their frequency weights."""
        return float(self.evaluations[self.best].weights.sum())

    @property
    def flags(self) -> tuple[str, ...]:
        """What makes a difference hard to trust on these rows."""
        held_out = "held-out " * self.evaluations[self.best].heldout
        said = [f"only {self.rows:g} {held_out}rows"] if self.rows < FEW_ROWS else []
        for name in self.evaluations:
            gap = self.above_best(name)
            if gap is not None:
                said += self._doubts(name, gap)
        return tuple(said)

    def to_frame(self) -> pd.DataFrame:
        """One row a model: cross_entropy, se, and its differences from the best, nats per row.

        above_best, se_above_best (the larger of se_rows and se_implied), vuong, separated, and
        above_reference.
        """
        rows = {}
        for name, evaluation in self.evaluations.items():
            gap, other = self.above_best(name), self.above_reference(name)
            rows[name] = {
                "cross_entropy": evaluation.cross_entropy.value,
                "se": evaluation.cross_entropy.se,
                "above_best": 0.0 if gap is None else gap.value,
                "se_above_best": math.nan if gap is None else gap.se,
                "se_rows": math.nan if gap is None else gap.rows.se,
                "se_implied": math.nan if gap is None else gap.implied_se,
                "vuong": math.nan if gap is None else self.vuong(name, self.best),
                "separated": self.separated(name),
                "above_reference": 0.0 if other is None else other.value,
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    @property
    def _units(self) -> float:
        units = self.evaluations[self.best].cross_entropy
        return units.count if units.clusters is None else units.clusters

    def _doubts(self, name: str, gap: Difference) -> list[str]:
        said = []
        if abs(gap.value) * self.rows < SMALL_TOTAL:
            said.append(
                f"{name} and {self.best} differ by less than {SMALL_TOTAL:g} nats over all rows"
            )
        if not gap.finite:
            said.append(
                f"the difference between {name} and {self.best} has no finite variance here, as "
                f"far as outcomes simulated from {self.best} tell: it separates nothing"
            )
        elif gap.implied_se > FAR_APART * gap.rows.se:
            said.append(
                f"the difference between {name} and {self.best} would have a standard error "
                f"{gap.implied_se / gap.rows.se:.2g} times that of these rows if {self.best} were "
                "true: the rows that decide are rare"
            )
        if gap.spread.impossible:
            said.append(
                f"{100 * gap.spread.impossible:.2g} % of the outcomes that {self.best} expects are "
                f"impossible under {name}"
            )
        return said

    @cached_property
    def _spreads(self) -> dict[str, dict[str, Spread]]:
        """By the better model, of every model: simulated when first asked for."""
        return {}

    def _spreads_under(self, better: str) -> dict[str, Spread]:
        if better not in self._spreads:
            self._spreads[better] = implied_spreads(self.evaluations[better], self.evaluations)
        return self._spreads[better]

    def _evaluation(self, name: str) -> Evaluation:
        if name not in self.evaluations:
            raise DataError(
                f"no model '{name}' in this comparison{nearest(name, self.evaluations)}"
            )
        return self.evaluations[name]


def compare(
    evaluations: Mapping[str, Evaluation | LeaveOneOut | CrossValidation | PsisLoo],
    *,
    reference: str | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compare fits on the same rows: same labels, outcomes and weights, in the same order.

    evaluations
        By name. Of training rows whose losses leave them out, those of `leave_one_out` and
        `psis_loo` compare with each other, and those of `cross_validate` over as many folds.
    reference
        A model to which others are related; by default the first. Raises DataError where the
        rows differ, or a name is unknown.
    """
    if not evaluations:
        raise DataError("there is no evaluation to compare")
    told = {
        name: one if isinstance(one, Evaluation) else one.evaluation
        for name, one in evaluations.items()
    }
    first_name, first = next(iter(told.items()))
    for name, evaluation in told.items():
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
    ordered = dict(sorted(told.items(), key=lambda item: item[1].cross_entropy.value))
    return Comparison(ordered, reference, _competitor(ordered), level)


def unlike(one: Evaluation, other: Evaluation) -> str:
    """Why the difference of two cross-entropies says nothing; empty where it does."""
    if one.rows_hash != other.rows_hash:
        return (
            "they were not evaluated on the same rows with the same outcomes, so nothing can be "
            "paired; give both one Dataset, or one outcome and one unit of the likelihood"
        )
    if one.left_out != other.left_out:
        ways = [each.left_out or "not at all" for each in (one, other)]
        return f"its rows are left out of the fits {ways[0]}, those of the other {ways[1]}"
    if one.heldout != other.heldout:
        return "only one of them is held out; evaluate both on rows that neither was fitted on"
    apart = one.atoms != other.atoms
    if not apart.any():
        return ""
    if apart.all():
        return (
            "one gives probabilities, the other densities, which change with the unit; compare "
            "like with like, or declare the rounding width that makes a density a probability"
        )
    row = int(apart.argmax())
    return (
        f"the outcome {one.observed[row]:g} at row {one.labels[row]} (and {apart.sum() - 1} more) "
        "has a probability under one of them and a density under the other, which are no losses "
        "of one kind; compare models with the same atoms"
    )


def _competitor(evaluations: Mapping[str, Evaluation]) -> str | None:
    """The model of lowest training NLL: a choice that never saw the held-out rows."""
    if len(evaluations) < 2 or not all(e.heldout for e in evaluations.values()):
        return None
    return min(evaluations, key=lambda name: evaluations[name].training_nll)
