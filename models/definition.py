"""The decorator that lets a definition carry what only its author knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

Values = Mapping[str, np.ndarray | float]


@dataclass(frozen=True)
class Equivalent:
    """The same model by statsmodels.

    model
        Dotted name of its class.
    parameters
        Its parameter vector, and the data, to ours: natural values by name.
    options
        Keyword arguments of the class; `family` is a name in `statsmodels.genmod.families`, and
        `link` one among its links.
    """

    model: str
    parameters: Callable[[np.ndarray, xr.Dataset], Values]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Definition:
    """A function from data to a PyMC model, with its author's knowledge beside it.

    outcome
        What it takes for an outcome: real, positive, excess, share, closed share, binary, count,
        positive count, ordered, category, choice, angle, composition, composition of counts,
        vector.
    unit
        What the likelihood is a sum over: "row", or "group", for a definition that takes the rows
        of a group together: along a dimension `member`, filled up where `absent`.
    predictors
        Names of linear predictors beyond the main one; `X_<name>` in the data.
    needs
        Roles of the data that it cannot do without, such as `trials`.
    takes
        Roles that it reads where the data have them, such as `exposure`.
    latex
        The density of one row, for the page.
    statsmodels
        The same model there.
    start
        Natural values by name from the data, where the model's initial point is poor.
    simulate
        Outcomes by the name of the `pm.Data` that holds them, from (data, values, rng), where
        PyMC's forward draw will not do.
    """

    declare: Callable[[xr.Dataset], pm.Model]
    outcome: str = ""
    unit: str = "row"
    predictors: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    latex: str | None = None
    statsmodels: Equivalent | None = None
    start: Callable[[xr.Dataset], Values] | None = None
    simulate: Callable[[xr.Dataset, Values, np.random.Generator], Values] | None = None

    def __call__(self, data: xr.Dataset) -> pm.Model:
        return self.declare(data)

    @property
    def __name__(self) -> str:
        return self.declare.__name__

    @property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self.declare.__doc__


def definition(**knowledge: Any) -> Callable[[Callable[[xr.Dataset], pm.Model]], Definition]:
    """`@definition(latex=..., start=...)`: the decorated function becomes a `Definition`."""
    return lambda declare: Definition(declare, **knowledge)
