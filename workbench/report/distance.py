"""How far the truth is from each model: bounds of KL, and what the predictors still tell."""

from collections.abc import Iterable

from workbench.findings import (
    Contender,
    DivergenceFound,
    Findings,
    FitFound,
    InformationLeftFound,
    Ranking,
)
from workbench.information import GIVEN_PREDICTORS
from workbench.report.layout import NONE, Cell, Row, Table, cells, columns
from workbench.report.numbers import UNKNOWN, number, quantity, whole

WHOLE = "KL"  # the label of a model without predictors
FEW = 100  # rows, or groups
SHOWN = 3  # predictors named beside the one that tells most


def truth_table(findings: Findings, ranking: Ranking) -> Table:
    """Lower bounds of KL, each with its conditions."""
    above = f"CE above {ranking.competitor}" if ranking.competitor else "CE above a competitor"
    discrete = findings.data.probabilities

    def upper(one: Contender) -> list[str]:
        return [quantity(one.cross_entropy)] if discrete else []

    found = {one.name: findings.fit(one.name).heldout.divergence for one in ranking.contenders}
    p_values = any(kl.p_value is not None for kl in found.values())
    others = any(kl.label != WHOLE for kl in found.values())
    rows = []
    for one in ranking.contenders:
        kl = found[one.name]
        alone = "the competitor" if ranking.competitor else NONE
        bound = quantity(one.above_competitor) if one.above_competitor else alone
        seen = Cell(quantity(kl.estimate), _condition(kl, others))
        told = [number(kl.floor, 2), *[number(kl.p_value, 2)] * p_values]
        rows.append(Row(cells(one.name, bound, seen, *told, *upper(one))))
    caption = (
        "KL of the truth from each model in nats per row, estimated with a standard error: at "
        "least each of the first two columns"
        + ", at most the last"
        * discrete
        + ". A calibration KL below its floor is what "
        "a perfect model would show by chance; it may be negative by noise."
        + (" The p-value is of a perfect model." if p_values else _no_p_value(findings))
        + " Of so few rows it is too low where a model is far off." * _few(found.values())
    )
    heading = columns("Model", above, "Calibration KL", "its floor", *["its p-value"] * p_values,
                      *["at most (CE)"] * discrete)  # fmt: skip
    return Table(
        "table-truth",
        "Estimated lower bounds of the distance from the truth",
        caption,
        heading,
        tuple(rows),
    )


def further_tables(findings: Findings, ranking: Ranking) -> list[Table]:
    """What else is known of KL: given the predictors, or from below; none where nothing is."""
    pairs = [(one.name, further) for one in ranking.contenders
             for further in findings.fit(one.name).heldout.further]  # fmt: skip
    if not pairs:
        return []
    caption = "Each stands for itself: the largest, picked on these rows, would be no bound."
    if any(further.label.startswith(GIVEN_PREDICTORS) for _, further in pairs):
        caption += (
            " KL given the predictors compares the outcomes of rows that share all predictors of "
            "a model with what it expects of them, and takes them for independent; a predictor "
            "that the model does not have is not seen. Few patterns of many rows tell it best; "
            "where outcomes are rarer under the model than in truth, it comes out too high."
        )
    rows = [
        Row(cells(name, one.label, Cell(quantity(one.estimate), one.reason), one.estimate.unit,
                  number(one.floor, 2), number(one.p_value, 2)))
        for name, one in pairs
    ]  # fmt: skip
    caption += " Floor and p-value are of a perfect model, which stays below the floor in 95 %."
    heading = columns("Model", "What", "Estimate", "Unit", "its floor", "p-value",
                      text=("What", "Unit"))  # fmt: skip
    title = "More of the distance from the truth"
    return [Table("table-further", title, caption, heading, tuple(rows))]


def left_tables(findings: Findings, ranking: Ranking) -> list[Table]:
    """One table of the ranked models for which it is known; none if there is no such."""
    fits = [findings.fit(one.name) for one in ranking.contenders]
    known = [left for fit in fits if (left := fit.heldout.information_left) and left.names]
    if not known:
        return []
    unit = "groups" if findings.data.group else "blocks of neighbours"
    looked = whole(known[0].rows) + (f" {unit}, one row of each" if known[0].grouped else " rows")
    caption = (
        "I(u; x), the information in nats per row that a predictor x carries about the PIT u: with "
        "the calibration KL it makes up KL, all predictors together. Nearest neighbours' estimates "
        f"on {looked}, less their mean over {known[0].permutations} permutations of the "
        "predictors' rows. The p-value and the floor are of the largest of all, which was picked "
        "on these rows: below the floor nothing is resolved, above it the number adds to the "
        "calibration KL as a lower bound."
    )
    heading = columns("Model", "Tells most", "I(u; x)", "its floor", "p-value", "next",
                      text=("Tells most", "next"))  # fmt: skip
    rows = tuple(_row(fit) for fit in fits)
    return [Table("table-left", "What the predictors still tell", caption, heading, rows)]


def _row(fit: FitFound) -> Row:
    left = fit.heldout.information_left
    if left is None or not left.names:
        reason = left.reason if left else ""
        return Row(cells(fit.name, reason or UNKNOWN, "", "", "", ""))
    (name, value), *others = _in_order(left)
    following = ", ".join(f"{other} {number(told, 2)}" for other, told in others[:SHOWN])
    shown = number(value, 2), number(left.floor, 2), number(left.p_value, 2)
    return Row(cells(fit.name, name, *shown, following))


def _in_order(left: InformationLeftFound) -> list[tuple[str, float]]:
    """Predictors by what they tell, most first."""
    pairs = [(name, value) for name, value in zip(left.names, left.estimates, strict=True)
             if value is not None]  # fmt: skip
    return sorted(pairs, key=lambda pair: -pair[1])


def _few(found: Iterable[DivergenceFound]) -> bool:
    """Whether spacings were of so few rows that they cannot show a density of several humps."""
    known = [one.estimate for one in found if one.estimate.value is not None]
    return any((one.clusters or one.count) < FEW for one in known)


def _no_p_value(findings: Findings) -> str:
    data = findings.data
    if data.group is None and data.heldout_blocks is None:
        return ""
    kind = "neighbouring rows" if data.group is None else "rows of one group"
    return f" There is no p-value: {kind} are not independent."


def _condition(found: DivergenceFound, predictors: bool) -> str:
    """Why there is no number; and a model without predictors shows its KL whole.

    That is of the outcome alone: where other models have `predictors`, more may be known.
    """
    if found.estimate.value is None:
        return found.reason
    if found.label != WHOLE:
        return ""
    return "KL without regard to predictors" if predictors else "KL itself"
