"""Folds: each row's number of the fold that holds it out, drawn at random or in time."""

from dataclasses import dataclass

import numpy as np

from workbench.errors import DataError, nearest
from workbench.table.drawing import (
    blocks_in_order,
    cut,
    require_count,
    strata_of,
    time_codes,
    units_of,
)
from workbench.table.rows import Table

WAYS = ("random", "blocked", "future")


@dataclass(frozen=True, eq=False)
class Folds:
    """`number` (row) is the fold, from 0 to `count` - 1, that holds a row out; -1 where none does.

    `way` is "random", "blocked" or "future", as in `folds`.
    """

    number: np.ndarray
    count: int
    way: str

    def masks(self, fold: int) -> tuple[np.ndarray, np.ndarray]:
        """The training rows and the held-out rows (masks) of a fold.

        A fold of the future trains on what is earlier, every other one on all rows that it does
        not hold out. Raises DataError for a fold that there is not.
        """
        if not 0 <= fold < self.count:
            raise DataError(f"folds are numbered from 0 to {self.count - 1}, but got {fold}.")
        heldout = self.number == fold
        return self.number < fold if self.way == "future" else ~heldout, heldout


def folds(
    table: Table,
    count: int = 10,
    *,
    way: str = "random",
    stratify: str | None = None,
    rng: np.random.Generator | None = None,
) -> Folds:
    """The table's rows assigned to folds.

    way
        "random": each row to one fold, whole groups where a group is declared; `stratify` spreads
        the levels of a column evenly over the folds, as in `split`. "blocked": contiguous blocks
        of nearly equal length, in time where it is declared, else in row order. "future": in time,
        rows of one time together, cut into `count` + 1 blocks; a fold holds out one of them and
        trains on those before it, so that the first is never held out.
    rng
        None means a generator seeded with 0.

    Raises DataError for an unknown way, and for more folds than there are rows, groups or times.
    """
    if way not in WAYS:
        known = ", ".join(f"'{one}'" for one in WAYS)
        raise DataError(f"way is one of {known}, but got {way!r}{nearest(str(way), WAYS)}")
    if stratify is not None and way != "random":
        raise DataError(f"stratify goes with way='random', but got way={way!r}.")
    if way == "blocked":
        number = blocks_in_order(table, count, "the number of folds")
    elif way == "future":
        number = _in_time(table, count)
    else:
        number = _at_random(table, count, stratify, rng or np.random.default_rng(0))
    return Folds(number, int(count), way)


def _at_random(
    table: Table, count: int, stratify: str | None, rng: np.random.Generator
) -> np.ndarray:
    """Units in random order, one stratum after the other, are dealt to the folds in turn."""
    units = units_of(table)
    every = int(units.max()) + 1
    require_count(count, every, "the number of folds", "groups" if table.roles.group else "rows")
    order = rng.permutation(every)
    if stratify is not None:
        strata = strata_of(table, stratify, units)
        order = order[np.argsort(strata[order], kind="stable")]
    fold = np.empty(every, dtype=np.int64)
    fold[order] = np.arange(every) % count
    return np.asarray(fold[units])


def _in_time(table: Table, count: int) -> np.ndarray:
    codes = time_codes(table, "way='future'")
    sizes = np.bincount(codes)
    require_count(count, len(sizes) - 1, "the number of folds", "times after the first")
    return np.asarray((cut(sizes, count + 1) - 1)[codes])
