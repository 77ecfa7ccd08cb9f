"""Files and data frames in: a table whose every row can be named, and its split in two."""

from workbench.table.missing import drop_missing
from workbench.table.reading import read
from workbench.table.rows import Dropped, Roles, Table, numbers, require_columns, require_present
from workbench.table.splitting import split

__all__ = [
    "Dropped",
    "Roles",
    "Table",
    "drop_missing",
    "numbers",
    "read",
    "require_columns",
    "require_present",
    "split",
]
