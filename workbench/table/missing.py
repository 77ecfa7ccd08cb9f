"""Rows with missing values, dropped because somebody said so, and counted."""

from dataclasses import replace

from workbench.errors import DataError
from workbench.table.rows import Dropped, Table, require_columns


def drop_missing(table: Table, *columns: str) -> Table:
    """The rows without a missing value in `columns` (all, where none is named).

    `Table.dropped` keeps what was dropped, added to what was before. Where a role's column has
    gaps, declare it afterwards: `wb.read(wb.drop_missing(wb.read(file)), group=...)`. Raises
    DataError for a column that is not there, and where no row is complete.
    """
    require_columns(table, list(columns), "drop_missing")
    missing = table.frame[list(dict.fromkeys(columns)) or table.columns].isna()
    incomplete = missing.any(axis="columns").to_numpy()
    counts = {column: int(count) for column, count in missing.sum().items() if count}
    if incomplete.all():
        told = ", ".join(f"{column} ({count})" for column, count in counts.items())
        raise DataError(
            f"no row of {table.source} is complete, so dropping those with missing values leaves "
            f"none: there are some in {told}."
        )
    before = table.dropped or Dropped({}, 0, 0)
    every = {name: before.counts.get(name, 0) + counts.get(name, 0)
             for name in (*before.counts, *counts)}  # fmt: skip
    kept = table.take(~incomplete)
    return replace(kept, dropped=Dropped(every, before.rows + int(incomplete.sum()), len(kept)))
