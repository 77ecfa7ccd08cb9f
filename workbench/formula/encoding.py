"""A linear predictor as columns of numbers: learned on training rows, replayed on any others."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from formulaic import Formula, ModelMatrix, ModelSpec
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor, Term

from workbench.errors import DataError
from workbench.formula.collinearity import refuse_collinear
from workbench.formula.factors import Matrix, factor_values
from workbench.formula.syntax import is_literal, show, tree_of
from workbench.table import Table


def unlearned(formula: str, terms: list[Term]) -> Matrix:
    """Every factor is checked here, and from here on formulaic only looks up its values by name."""
    trees = {}
    lookups = []
    for term in terms:
        for factor in term.factors:
            if is_literal(factor):
                _refuse_scaling(factor, formula)
            else:
                trees[factor.expr] = tree_of(factor)
        lookups.append(Term([_lookup(factor) for factor in term.factors]))
    spec = ModelSpec.from_spec(Formula(lookups), na_action="ignore", output="pandas")
    return Matrix(formula, spec, trees, {})


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
    made = _materialize(replace(matrix, state=state), table)
    columns = _finite(made, table)
    if collinear == "refuse":
        refuse_collinear(columns.to_numpy(np.float64), list(columns.columns), matrix.formula)
    return replace(matrix, spec=made.model_spec, state=state)


def encoded(matrix: Matrix, table: Table) -> pd.DataFrame:
    """The columns of the design matrix under the names of their terms, every value finite."""
    return _finite(_materialize(matrix, table), table)


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
    values = {}
    for name, tree in matrix.trees.items():
        try:
            # what is not finite is refused by name, once the columns have names
            with np.errstate(all="ignore"):
                values[name] = factor_values(name, tree, matrix, table)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise DataError(f"'{show(name)}' cannot be computed: {error}") from error
    try:
        return matrix.spec.get_model_matrix(pd.DataFrame(index=table.frame.index), context=values)
    except (FormulaicError, ValueError) as error:
        raise DataError(f"formula '{matrix.formula}' cannot be computed: {error}") from error
