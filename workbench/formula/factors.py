"""One linear predictor, and the values of its factors: `log(x)`, `C(region)`, `bs(age, df=4)`.

A small interpreter evaluates them that knows nothing but the names in syntax.py; what it learned
on training rows stands in the predictor's state.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from formulaic import ModelSpec
from formulaic.materializers.types import FactorValues
from formulaic.parser.types import Factor
from formulaic.transforms import C
from formulaic.transforms.contrasts import Contrasts

from workbench.errors import DataError
from workbench.formula.levels import holds_text, read_as_numbers, refuse_new_level
from workbench.formula.syntax import ARITHMETIC, BASES, CONTRASTS, LEARNED, PLAIN, quoted, show
from workbench.table import Table, numbers


@dataclass(frozen=True, eq=False)
class Matrix:
    """One linear predictor: its terms, the syntax trees of their factors, and what was learned.

    `offsets` are the trees of what is added to it, by the terms that say so.
    """

    formula: str
    spec: ModelSpec
    trees: Mapping[str, ast.expr]
    offsets: Mapping[str, ast.expr]
    state: dict[str, dict[str, Any]]


def factor_values(
    name: str, tree: ast.expr, matrix: Matrix, table: Table
) -> FactorValues | np.ndarray:
    """A factor in each row: numbers, a basis of several columns, or categories."""
    match tree:
        case ast.Name(id=column) if _is_category(name, show(column), matrix, table):
            return _category(name, show(column), {}, matrix, table)
        case ast.Call(func=ast.Name(id="C"), args=[ast.Name(id=column), *contrasts]):
            options = {word.arg: word.value for word in tree.keywords if word.arg}
            named = dict(zip(["contrasts"], contrasts, strict=False)) | options
            return _category(name, show(column), named, matrix, table)
    return evaluated(tree, matrix, table)


def evaluated(node: ast.expr, matrix: Matrix, table: Table) -> FactorValues | np.ndarray:
    """The value of a checked tree over columns of numbers."""
    match node:
        case ast.Name(id=column):
            return numbers(table, show(column))
        case ast.UnaryOp(operand=operand):
            return np.negative(evaluated(operand, matrix, table))
        case ast.BinOp(left=left, op=op, right=right):
            sides = evaluated(left, matrix, table), evaluated(right, matrix, table)
            return ARITHMETIC[type(op)](*sides)
        case ast.Call(func=ast.Name(id=name), args=[first, *rest]):
            argument = evaluated(first, matrix, table)
            if name in PLAIN:
                return PLAIN[name](argument)
            state = matrix.state.setdefault(ast.unparse(node), {})
            function = (LEARNED | BASES)[name]
            return function(argument, *map(ast.literal_eval, rest), _state=state, **_options(node))
    return np.asarray(ast.literal_eval(node), dtype=np.float64)


def _options(call: ast.Call) -> dict[str, Any]:
    return {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}


def _is_category(name: str, column: str, matrix: Matrix, table: Table) -> bool:
    """Whether a bare name stands for categories: as learned, else if it is text."""
    if matrix.spec.structure:
        return bool(matrix.spec.encoder_state[name][0] is Factor.Kind.CATEGORICAL)
    series = table.frame[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        return True
    if not holds_text(table, column):
        return False
    _refuse_numbers_as_text(table, column)
    return True


def _refuse_numbers_as_text(table: Table, column: str) -> None:
    """One stray word makes a column of numbers text, and would make each number a category."""
    readable = read_as_numbers(table, column)
    if readable.mean() > 0.5:
        first = int((~readable).argmax())
        raise DataError(
            f"column '{column}' is text, though most of it reads as numbers (see "
            f"{table.cell(column, first)} in {table.where(first)}): make all of it numbers, or "
            f"write C({quoted(column)}) for categories."
        )


def _category(
    name: str, column: str, options: Mapping[str, ast.expr], matrix: Matrix, table: Table
) -> FactorValues:
    series = table.frame[column].reset_index(drop=True)
    levels = ast.literal_eval(options["levels"]) if "levels" in options else None
    known = matrix.spec.encoder_state[name][1]["categories"] if matrix.spec.structure else levels
    if known is not None:
        refuse_new_level(table, column, known, declared=known is levels)
    if isinstance(series.dtype, pd.CategoricalDtype):
        # a level is learned from rows, not from a dtype that remembers other rows
        series = series.cat.set_categories(
            known or series.cat.remove_unused_categories().cat.categories
        )
    return C(series, contrasts=_contrast(options.get("contrasts")), levels=levels)


def _contrast(node: ast.expr | None) -> Contrasts | None:
    if not isinstance(node, ast.Call):
        return None
    contrast = CONTRASTS[ast.unparse(node.func)]
    return contrast(*map(ast.literal_eval, node.args), **_options(node))
