"""The left side of a formula: outcomes that are numbers, or one of categories, and their values."""

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic.parser.types import Factor, Term

from workbench.errors import DataError
from workbench.formula.levels import holds_text, read_as_numbers, refuse_new_level
from workbench.formula.syntax import columns_of, is_literal, quoted, show, tree_of
from workbench.table import Table, numbers

# Single precision leaves less of values below 8,000 widths; one decimal more leaves 0.1.
OFF_GRID = 1e-3  # widths

type Variables = tuple[dict[str, Any], dict[str, Any]]  # of a Dataset: its variables, its coords


@dataclass(frozen=True)
class Measured:
    """One outcome of numbers, or several: `y (row)` or `y (row, outcome)`."""

    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        return ", ".join(self.columns)

    @property
    def text(self) -> str:
        """The left side of a formula."""
        return " + ".join(map(quoted, self.columns))

    @property
    def labels(self) -> tuple[str, ...]:
        return ()

    def variables(self, table: Table) -> Variables:
        """Raises DataError for what is no number, off the declared grid, or not among trials."""
        values = [numbers(table, column) for column in self.columns]
        for column, array in zip(self.columns, values, strict=True):
            _refuse_off_grid(table, column, array)
            _refuse_beyond_trials(table, column, array)
        if len(values) == 1:
            return {"y": ("row", values[0])}, {}
        outcomes = np.array(self.columns, dtype=np.str_)
        return {"y": (("row", "outcome"), np.column_stack(values))}, {"outcome": outcomes}


@dataclass(frozen=True)
class Categorical:
    """One outcome of categories: `y (row)` holds codes 0, 1, ..., `category` their labels."""

    column: str
    text: str  # the left side of a formula
    levels: tuple[Any, ...]  # in the order of their codes
    declared: bool  # in the formula, else learned
    ordered: bool  # whether that order was said, by the formula or by pandas

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def name(self) -> str:
        return self.column

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(map(str, self.levels))

    def variables(self, table: Table) -> Variables:
        """Raises DataError for a level that is not known, and where trials or width are declared.

        They are of numbers.
        """
        declared = {"width": table.width, "trials": table.roles.trials}
        for fact, value in declared.items():
            if value is not None:
                raise DataError(
                    f"the outcome '{self.column}' has categories, and so no {fact}: leave it out, "
                    "or store the outcome as numbers."
                )
        refuse_new_level(table, self.column, self.levels, self.declared)
        codes = pd.Index(self.levels).get_indexer(table.frame[self.column].astype(object))
        labels = np.array(self.labels, dtype=np.str_)
        known = {"ordered": int(self.ordered)}
        return {"y": ("row", codes.astype(np.float64))}, {"category": ("category", labels, known)}


Outcome = Measured | Categorical


def outcome_columns(lhs: list[Term], formula: str) -> list[str]:
    """The columns left of the tilde. Raises DataError where something else stands there."""
    named = [term for term in lhs if not all(map(is_literal, term.factors))]
    if not named:
        raise DataError(f"formula '{formula}' has no outcome: name its column left of the ~.")
    if len(named) < len(lhs):
        raise DataError(f"formula '{formula}' has a number left of the ~: name columns alone.")
    return [_column(term, len(named) > 1, formula) for term in named]


def learned_outcome(lhs: list[Term], columns: list[str], table: Table) -> Outcome:
    """The outcome, its levels as declared, else as found in the rows of `table`."""
    factor, first = lhs[0].factors[0], columns[0]
    written = factor.eval_method is not Factor.EvalMethod.LOOKUP  # C(column), C(column, levels=...)
    if not written and (len(columns) > 1 or not _has_categories(table, first)):
        return Measured(tuple(columns))
    declared = _declared_levels(factor) if written else None
    text = show(factor.expr) if written else quoted(first)
    levels = declared or _levels(table, first)
    ordered = declared is not None or _has_order(table, first)
    return Categorical(first, text, levels, declared is not None, ordered)


def _column(term: Term, several: bool, formula: str) -> str:
    if len(term.factors) > 1:
        raise DataError(
            f"formula '{formula}' has a product left of the ~: several outcomes are a + b + c."
        )
    factor = term.factors[0]
    if factor.eval_method is Factor.EvalMethod.LOOKUP:
        return show(factor.expr)
    tree = tree_of(factor)
    if not (isinstance(tree, ast.Call) and ast.unparse(tree.func) == "C"):
        raise DataError(
            f"formula '{formula}' transforms the outcome, but comparing outcomes on different "
            "scales needs a declared change of variables: store the transformed column instead."
        )
    if several or len(tree.args) > 1 or any(word.arg != "levels" for word in tree.keywords):
        raise DataError(
            f"formula '{formula}' has categories among several outcomes, or with contrasts: write "
            "C(column) or C(column, levels=[...]) alone left of the ~."
        )
    levels = _declared_levels(factor)
    if levels is not None and (not levels or len(set(levels)) < len(levels)):
        raise DataError(f"formula '{formula}' declares levels that repeat, or none.")
    return columns_of(tree)[0]


def _declared_levels(factor: Factor) -> tuple[Any, ...] | None:
    """Those of C(column, levels=[...]); None of C(column)."""
    tree = tree_of(factor)
    words = tree.keywords if isinstance(tree, ast.Call) else []
    return tuple(ast.literal_eval(words[0].value)) if words else None


def _has_categories(table: Table, column: str) -> bool:
    """Text, truth values and pandas' Categorical; not numbers among which a word strayed."""
    series = table.frame[column]
    if isinstance(series.dtype, pd.CategoricalDtype) or _is_boolean(series):
        return True
    return holds_text(table, column) and bool(read_as_numbers(table, column).mean() <= 0.5)


def _levels(table: Table, column: str) -> tuple[Any, ...]:
    """False and True; in order where pandas knows one; else as they first appear."""
    series = table.frame[column]
    if _is_boolean(series):
        return (False, True)
    seen = pd.unique(series.astype(object))
    if _has_order(table, column):
        return tuple(level for level in series.cat.categories if level in seen)
    return tuple(seen)


def _has_order(table: Table, column: str) -> bool:
    series = table.frame[column]
    return isinstance(series.dtype, pd.CategoricalDtype) and bool(series.cat.ordered)


def _is_boolean(series: pd.Series) -> bool:
    return bool(pd.api.types.infer_dtype(series, skipna=True) == "boolean")


def _refuse_off_grid(table: Table, column: str, values: np.ndarray) -> None:
    width = table.width
    if width is None:
        return
    off = np.abs(values / width - np.rint(values / width)) > OFF_GRID
    if off.any():
        first = int(off.argmax())
        raise DataError(
            f"the outcome '{column}' is {values[first]:g} in {table.where(first)}, which is no "
            f"multiple of the declared width {width:g}: correct the row or the width."
        )


def _refuse_beyond_trials(table: Table, column: str, values: np.ndarray) -> None:
    trials = table.roles.trials
    if trials is None:
        return
    most = numbers(table, trials)
    outside = (values < 0) | (values > most)
    if outside.any():
        first = int(outside.argmax())
        raise DataError(
            f"the outcome '{column}' is {values[first]:g} in {table.where(first)}, which is not "
            f"between 0 and the {most[first]:g} of trials '{trials}'."
        )
