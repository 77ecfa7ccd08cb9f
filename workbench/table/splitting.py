"""Training rows and held-out rows: a table in two."""

from datetime import date, datetime

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.table.rows import Table, numbers, require_columns


def split(
    table: Table,
    *,
    heldout: float | None = None,
    after: str | float | date | None = None,
    column: str | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[Table, Table]:
    """The training rows and the held-out rows, each in the table's order.

    `heldout` draws that fraction of the rows (whole groups where a group is declared), `after`
    holds out what is later than that time, `column` the rows where it is 1.
    """
    modes = {"heldout": heldout, "after": after, "column": column}
    given = [name for name, value in modes.items() if value is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        raise DataError(f"a split needs exactly one of heldout, after and column, but got {got}.")
    if heldout is not None:
        out = _drawn(table, heldout, rng or np.random.default_rng(0))
    elif column is not None:
        out = _marked(table, column)
    else:
        assert after is not None  # the one mode left
        out = _later(table, after)
    for part, mask in (("training", ~out), ("held-out", out)):
        if not mask.any():
            raise DataError(f"this split by {given[0]} leaves the {part} part without rows.")
    return table.take(~out), table.take(out)


def _drawn(table: Table, fraction: float, rng: np.random.Generator) -> np.ndarray:
    if not 0 < fraction < 1:
        raise DataError(f"heldout is a fraction between 0 and 1, but got {fraction}.")
    if table.roles.group is None:
        chosen = rng.permutation(len(table))[: round(fraction * len(table))]
        return np.isin(np.arange(len(table)), chosen)
    codes, labels = pd.factorize(table.frame[table.roles.group])
    if len(labels) < 2:
        raise DataError(f"group '{table.roles.group}' has one level, so it cannot be split.")
    order = rng.permutation(len(labels))
    rows = np.cumsum(np.bincount(codes)[order])[:-1]  # the last group stays in training
    count = int(np.abs(rows - fraction * len(table)).argmin()) + 1
    return np.isin(codes, order[:count])


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
