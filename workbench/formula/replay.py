"""A formula turned into arrays: what is learned on the training rows is replayed on any other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import DataError
from workbench.formula.encoding import encoded, learned, unlearned
from workbench.formula.factors import Matrix
from workbench.formula.outcome import outcome_of, refuse_impossible
from workbench.formula.syntax import columns_of, parse, quoted
from workbench.table import Table, numbers, require_columns, require_present

COLLINEAR = ("refuse", "keep")


@dataclass(frozen=True, eq=False)
class Design:
    """Called with a table, the Dataset that a definition takes; nothing is learned by the call."""

    outcome: str
    main: Matrix
    further: Mapping[str, Matrix]

    @property
    def formula(self) -> str:
        return self.main.formula

    @property
    def predictors(self) -> dict[str, str]:
        """The formulas of the further predictors, by name."""
        return {name: matrix.formula for name, matrix in self.further.items()}

    def __call__(self, table: Table) -> xr.Dataset:
        matrices = {"": self.main} | {f"_{name}": matrix for name, matrix in self.further.items()}
        _require_usable(table, self.outcome, list(matrices.values()))
        data: dict[str, Any] = {"y": ("row", numbers(table, self.outcome))}
        coords: dict[str, Any] = {"row": _plain(table.frame.index)}
        for suffix, matrix in matrices.items():
            columns = encoded(matrix, table)
            coords[f"term{suffix}"] = np.array(columns.columns, dtype=np.str_)
            data[f"X{suffix}"] = (("row", f"term{suffix}"), columns.to_numpy(np.float64))
        refuse_impossible(table, self.outcome, data["y"][1])
        roles, labels = _roles(table)
        return xr.Dataset(data | roles, coords | labels, attrs=self._facts(table))

    def _facts(self, table: Table) -> dict[str, str | float]:
        """What is known of the outcome: its name, and unit and width where they are declared."""
        declared = {"unit": table.unit, "width": table.width}
        known = {name: fact for name, fact in declared.items() if fact is not None}
        return {"outcome": self.outcome} | known


def design(
    formula: str, table: Table, /, *, collinear: str = "refuse", **predictors: str
) -> Design:
    """Learn a formula, and those of further predictors (zero="~ age"), on the rows of `table`.

    collinear
        "refuse": terms that are constant beside an intercept, or combinations of others, are
        refused by name. "keep": they stay, for a proper prior to decide. (Natural splines beside
        an intercept are combinations of it unless written `cr(x, df=4, constraints='center')`.)

    Raises DataError for a formula that cannot be read or stands on missing or infinite values.
    """
    if collinear not in COLLINEAR:
        raise DataError(f"collinear is 'refuse' or 'keep', but got {collinear!r}.")
    lhs, terms = parse(formula)
    outcome = outcome_of(lhs, formula)
    main = unlearned(formula, terms)
    further = {}
    for name, text in predictors.items():
        lhs, terms = parse(text)
        if lhs:
            raise DataError(f"the formula of predictor '{name}' starts with ~, but got '{text}'.")
        further[name] = unlearned(text, terms)
    _require_usable(table, outcome, [main, *further.values()])
    return Design(
        outcome,
        learned(main, table, collinear),
        {name: learned(matrix, table, collinear) for name, matrix in further.items()},
    )


def intercept_only(design: Design) -> Design:
    """The same outcome and predictors, each with nothing but an intercept: the baseline."""

    def constant(formula: str) -> Matrix:
        return unlearned(formula, parse(formula)[1])

    return replace(
        design,
        main=constant(f"{quoted(design.outcome)} ~ 1"),
        further={name: constant("~ 1") for name in design.further},
    )


def _require_usable(table: Table, outcome: str, matrices: list[Matrix]) -> None:
    used = [outcome]
    for matrix in matrices:
        columns = [name for tree in matrix.trees.values() for name in columns_of(tree)]
        require_columns(table, [outcome, *columns], f"formula '{matrix.formula}'")
        if outcome in columns:
            raise DataError(f"formula '{matrix.formula}' has the outcome on its right-hand side.")
        used += columns
    require_present(table, list(dict.fromkeys(used)))


def _roles(table: Table) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declared roles as variables along the rows, and the group's labels as a coordinate."""
    declared = table.roles.declared
    data: dict[str, Any] = {
        role: ("row", numbers(table, declared[role]))
        for role in ("offset", "exposure", "weight", "trials")
        if role in declared
    }
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
