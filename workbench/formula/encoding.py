"""A linear predictor as columns of numbers: learned on training rows, replayed on any others."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelMatrix, ModelSpec
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor, Term

from workbench.errors import DataError
from workbench.formula.collinearity import refuse_collinear
from workbench.formula.factors import Matrix, evaluated, factor_values
from workbench.formula.syntax import is_literal, offset_of, show, tree_of
from workbench.table import Table


def unlearned(formula: str, terms: list[Term]) -> Matrix:
    """Every factor is checked here, and from here on formulaic only looks up its values by name."""
    trees, offsets, lookups = {}, {}, []
    for term in terms:
        added = offset_of(term.factors[0]) if len(term.factors) == 1 else None
        if added is not None:
            offsets[term.factors[0].expr] = added
            continue
        for factor in term.factors:
            if is_literal(factor):
                _refuse_scaling(factor, formula)
            else:
                trees[factor.expr] = tree_of(factor)
        lookups.append(Term([_lookup(factor) for factor in term.factors]))
    if not lookups:
        raise DataError(f"formula '{formula}' has no terms: write ~ 1 for an intercept alone.")
    spec = ModelSpec.from_spec(Formula(lookups), na_action="ignore", output="pandas")
    return Matrix(formula, spec, trees, offsets, {})


def _refuse_scaling(factor: Factor, formula: str) -> None:
    """formulaic's 5:x is 5x under the name x."""
    if factor.expr != "1":
        raise DataError(f"formula '{formula}' scales a term: write I({factor.expr} * ...) instead.")


def _lookup(factor: Factor) -> Factor:
    return factor if is_literal(factor) else Factor(factor.expr, eval_method="lookup")


def learned(matrix: Matrix, table: Table, collinear: str) -> Matrix:
    """The predictor with what it keeps of these rows: levels, means, knots.

    collinear
        "keep", or "refuse": raise DataError where the rows cannot tell its columns apart.
    """
    state: dict[str, dict[str, Any]] = {}
    fresh = replace(matrix, state=state)
    made = _materialize(fresh, table)
    columns = _finite(made, table)
    offset(fresh, table)  # center() and scale() in it keep their means of these rows
    if collinear == "refuse":
        refuse_collinear(columns.to_numpy(np.float64), list(columns.columns), matrix.formula)
    return replace(matrix, spec=made.model_spec, state=state)


def encoded(matrix: Matrix, table: Table) -> pd.DataFrame:
    """The columns of the design matrix under the names of their terms, every value finite."""
    return _finite(_materialize(matrix, table), table)


def offset(matrix: Matrix, table: Table) -> np.ndarray | None:
    """What the formula's offsets add to the linear predictor (row); None where it has none."""
    added = np.zeros(len(table))
    for name, tree in matrix.offsets.items():
        values = np.broadcast_to(
            _computed(name, partial(evaluated, tree, matrix, table)), len(table)
        )
        wrong = ~np.isfinite(values)
        if wrong.any():
            first = int(wrong.argmax())
            raise DataError(
                f"'{show(name)}' is not finite in {table.where(first)}: it is {values[first]}."
            )
        added = added + values
    return added if matrix.offsets else None


def _finite(made: ModelMatrix, table: Table) -> pd.DataFrame:
    columns = pd.DataFrame(made).rename(columns=show)
    repeated = columns.columns[columns.columns.duplicated()]
    if len(repeated):
        raise DataError(f"two terms would both be called '{repeated[0]}': rename a column.")
    wrong = ~np.isfinite(columns.to_numpy(np.float64))
    if wrong.any():
        row, term = np.argwhere(wrong)[0]
        raise DataError(
            f"the term '{columns.columns[term]}' is not finite in {table.where(int(row))}: it is "
            f"{columns.iat[row, term]}."
        )
    return columns


def _materialize(matrix: Matrix, table: Table) -> ModelMatrix:
    values = {
        name: _computed(name, partial(factor_values, name, tree, matrix, table))
        for name, tree in matrix.trees.items()
    }
    try:
        return matrix.spec.get_model_matrix(pd.DataFrame(index=table.frame.index), context=values)
    except (FormulaicError, ValueError) as error:
        raise DataError(f"formula '{matrix.formula}' cannot be computed: {error}") from error


def _computed[T](name: str, compute: Callable[[], T]) -> T:
    """A factor's value; what is not finite in it is refused later, by row."""
    try:
        with np.errstate(all="ignore"):
            return compute()
    except (ArithmeticError, TypeError, ValueError) as error:
        raise DataError(f"'{show(name)}' cannot be computed: {error}") from error
