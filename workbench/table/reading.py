"""Files and data frames in: what pandas would rename, shift or guess is refused by its place."""

import csv
import gzip
import hashlib
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import narwhals
import numpy as np
import pandas as pd
from narwhals.exceptions import DuplicateError
from narwhals.typing import IntoDataFrame

from workbench.errors import DataError, nearest
from workbench.table.roles import checked
from workbench.table.rows import Roles, Table

FRAME = "data frame"  # the source of a table that no file was read for


def read(
    data: str | Path | IntoDataFrame | Table,
    *,
    group: str | None = None,
    weight: str | None = None,
    exposure: str | None = None,
    offset: str | None = None,
    time: str | None = None,
    trials: str | None = None,
    unit: str | None = None,
    width: float | None = None,
) -> Table:
    """The table in a CSV (also .gz) or Parquet file, or in any data frame, its roles checked.

    group, weight, exposure, offset, time, trials
        Columns: who belongs together, frequency, exposure (above 0), what is added to the linear
        predictor, the order in time, the number of trials of a binomial outcome.
    unit, width
        Of the outcome: what it is measured in, and to a multiple of what it was rounded.

    A Table is taken as well, to declare more of its columns. Raises DataError for what cannot be
    read, for names that repeat, and for a role whose column is missing, incomplete or impossible.
    """
    table = data if isinstance(data, Table) else _whole(data)
    roles = Roles(group, weight, exposure, offset, time, trials).declared
    declared = replace(
        table,
        roles=replace(table.roles, **roles),
        unit=table.unit if unit is None else unit,
        width=table.width if width is None else width,
    )
    return checked(declared)


def _whole(data: str | Path | IntoDataFrame) -> Table:
    if isinstance(data, str | Path):
        table = _from_file(Path(data))
    else:
        table = _table(_to_pandas(data), FRAME, None)
    if table.frame.empty:
        raise DataError(f"{table.source} has no rows.")
    return table


def _table(
    frame: pd.DataFrame, source: str, content: bytes | None, lines: np.ndarray | None = None
) -> Table:
    unknown = np.zeros(len(frame), dtype=np.int64)
    names = [str(name) for name in frame.columns]
    _refuse_duplicates(names, source)
    if isinstance(frame.index, pd.MultiIndex):
        raise DataError("the data frame has several index levels: call reset_index() on it before.")
    return Table(
        frame=frame.set_axis(names, axis="columns"),
        roles=Roles(),
        source=source,
        sha256=hashlib.sha256(_content(frame) if content is None else content).hexdigest(),
        lines=unknown if lines is None else lines,
    )


def _content(frame: pd.DataFrame) -> bytes:
    """Names and rows of a frame that no file was read for, a hash in each row's place."""
    mixed = [name for name, kind in frame.dtypes.items() if kind.kind == "O"]
    rows = pd.util.hash_pandas_object(frame.astype(dict.fromkeys(mixed, str)))
    return repr(list(frame.columns)).encode() + bytes(rows.to_numpy().tobytes())


def _from_file(path: Path) -> Table:
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
        return _table(_parquet(content, path.name), path.name, content)
    if name.endswith((".csv", ".csv.gz")):
        text = _text(content, path.name)
        lines = _record_lines(text, path.name)
        frame = pd.read_csv(io.StringIO(text), low_memory=False)
        if len(lines) != len(frame):  # pandas and csv count blank lines alike, or no line is named
            lines = np.zeros(len(frame), dtype=np.int64)
        return _table(frame, path.name, content, lines)
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
    except DuplicateError as error:
        repeated = ", ".join(line.removeprefix("- ") for line in str(error).splitlines()[1:])
        raise DataError(f"{FRAME} has columns of one name ({repeated}): rename one.") from error
    except TypeError as error:
        lazy = ": call collect() on it before" if hasattr(data, "collect") else ""
        kind = type(data).__name__
        raise DataError(f"expected a path or a data frame, but got {kind}{lazy}.") from error
    return pd.DataFrame({name: _column(frame[name]) for name in frame.columns})


def _column(series: narwhals.Series[Any]) -> list[Any] | pd.Categorical:
    """Through lists: narwhals' own to_pandas() needs pyarrow. An Enum keeps its order."""
    cells = series.to_list()
    if isinstance(series.dtype, narwhals.Enum):
        return pd.Categorical(cells, categories=series.dtype.categories, ordered=True)
    return cells
