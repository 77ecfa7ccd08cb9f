"""What the predictors still tell of the outcome, after each model: the part calibration misses."""

from workbench.findings import Findings, FitFound, InformationLeftFound, Ranking
from workbench.report.layout import Row, Table, cells, columns
from workbench.report.numbers import UNKNOWN, number, whole

SHOWN = 3  # predictors named beside the one that tells most


def left_tables(findings: Findings, ranking: Ranking) -> list[Table]:
    """One table of the ranked models for which it is known; none if there is no such."""
    fits = [findings.fit(one.name) for one in ranking.contenders]
    known = [left for fit in fits if (left := fit.heldout.information_left) and left.names]
    if not known:
        return []
    looked = whole(known[0].rows) + (" groups, one row of each" if known[0].grouped else " rows")
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
