"""A study file for a table and its outcome, to start from: families that fit the outcome's type."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.catalogue import Entry, listed
from workbench.errors import DataError, StudyError
from workbench.examples import KINDS
from workbench.table import Table, read, require_columns

MOST_LEVELS = 20  # of a text column that is proposed as a term
MOST_TERMS = 12  # of the proposed formula
# What suits an outcome of one kind, too.
ALSO = {"positive": ("positive", "real"), "positive count": ("count", "positive count")}


def proposed(data: Path, outcome: str, folder: Path) -> str:
    """The text of a study file in `folder`. Raises DataError for a table without that column."""
    table = read(data)
    require_columns(table, [outcome], "outcome")
    kind, why = _kind(table.frame[outcome], outcome)
    suited = [entry for entry in listed() if _suits(entry, kind)]
    return "\n".join([
        *_head(table, outcome, os.path.relpath(data, folder)),
        *_formula(table, outcome),
        f"# {outcome} {why}: {KINDS[kind]}.",
        *_models(suited),
        "[checks]",
        "budget  = 120                    # seconds a model for statsmodels' search",
        "",
    ])  # fmt: skip


def written(path: Path, text: str) -> None:
    """Write a new file. Raises StudyError where there is one already."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as there:
        raise StudyError(f"{path} is there already; name another with --out") from there


def _kind(series: pd.Series, name: str) -> tuple[str, str]:
    """The kind of an outcome, and what in the column says so."""
    values = series.dropna()
    if values.empty:
        raise DataError(f"column '{name}' has no values")
    if values.dtype.kind not in "iuf":
        levels = values.nunique()
        if values.dtype.kind == "b" or levels == 2:
            return "binary", "has two values"
        return "category", f"is text with {levels} different values"
    numbers = values.to_numpy(float)
    whole = bool((numbers == np.floor(numbers)).all())
    if set(np.unique(numbers)) <= {0.0, 1.0}:
        return "binary", "holds zeros and ones alone"
    if whole and numbers.min() >= 0:
        kind = "positive count" if numbers.min() >= 1 else "count"
        return kind, f"holds whole numbers from {numbers.min():g} on"
    if numbers.min() >= 0 and numbers.max() <= 1:
        edges = bool(((numbers == 0) | (numbers == 1)).any())
        return "closed share" if edges else "share", "lies between 0 and 1"
    if numbers.min() > 0:
        return "positive", "lies above zero"
    return "real", "takes both signs" if numbers.min() < 0 else "is a number"


def _suits(entry: Entry, kind: str) -> bool:
    needs = getattr(entry.definition, "needs", ())
    return entry.outcome in ALSO.get(kind, (kind,)) and not needs


def _head(table: Table, outcome: str, file: str) -> list[str]:
    groups = [column for column in table.columns if column != outcome and _may_group(table, column)]
    hint = f'"{groups[0]}"' if groups else '"person"'
    return [
        f'title    = "{_escaped(outcome)}"',
        'question = "Which model predicts it best?"',
        "seed     = 1",
        "",
        "[data]",
        f'file    = "{_escaped(file)}"     # beside this file; CSV or Parquet',
        '# source = "where the data come from"',
        f"# group  = {hint}              # rows that belong together, and are held out together",
        '# missing = "drop"             # else rows with a missing value are refused',
        '# unit   = "visits per year"    # of the outcome, for the page',
        "",
        "[split]",
        "heldout = 0.25                   # a share of the rows; or column, after, last",
        "",
    ]


def _may_group(table: Table, column: str) -> bool:
    """Text or whole numbers that repeat, with many levels."""
    series = table.frame[column]
    levels = series.nunique()
    return series.dtype.kind not in "fM" and 20 < levels < 0.7 * len(series)


def _formula(table: Table, outcome: str) -> list[str]:
    terms = [_named(column) for column in table.columns
             if column != outcome and _may_be_term(table.frame[column])]  # fmt: skip
    right = " + ".join(terms[:MOST_TERMS]) or "1"
    left_out = terms[MOST_TERMS:]
    told = [f"# left out: {', '.join(left_out)}"] if left_out else []
    written = f"{_named(outcome)} ~ {right}"
    return ["[defaults]", f"formula = '{written}'", *told, ""]


def _may_be_term(series: pd.Series) -> bool:
    if series.nunique() < 2 or series.isna().any():
        return False
    return series.dtype.kind in "iufb" or series.nunique() <= MOST_LEVELS


def _models(suited: Sequence[Entry]) -> list[str]:
    lines = []
    for entry in suited:
        name = entry.name.partition(":")[2].replace("_", " ").capitalize()
        lines += ["", f'[models."{name}"]', f'define = "{entry.name}"     # {entry.line}']
    return [*lines, ""]


def _named(column: str) -> str:
    return column if column.isidentifier() else f"`{column}`"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
