"""The table of nested models: likelihood ratios, where a study declares them."""

from workbench.findings import Findings, NestedFound
from workbench.report.layout import Cell, Row, Table, cells, columns
from workbench.report.numbers import UNKNOWN, decimals, number

NULLS = {
    "chi-squared": "χ²",
    "boundary": "½ χ²₀ + ½ χ²₁, a parameter at its boundary",
    "simulated": "simulated from the smaller",
}


def nested_table(findings: Findings) -> Table:
    """Twice the nats that the larger model gains, against what chance would give."""
    caption = (
        "Twice the gain in log-likelihood on the training rows, against its law if the smaller "
        "model were true. That one model is a restriction of the other is declared, not found. "
        "It asks whether the restriction is exactly right, not which model predicts better."
    )
    heading = columns("Smaller within larger", "2 × gain, nats", "df", "p", "Null", text=("Null",))
    rows = tuple(_row(one, len(heading)) for one in findings.nested)
    return Table("table-nested", "Nested models", caption, heading, rows)


def _row(one: NestedFound, width: int) -> Row:
    name = Cell(one.small, f"within {one.large}")
    if one.reason:
        return Row((name, Cell(one.reason, span=width - 1)), "muted")
    df = UNKNOWN if one.df is None else number(one.df, 2)
    simulated = "–" if one.null == "simulated" else df
    null = NULLS.get(one.null, one.null)
    return Row((name, *cells(decimals(one.statistic, 2), simulated, number(one.p_value, 2), null)))
