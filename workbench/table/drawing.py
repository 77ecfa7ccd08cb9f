"""What splits and folds are made of: units that stay whole, strata, and blocks in order."""

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.table.rows import Table, numbers, require_columns, require_present

MOST_LEVELS = 10  # of a column of numbers; one with more is cut at its deciles


def units_of(table: Table) -> np.ndarray:
    """Codes (row) of what is drawn whole: groups where they are declared, else rows."""
    group = table.roles.group
    if group is None:
        return np.arange(len(table))
    codes = factorized(table, group)
    if codes.max() == 0:
        raise DataError(f"group '{group}' has one level, so it cannot be split.")
    return codes


def factorized(table: Table, column: str) -> np.ndarray:
    """Codes (row) of a column's values, in order of first appearance."""
    return np.asarray(pd.factorize(table.frame[column])[0], dtype=np.int64)


def strata_of(table: Table, column: str, units: np.ndarray) -> np.ndarray:
    """The stratum of each unit, as codes. Raises DataError where a unit lies in several."""
    require_columns(table, [column], "stratify")
    require_present(table, [column])
    first = np.unique(units, return_index=True)[1]
    values = factorized(table, column)
    strayed = values != values[first[units]]
    if strayed.any():
        row = int(strayed.argmax())
        before = int(first[units[row]])
        group = str(table.roles.group)
        raise DataError(
            f"stratify needs one value in each group, but '{column}' is "
            f"{table.cell(column, before)} in {table.where(before)} and {table.cell(column, row)} "
            f"in {table.where(row)}, both of '{group}' {table.cell(group, row)}."
        )
    return np.asarray(_levels(table, column)[first])


def drawn(
    units: np.ndarray, share: float, rng: np.random.Generator, strata: np.ndarray, least: int
) -> np.ndarray:
    """The rows (mask) of units drawn at random: near that share of the rows of every stratum.

    What rounding to whole units leaves over in one stratum, half a unit at most, goes to the next,
    so that many small strata together come near the share too.

    least
        How many units each stratum gives, and keeps.
    """
    sizes = np.bincount(units)
    out = np.zeros(len(sizes), dtype=bool)
    left = 0.0
    ends = np.cumsum(np.bincount(strata))[:-1]
    members = np.split(np.argsort(strata, kind="stable"), ends)
    for stratum in rng.permutation(len(members)):
        order = rng.permutation(members[stratum])
        half = sizes[order].mean() / 2
        wanted = share * sizes[order].sum() + float(np.clip(left, -half, half))
        taken = order[: units_nearest(sizes[order], wanted, least)]
        left = wanted - sizes[taken].sum()
        out[taken] = True
    return np.asarray(out[units])


def units_nearest(sizes: np.ndarray, wanted: float, least: int) -> int:
    """How many of the first units have together nearest to the wanted number of rows."""
    reached = np.append(0, np.cumsum(sizes))
    return int(np.clip(np.abs(reached - wanted).argmin(), least, len(sizes) - least))


def time_codes(table: Table, asked_by: str) -> np.ndarray:
    """Each row's place (row) among the distinct times, from the earliest."""
    if table.roles.time is None:
        raise DataError(f"{asked_by} needs a time column: declare time=... when reading.")
    times = table.frame[table.roles.time].to_numpy()
    codes: np.ndarray = np.unique(times, return_inverse=True)[1]
    if codes.max() == 0:
        raise DataError(f"time '{table.roles.time}' has one value: no row is later than another.")
    return codes


def blocks_in_order(table: Table, count: int, asked_by: str) -> np.ndarray:
    """The block (row) of nearly equal length, in time where it is declared, else in row order."""
    require_count(count, len(table), asked_by, "rows")
    time = table.roles.time
    order = np.arange(len(table))
    if time is not None:
        order = np.argsort(table.frame[time].to_numpy(), kind="stable")
    block = np.empty(len(table), dtype=np.int64)
    block[order] = cut(np.ones(len(table), dtype=np.int64), count)
    return block


def cut(sizes: np.ndarray, count: int) -> np.ndarray:
    """Consecutive units in `count` blocks of nearly equal numbers of rows: each one's block."""
    place, ends = np.arange(1, count), np.cumsum(sizes)
    middles = (ends[:-1] + ends[1:]) / 2
    begin = 1 + np.searchsorted(middles, ends[-1] * place / count)
    # every block has at least one unit
    begin = place + np.clip(np.maximum.accumulate(begin - place), 0, len(sizes) - count)
    return np.searchsorted(begin, np.arange(len(sizes)), side="right")


def require_count(count: int, most: int, asked_by: str, of: str) -> None:
    """Refuse what is no whole number from 2 to `most`."""
    whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
    if not (whole and 2 <= count <= most):
        raise DataError(
            f"{asked_by} is a whole number from 2 to the {most} {of}, but got {count!r}."
        )


def _levels(table: Table, column: str) -> np.ndarray:
    """Codes (row) of a column's levels; a column of many numbers is cut at its deciles."""
    cells = table.frame[column]
    if cells.dtype.kind in "iuf" and cells.nunique() > MOST_LEVELS:
        values = numbers(table, column)
        edges = np.unique(np.quantile(values, np.arange(1, 10) / 10))
        return np.unique(np.searchsorted(edges, values), return_inverse=True)[1]
    return factorized(table, column)
