"""Files and data frames in: a table whose every row can be named, and its split in two."""

import csv
import gzip
import hashlib
import io
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from pathlib import Path

import narwhals
import numpy as np
import pandas as pd
from narwhals.typing import IntoDataFrame

from workbench.errors import DataError, nearest

FRAME = "data frame"  # the source of a table that no file was read for


@dataclass(frozen=True)
class Roles:
    """The columns that are neither outcome nor predictor; None where a role is not declared."""

    group: str | None = None
    weight: str | None = None
    exposure: str | None = None
    offset: str | None = None
    time: str | None = None

    @property
    def declared(self) -> dict[str, str]:
        """Role -> column, of the declared roles alone."""
        return {role: column for role, column in asdict(self).items() if column is not None}


@dataclass(frozen=True, eq=False)
class Table:
    """Rows under their original labels; `lines` (row) is where each began in a CSV file, else 0."""

    frame: pd.DataFrame
    roles: Roles
    source: str
    sha256: str
    lines: np.ndarray

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


def read(
    data: str | Path | IntoDataFrame,
    *,
    group: str | None = None,
    weight: str | None = None,
    exposure: str | None = None,
    offset: str | None = None,
    time: str | None = None,
) -> Table:
    """The table in a CSV (also .gz) or Parquet file, or in any data frame, its roles checked."""
    roles = Roles(group, weight, exposure, offset, time)
    if isinstance(data, str | Path):
        table = _from_file(Path(data), roles)
    else:
        frame = _to_pandas(data)
        content = frame.to_csv().encode()
        table = _table(frame, roles, FRAME, content)
    if table.frame.empty:
        raise DataError(f"{table.source} has no rows.")
    return _check_roles(table)


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
        raise DataError(f"missing values in {', '.join(counts)}: drop or fill them before.")


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


def _table(
    frame: pd.DataFrame, roles: Roles, source: str, content: bytes, lines: np.ndarray | None = None
) -> Table:
    unknown = np.zeros(len(frame), dtype=np.int64)
    names = [str(name) for name in frame.columns]
    _refuse_duplicates(names, source)
    if isinstance(frame.index, pd.MultiIndex):
        raise DataError("the data frame has several index levels: call reset_index() on it before.")
    return Table(
        frame=frame.set_axis(names, axis="columns"),
        roles=roles,
        source=source,
        sha256=hashlib.sha256(content).hexdigest(),
        lines=unknown if lines is None else lines,
    )


def _from_file(path: Path, roles: Roles) -> Table:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        folder = path.parent
        names = [file.name for file in folder.iterdir()] if folder.is_dir() else []
        raise DataError(f"there is no file {path}{nearest(path.name, names) or '.'}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return _table(_parquet(content, path.name), roles, path.name, content)
    if name.endswith((".csv", ".csv.gz")):
        text = _text(content, path.name)
        lines = _record_lines(text, path.name)
        frame = pd.read_csv(io.StringIO(text), low_memory=False)
        if len(lines) != len(frame):  # pandas and csv count blank lines alike, or no line is named
            lines = np.zeros(len(frame), dtype=np.int64)
        return _table(frame, roles, path.name, content, lines)
    raise DataError(f"{path.name} is neither CSV (.csv, .csv.gz) nor Parquet (.parquet).")


def _text(content: bytes, source: str) -> str:
    try:
        plain = gzip.decompress(content) if source.lower().endswith(".gz") else content
        text = plain.decode("utf-8-sig")
    except (OSError, EOFError) as error:
        raise DataError(f"{source} is not a complete gzip file.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{source} is not UTF-8 text: save it in that encoding.") from error
    if not text.strip():
        raise DataError(f"{source} is empty.")
    return text


def _record_lines(text: str, source: str) -> np.ndarray:
    """The line on which each record begins; pandas would rename or shift what is refused here."""
    reader = csv.reader(io.StringIO(text, newline=""))
    header: list[str] = []
    lines = []
    start = 1
    try:
        for record in reader:
            if not header:
                header = record
                _refuse_duplicates(header, source)
            elif record:
                lines.append(start)
                if len(record) > 1 and len(record) != len(header):
                    raise DataError(
                        f"line {start} of {source} has {len(record)} fields, "
                        f"but its header has {len(header)}."
                    )
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"line {start} of {source} is not CSV: {error}.") from error
    return np.array(lines, dtype=np.int64)


def _refuse_duplicates(names: list[str], source: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{source} has {names.count(name)} columns named '{name}': rename one.")


def _parquet(content: bytes, source: str) -> pd.DataFrame:
    try:
        return pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except ImportError as error:
        raise DataError(
            f"{source} needs pyarrow to be read: pip install 'likelihood-workbench[parquet]'."
        ) from error
    except (OSError, ValueError) as error:  # pyarrow's own errors are kinds of these
        raise DataError(f"{source} is not a readable Parquet file.") from error


def _to_pandas(data: IntoDataFrame) -> pd.DataFrame:
    if isinstance(data, pd.DataFrame):
        return data.copy()
    try:
        frame = narwhals.from_native(data, eager_only=True)
    except TypeError as error:
        kind = type(data).__name__
        raise DataError(f"expected a path or a data frame, but got {kind}.") from error
    # through lists: narwhals' own to_pandas() needs pyarrow
    return pd.DataFrame({name: frame[name].to_list() for name in frame.columns})


def _check_roles(table: Table) -> Table:
    declared = table.roles.declared
    for role, column in declared.items():
        require_columns(table, [column], role)
    require_present(table, list(dict.fromkeys(declared.values())))
    for role in ("weight", "exposure", "offset"):
        if role in declared:
            values = numbers(table, declared[role])
            if role == "weight":
                _refuse_where(table, values < 0, role, "negative")
            if role == "exposure":
                _refuse_where(table, values <= 0, role, "not positive")
    return _with_dates(table, declared["time"]) if "time" in declared else table


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
