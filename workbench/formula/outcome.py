"""The left side of a formula: the outcome, and what is declared of its values."""

import numpy as np
from formulaic.parser.types import Factor, Term

from workbench.errors import DataError
from workbench.formula.syntax import is_literal, show
from workbench.table import Table, numbers

# Single precision leaves less of values below 8,000 widths; one decimal more leaves 0.1.
OFF_GRID = 1e-3  # widths


def outcome_of(lhs: list[Term], formula: str) -> str:
    """The column left of the tilde."""
    factors = [factor for term in lhs for factor in term.factors]
    if not factors or is_literal(factors[0]):
        raise DataError(f"formula '{formula}' has no outcome: name its column left of the ~.")
    if len(factors) > 1:
        raise DataError(f"formula '{formula}' has more than one outcome left of the ~.")
    if factors[0].eval_method is not Factor.EvalMethod.LOOKUP:
        raise DataError(
            f"formula '{formula}' transforms the outcome, but comparing outcomes on different "
            "scales needs a declared change of variables: store the transformed column instead."
        )
    return show(factors[0].expr)


def refuse_impossible(table: Table, column: str, values: np.ndarray) -> None:
    """Raise DataError for an outcome (row) off the declared grid, or not among its trials."""
    width, trials = table.width, table.roles.trials
    if width is not None:
        off = np.abs(values / width - np.rint(values / width)) > OFF_GRID
        if off.any():
            first = int(off.argmax())
            raise DataError(
                f"the outcome '{column}' is {values[first]:g} in {table.where(first)}, which is no "
                f"multiple of the declared width {width:g}: correct the row or the width."
            )
    if trials is not None:
        most = numbers(table, trials)
        outside = (values < 0) | (values > most)
        if outside.any():
            first = int(outside.argmax())
            raise DataError(
                f"the outcome '{column}' is {values[first]:g} in {table.where(first)}, which is "
                f"not between 0 and the {most[first]:g} of trials '{trials}'."
            )
