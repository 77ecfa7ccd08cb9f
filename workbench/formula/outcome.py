"""The left side of a formula: outcomes that are numbers, changed or not, or one of categories."""

import ast
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic.parser.types import Factor, Term

from workbench.errors import DataError
from workbench.formula.change import Change, change_in
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
class Changed:
    """One outcome modelled as a function of its column, which `recorded (row)` holds as it is."""

    column: str
    change: Change

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def name(self) -> str:
        return self.column

    @property
    def text(self) -> str:
        return self.change.text

    @property
    def labels(self) -> tuple[str, ...]:
        return ()

    def variables(self, table: Table) -> Variables:
        """Raises DataError for what is no number, off the grid, or without a finite slope."""
        recorded = numbers(table, self.column)
        _refuse_off_grid(table, self.column, recorded)
        if table.roles.trials is not None:
            raise DataError(
                f"the outcome is {self.text}, and so no count of trials: leave trials out, or "
                "model the count itself."
            )
        bad = ~(np.isfinite(self.change(recorded)) & np.isfinite(self.change.log_slope(recorded)))
        if bad.any():
            first = int(bad.argmax())
            raise DataError(
                f"{self.text} has no finite value, or no finite slope, in {table.where(first)}, "
                f"where '{self.column}' is {recorded[first]:g}: drop the row, or choose another "
                "change of the outcome."
            )
        changed = self.change(recorded)
        return {"y": ("row", changed), "recorded": ("row", recorded)}, {}


@dataclass(frozen=True)
class Categorical:
    """One outcome of categories: `y (row)` holds codes 0, 1, ..., `category` their labels."""

    column: str
    text: str  # the left side of a formula
    levels: tuple[Any, ...]  # in the order of their codes
    declared: bool  # in the formula, else learned
    ordered: bool  # whether that order was said, by the formula or by pandas, or is of numbers

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def name(self) -> str:
        return self.column

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(str(int(level) if _is_whole(level) else level) for level in self.levels)

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


Outcome = Measured | Changed | Categorical


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
    written = factor.eval_method is not Factor.EvalMethod.LOOKUP
    if written and not _is_category(factor):
        return Changed(first, change_in(tree_of(factor)))
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
    if not _is_category(factor):
        if several:
            raise DataError(
                f"formula '{formula}' transforms one of several outcomes: store the transformed "
                "column instead."
            )
        change_in(tree)  # refuses what cannot be undone
        return columns_of(tree)[0]
    assert isinstance(tree, ast.Call)
    if several or len(tree.args) > 1 or any(word.arg != "levels" for word in tree.keywords):
        raise DataError(
            f"formula '{formula}' has categories among several outcomes, or with contrasts: write "
            "C(column) or C(column, levels=[...]) alone left of the ~."
        )
    levels = _declared_levels(factor)
    if levels is not None and (not levels or len(set(levels)) < len(levels)):
        raise DataError(f"formula '{formula}' declares levels that repeat, or none.")
    return columns_of(tree)[0]


def _is_category(factor: Factor) -> bool:
    """Whether it is C(column) or C(column, levels=[...])."""
    tree = tree_of(factor)
    return isinstance(tree, ast.Call) and ast.unparse(tree.func) == "C"


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
    """False and True; in order where there is one; else as they first appear."""
    series = table.frame[column]
    if _is_boolean(series):
        return (False, True)
    seen = pd.unique(series.astype(object))
    if not _has_order(table, column):
        return tuple(seen)
    if isinstance(series.dtype, pd.CategoricalDtype):
        return tuple(level for level in series.cat.categories if level in seen)
    return tuple(sorted(seen))


def _has_order(table: Table, column: str) -> bool:
    """Numbers have one, and what pandas was told to be ordered."""
    series = table.frame[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        return bool(series.cat.ordered)
    return pd.api.types.is_numeric_dtype(series) and not _is_boolean(series)


def _is_whole(level: Any) -> bool:
    return isinstance(level, float) and level.is_integer()


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
