"""A table whose every row can be named, and its columns, whose cells are checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd

from workbench.errors import DataError, nearest


@dataclass(frozen=True)
class Roles:
    """The columns that are neither outcome nor predictor; None where a role is not declared."""

    group: str | None = None
    weight: str | None = None
    exposure: str | None = None
    offset: str | None = None
    time: str | None = None
    trials: str | None = None

    @property
    def declared(self) -> dict[str, str]:
        """Role -> column, of the declared roles alone."""
        return {role: column for role, column in asdict(self).items() if column is not None}


@dataclass(frozen=True)
class Dropped:
    """Rows dropped for their missing values, which `counts` counts by column."""

    counts: Mapping[str, int]
    rows: int
    kept: int


@dataclass(frozen=True, eq=False)
class Table:
    """Rows under their original labels; `lines` (row) is where each began in a CSV file, else 0.

    `unit` and `width` are declared of the outcome: what it is measured in, and to a multiple of
    what it was rounded. `dropped` is None where no row was to be dropped for missing values.
    """

    frame: pd.DataFrame
    roles: Roles
    source: str
    sha256: str
    lines: np.ndarray
    unit: str | None = None
    width: float | None = None
    dropped: Dropped | None = None

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def columns(self) -> list[str]:
        return list(self.frame.columns)

    def where(self, position: int) -> str:
        """The row in the user's words: "row 17 (line 19 of visits.csv)"."""
        line = self.lines[position]
        suffix = f" (line {line} of {self.source})" if line else ""
        return f"row {self.frame.index[position]}{suffix}"

    def cell(self, column: str, position: int) -> str:
        """A cell as the user would write it."""
        return repr(self.frame[column].iloc[[position]].tolist()[0])

    def take(self, rows: np.ndarray) -> "Table":
        """The rows at these positions, or where this mask is true, in the order given."""
        return replace(self, frame=self.frame.iloc[rows], lines=self.lines[rows])


def require_columns(table: Table, columns: list[str], use: str) -> None:
    """Refuse the first of `columns` that the table lacks; `use` names who asked for it."""
    for column in columns:
        if column not in table.frame:
            hint = nearest(column, table.columns) or "."
            raise DataError(f"{use}: {table.source} has no column '{column}'{hint}")


def require_present(table: Table, columns: list[str]) -> None:
    """Refuse missing values, counted by column."""
    counts = []
    for column in columns:
        missing = table.frame[column].isna().to_numpy()
        if missing.any():
            first = table.where(int(missing.argmax()))
            counts.append(f"{column} ({missing.sum()}, the first in {first})")
    if counts:
        raise DataError(
            f"missing values in {', '.join(counts)}: fill them, or drop these rows by "
            'wb.drop_missing(table), in a study by missing = "drop" in [data].'
        )


def numbers(table: Table, column: str) -> np.ndarray:
    """A column as float64 (row); every cell must be a finite number (a boolean is 0 or 1)."""
    require_present(table, [column])
    series = table.frame[column]
    if series.dtype.kind in "mMc":  # pandas would take a date for its nanoseconds
        raise DataError(f"column '{column}' holds {series.dtype}, not numbers: convert it before.")
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    values: np.ndarray = pd.to_numeric(series, errors="coerce").to_numpy(
        np.float64, na_value=np.nan
    )
    for bad, what in ((np.isnan(values), "not a number"), (np.isinf(values), "infinite")):
        if bad.any():
            first = int(bad.argmax())
            raise DataError(
                f"column '{column}' is {what} in {table.where(first)}, where it holds "
                f"{table.cell(column, first)}: correct or drop that row before."
            )
    return values
