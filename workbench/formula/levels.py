"""Categories: which columns hold them, and levels that nobody declared or saw in training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from workbench.errors import DataError
from workbench.table import Table


def holds_text(table: Table, column: str) -> bool:
    """Whether any cell of a column is text."""
    return bool(table.frame[column].map(lambda cell: isinstance(cell, str)).any())


def read_as_numbers(table: Table, column: str) -> np.ndarray:
    """Which cells (row) read as numbers; more than half of them do where a word only strayed in."""
    cells = pd.to_numeric(table.frame[column], errors="coerce")
    return np.asarray(cells.notna(), dtype=bool)


def refuse_new_level(table: Table, column: str, known: Sequence[Any], declared: bool) -> None:
    """Raise DataError for the first row whose level is not known, by declaration or training."""
    new = ~table.frame[column].isin(known).to_numpy()
    if new.any():
        first = int(new.argmax())
        origin = "not among its levels" if declared else "never seen in training"
        raise DataError(
            f"column '{column}' holds {table.cell(column, first)} in {table.where(first)}, "
            f"a level {origin}."
        )
