"""What is declared of the columns and of the outcome, checked before anything stands on it."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.table.rows import Table, numbers, require_columns, require_present


def checked(table: Table) -> Table:
    """The table, its time column as time stamps where it holds dates.

    Raises DataError for a role's column that is not there, has gaps, or holds what cannot be, and
    for a unit or a width that is none.
    """
    _refuse_impossible_facts(table)
    declared = table.roles.declared
    for role, column in declared.items():
        require_columns(table, [column], role)
    require_present(table, list(dict.fromkeys(declared.values())))
    for role in ("weight", "exposure", "offset", "trials"):
        if role in declared:
            values = numbers(table, declared[role])
            if role == "weight":
                _refuse_where(table, values < 0, role, "negative")
            if role == "exposure":
                _refuse_where(table, values <= 0, role, "not positive")
            if role == "trials":
                wrong = (values < 1) | (values != np.floor(values))
                _refuse_where(table, wrong, role, "not a whole number of at least 1")
    return _with_dates(table, declared["time"]) if "time" in declared else table


def _refuse_impossible_facts(table: Table) -> None:
    unit, width = table.unit, table.width
    if unit is not None and not (isinstance(unit, str) and unit.strip()):
        raise DataError(f"unit is text, such as 'visits per year', but got {unit!r}.")
    plain = isinstance(width, int | float) and not isinstance(width, bool)
    if width is not None and not (plain and math.isfinite(width) and width > 0):
        raise DataError(
            "width is a number above 0, to a multiple of which the outcome was rounded, but got "
            f"{width!r}."
        )


def _refuse_where(table: Table, bad: np.ndarray, role: str, what: str) -> None:
    if bad.any():
        first = int(bad.argmax())
        column = table.roles.declared[role]
        raise DataError(
            f"{role} '{column}' is {what} in {table.where(first)}: {table.cell(column, first)}."
        )


def _with_dates(table: Table, column: str) -> Table:
    """Times are numbers or dates; dates become time stamps without a zone, in UTC."""
    times = table.frame[column]
    if times.dtype.kind in "iuf":
        numbers(table, column)
        return table
    try:
        dates = pd.to_datetime(times, format="ISO8601", utc=True).dt.tz_localize(None)
    except (ValueError, TypeError) as error:
        raise DataError(
            f"time '{column}' is neither numbers nor dates written as 1978-12-31."
        ) from error
    return replace(table, frame=table.frame.assign(**{column: dates}))
