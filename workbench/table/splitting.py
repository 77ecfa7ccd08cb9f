"""Training rows and held-out rows: a table in two."""

from datetime import date, datetime

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.table.drawing import (
    blocks_in_order,
    drawn,
    strata_of,
    time_codes,
    units_nearest,
    units_of,
)
from workbench.table.rows import Table, numbers, require_columns


def split(
    table: Table,
    *,
    heldout: float | None = None,
    last: float | None = None,
    after: str | float | date | None = None,
    column: str | None = None,
    stratify: str | None = None,
    blocks: int | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[Table, Table]:
    """The training rows and the held-out rows, each in the table's order, by exactly one way.

    heldout
        That fraction of the rows, drawn at random: whole groups where a group is declared.
        `stratify` draws the same share of each level of a column (of numbers with more than 10
        values, between their deciles); with groups it must be constant within each. `blocks` cuts
        the rows into so many contiguous blocks, in time where it is declared, else in row order,
        and draws whole blocks instead of rows or groups.
        A row of frequency weight w stands on one side with all that it counts for; of the cells
        of a table, alike but for the outcome, mark a part of each in a column instead.
    last
        The latest fraction of the rows in time; rows of one time stay together.
    after
        What is later than that time.
    column
        The rows where it is 1.
    rng
        None means a generator seeded with 0.

    Raises DataError where that cannot be done, and where a part would have no row.
    """
    ways = {"heldout": heldout, "last": last, "after": after, "column": column}
    given = [way for way, value in ways.items() if value is not None]
    _refuse_contradictions(given, stratify, blocks)
    if heldout is not None:
        rng = rng or np.random.default_rng(0)
        out = _at_random(table, _fraction(heldout, "heldout"), stratify, blocks, rng)
    elif last is not None:
        out = _latest(table, _fraction(last, "last"))
    elif column is not None:
        out = _marked(table, column)
    else:
        assert after is not None  # the one way left
        out = _later(table, after)
    for part, mask in (("training", ~out), ("held-out", out)):
        if not mask.any():
            raise DataError(f"this split by {given[0]} leaves the {part} part without rows.")
    return table.take(~out), table.take(out)


def _refuse_contradictions(given: list[str], stratify: str | None, blocks: int | None) -> None:
    if len(given) != 1:
        got = " and ".join(given) or "none"
        raise DataError(
            f"a split needs exactly one of heldout, last, after and column, but got {got}."
        )
    if stratify is not None and blocks is not None:
        raise DataError(
            "a split draws either from strata or whole blocks, but got stratify and blocks."
        )
    for name, value in (("stratify", stratify), ("blocks", blocks)):
        if value is not None and given != ["heldout"]:
            raise DataError(f"{name} goes with heldout, but got {given[0]}.")


def _fraction(value: float, name: str) -> float:
    if not 0 < value < 1:
        raise DataError(f"{name} is a fraction between 0 and 1, but got {value}.")
    return value


def _at_random(
    table: Table,
    fraction: float,
    stratify: str | None,
    blocks: int | None,
    rng: np.random.Generator,
) -> np.ndarray:
    units = units_of(table) if blocks is None else blocks_in_order(table, blocks, "blocks")
    if stratify is not None:
        return drawn(units, fraction, rng, strata_of(table, stratify, units), least=0)
    one = np.zeros(int(units.max()) + 1, dtype=np.int64)
    # A single group, or block, may be more than the fraction; a row is as near as it can be.
    least = 0 if table.roles.group is None and blocks is None else 1
    return drawn(units, fraction, rng, one, least)


def _latest(table: Table, fraction: float) -> np.ndarray:
    codes = time_codes(table, f"last={fraction}")
    sizes = np.bincount(codes)
    return codes >= len(sizes) - units_nearest(sizes[::-1], fraction * len(table), least=1)


def _marked(table: Table, column: str) -> np.ndarray:
    require_columns(table, [column], "split")
    values = numbers(table, column)
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        first = int(wrong.argmax())
        raise DataError(
            f"column '{column}' must be 1 for held-out rows and 0 for the others, "
            f"but {table.where(first)} holds {values[first]:g}."
        )
    marked: np.ndarray = values == 1
    return marked


def _later(table: Table, after: str | float | date) -> np.ndarray:
    if table.roles.time is None:
        raise DataError(f"after={after!r} needs a time column: declare time=... when reading.")
    times = table.frame[table.roles.time]
    dated = times.dtype.kind == "M"
    try:
        limit = _end(after) if dated else float(str(after))
    except (ValueError, TypeError) as error:
        kind = "a date" if dated else "a number"
        raise DataError(
            f"after={after!r} is not {kind}, as time '{table.roles.time}' needs."
        ) from error
    later: np.ndarray = (times > limit).to_numpy(dtype=bool)
    return later


def _end(day: str | float | date) -> pd.Timestamp:
    """The last moment of a date, to its own precision: "1978" ends with December."""
    return pd.Timestamp(day) if isinstance(day, datetime) else pd.Period(str(day)).end_time
