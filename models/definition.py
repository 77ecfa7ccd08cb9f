"""The decorator that lets a definition carry what only its author knows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Definition:
    """A function from data to a PyMC model, with its author's knowledge beside it.

    predictors
        Names of linear predictors beyond the main one; `X_<name>` in the data.
    latex
        The density of one row, for the page.
    statsmodels
        Dotted name of the statsmodels class of the same model, and a function from its
        parameter vector (given the data) to ours, natural values by name.
    start
        Natural values by name from the data, where the model's initial point is poor.
    simulate
        Outcomes by the name of the `pm.Data` that holds them, from (data, values, rng), where
        PyMC's forward draw will not do.
    """

    declare: Callable[[xr.Dataset], pm.Model]
    predictors: tuple[str, ...] = ()
    latex: str | None = None
    statsmodels: tuple[str, Callable[[np.ndarray, xr.Dataset], Values]] | None = None
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
