"""The table of differences between models: with two standard errors, and from the reference."""

from workbench.findings import Contender, Ranking
from workbench.report.layout import NONE, Cell, Row, Table, cells, columns
from workbench.report.numbers import UNKNOWN, away, decimals, quantity, ratio, to_error

BY_ROWS, IMPLIED, LEFT_OUT = "SE by rows", "SE implied", "ΔCE left out"


def used(one: Contender) -> str:
    """Which of the two standard errors a difference is told with, where it is not the rows' own."""
    if one.se_implied is None or one.se_rows is None or one.se_implied <= one.se_rows:
        return ""
    return IMPLIED


def difference_table(ranking: Ranking) -> Table:
    """Each rival's cross-entropy above the best, its errors, and its place beside the reference."""
    best, *rivals = ranking.contenders
    related = any(one.above_reference for one in ranking.contenders)
    names = [best, *rivals] if related and best.name != ranking.reference else rivals
    again = any(one.left_out for one in rivals)
    rows = tuple(_row(one, ranking, related, again) for one in names)
    caption = (
        f"Nats per row, row by row. {BY_ROWS} is what these rows show; {IMPLIED} is what outcomes "
        f"in the same rows would give, simulated from {best.name}, if it were true and the rows "
        "independent. ΔCE is told with the larger: rows that decide but are rare may all be "
        "missing here. Vuong's z is ΔCE over its error by rows."
        + f" {LEFT_OUT} is the same difference on the training rows, each (or its group) left out "
        "of both fits: new to the parameters, but not to whoever chose the models." * again
    )
    heading = columns(
        "Model", "ΔCE to the best", BY_ROWS, IMPLIED, "ΔCE / larger", "Vuong's z",
        *[LEFT_OUT] * again, *[f"ΔCE to {ranking.reference}"] * related,
    )  # fmt: skip
    return Table("table-differences", "Differences and their errors", caption, heading, rows)


def _row(one: Contender, ranking: Ranking, related: bool, again: bool) -> Row:
    gap = one.above_best
    told: list[str | Cell] = [NONE] * 5
    if gap is not None:
        z = gap.value / one.se_rows if gap.value is not None and one.se_rows else None
        told = [
            quantity(gap), _error(one.se_rows), Cell(_error(one.se_implied), one.implied_reason),
            away(ratio(gap), ranking.limit),
            decimals(z, 1),
        ]  # fmt: skip
    left_out = NONE if gap is None else UNKNOWN if one.left_out is None else quantity(one.left_out)
    reference = "the reference" if one.name == ranking.reference else quantity(one.above_reference)
    return Row(cells(one.name, *told, *[left_out] * again, *[reference] * related))


def _error(se: float | None) -> str:
    return UNKNOWN if se is None else to_error(se, se)
