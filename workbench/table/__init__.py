"""Files and data frames in: a table whose every row can be named, and its split, and its folds."""

from workbench.table.folding import Folds, folds
from workbench.table.missing import drop_missing
from workbench.table.reading import read
from workbench.table.rows import Dropped, Roles, Table, numbers, require_columns, require_present
from workbench.table.splitting import split

__all__ = [
    "Dropped",
    "Folds",
    "Roles",
    "Table",
    "drop_missing",
    "folds",
    "numbers",
    "read",
    "require_columns",
    "require_present",
    "split",
]
