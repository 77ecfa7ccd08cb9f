"""A formula turned into arrays: what is learned on the training rows is replayed on any other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import DataError
from workbench.formula.encoding import encoded, learned, offset, unlearned
from workbench.formula.factors import Matrix
from workbench.formula.outcome import Changed, Outcome, learned_outcome, outcome_columns
from workbench.formula.syntax import columns_of, parse, show
from workbench.table import Table, numbers, require_columns, require_present

COLLINEAR = ("refuse", "keep")


@dataclass(frozen=True, eq=False)
class Design:
    """Called with a table, the Dataset that a definition takes; nothing is learned by the call."""

    left: Outcome
    main: Matrix
    further: Mapping[str, Matrix]

    @property
    def outcome(self) -> str:
        """The outcome's column; of several their names, joined."""
        return self.left.name

    @property
    def categories(self) -> tuple[str, ...]:
        """The outcome's levels in the order of their codes; empty where it is of numbers."""
        return self.left.labels

    @property
    def formula(self) -> str:
        return self.main.formula

    @property
    def predictors(self) -> dict[str, str]:
        """The formulas of the further predictors, by name."""
        return {name: matrix.formula for name, matrix in self.further.items()}

    @property
    def offsets(self) -> tuple[str, ...]:
        """The terms `offset(...)` of the main formula."""
        return tuple(map(show, self.main.offsets))

    def __call__(self, table: Table) -> xr.Dataset:
        matrices = {"": self.main} | {f"_{name}": matrix for name, matrix in self.further.items()}
        _require_usable(table, list(self.left.columns), list(matrices.values()))
        data, coords = self.left.variables(table)
        coords["row"] = _plain(table.frame.index)
        for suffix, matrix in matrices.items():
            columns = encoded(matrix, table)
            coords[f"term{suffix}"] = np.array(columns.columns, dtype=np.str_)
            data[f"X{suffix}"] = (("row", f"term{suffix}"), columns.to_numpy(np.float64))
        roles, labels = _roles(table, offset(self.main, table))
        return xr.Dataset(data | roles, coords | labels, attrs=self._facts(table))

    def _facts(self, table: Table) -> dict[str, str | float]:
        """What is known of the outcome: its name, unit and width, and how it was changed."""
        declared: dict[str, str | float | None] = {"unit": table.unit, "width": table.width}
        if isinstance(self.left, Changed):
            declared["change"] = self.left.text
        known = {name: fact for name, fact in declared.items() if fact is not None}
        return {"outcome": self.outcome} | known


def design(
    formula: str, table: Table, /, *, collinear: str = "refuse", **predictors: str
) -> Design:
    """Learn a formula, and those of further predictors (zero="~ age"), on the rows of `table`.

    Left of the ~ stands a column of numbers, one changed (`log(y)`, `sqrt(y / 100)`), several
    (a + b + c), or one of categories (text, truth values, pandas' Categorical, C(column),
    C(column, levels=[...])). Of a changed outcome the Dataset holds the column as `recorded`, and
    held-out losses are told of it, not of its function. `offset(...)` is added
    to the main predictor, and to the declared offset.

    collinear
        "refuse": terms that are constant beside an intercept, or combinations of others, are
        refused by name. "keep": they stay, for a proper prior to decide. (Natural splines beside
        an intercept are combinations of it unless written `cr(x, df=4, constraints='center')`.)

    Raises DataError for a formula that cannot be read or stands on missing or infinite values.
    """
    if collinear not in COLLINEAR:
        raise DataError(f"collinear is 'refuse' or 'keep', but got {collinear!r}.")
    lhs, terms = parse(formula)
    outcomes = outcome_columns(lhs, formula)
    main = unlearned(formula, terms)
    further = {name: _further(name, text) for name, text in predictors.items()}
    _require_usable(table, outcomes, [main, *further.values()])
    return Design(
        learned_outcome(lhs, outcomes, table),
        learned(main, table, collinear),
        {name: learned(matrix, table, collinear) for name, matrix in further.items()},
    )


def intercept_only(design: Design) -> Design:
    """The same outcome, offsets and predictors, these with an intercept alone: the baseline."""
    constant = unlearned("~ 1", parse("~ 1")[1])
    text = " + ".join([f"{design.left.text} ~ 1", *design.offsets])
    main = replace(design.main, formula=text, spec=constant.spec, trees={})
    return replace(design, main=main, further=dict.fromkeys(design.further, constant))


def _further(name: str, formula: str) -> Matrix:
    lhs, terms = parse(formula)
    if lhs:
        raise DataError(f"the formula of predictor '{name}' starts with ~, but got '{formula}'.")
    matrix = unlearned(formula, terms)
    if matrix.offsets:
        raise DataError(
            f"the formula of predictor '{name}' has an offset, '{show(next(iter(matrix.offsets)))}'"
            ", but only the main formula takes one."
        )
    return matrix


def _require_usable(table: Table, outcomes: list[str], matrices: list[Matrix]) -> None:
    used = list(outcomes)
    for matrix in matrices:
        trees = (*matrix.trees.values(), *matrix.offsets.values())
        columns = [name for tree in trees for name in columns_of(tree)]
        require_columns(table, [*outcomes, *columns], f"formula '{matrix.formula}'")
        if not set(outcomes).isdisjoint(columns):
            raise DataError(f"formula '{matrix.formula}' has the outcome on its right-hand side.")
        used += columns
    require_present(table, list(dict.fromkeys(used)))


def _roles(table: Table, added: np.ndarray | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declared roles as variables along the rows, and the group's labels as a coordinate.

    added
        The offset of the formula (row), which joins the declared one.
    """
    declared = table.roles.declared
    data: dict[str, Any] = {
        role: ("row", numbers(table, declared[role]))
        for role in ("offset", "exposure", "weight", "trials")
        if role in declared
    }
    if added is not None:
        data["offset"] = ("row", added + (data["offset"][1] if "offset" in data else 0.0))
    labels = {}
    if "group" in declared:
        groups = table.frame[declared["group"]]
        data["group"] = ("row", pd.factorize(groups)[0].astype(np.int64))
        labels["group_label"] = ("row", _plain(pd.Index(groups)))
    if "time" in declared:
        data["time"] = ("row", table.frame[declared["time"]].to_numpy())
    return data, labels


def _plain(labels: pd.Index) -> np.ndarray:
    """Labels as an array that NetCDF can hold: numbers and dates as they are, the rest as text."""
    values = labels.to_numpy()
    return values if values.dtype.kind in "iufbM" else np.array([str(v) for v in values], np.str_)
