"""A definition made into a model: what it is given, and what it must read of that."""

import re
from collections.abc import Callable

import numpy as np
import pymc as pm
import pytensor
import xarray as xr

from workbench.errors import ModelError, foreign_code, nearest
from workbench.problem.graph import Graph, read_graph, value_of
from workbench.problem.grouping import MEMBER, grouped
from workbench.problem.rows import refuse_unfit

Declaration = Callable[[xr.Dataset], pm.Model]

# Else PyTensor holds Python literals as float32, 1e-7 in the log density, and keeps of every
# operation where it was written, which takes a twentieth of the time.
AS_DECLARED = {"cast_policy": "numpy+floatX", "traceback__limit": 0}


def declared(definition: Declaration, data: xr.Dataset, name: str) -> tuple[xr.Dataset, pm.Model]:
    """The data as the definition expects them, and the model it makes of them."""
    complete = _with_predictors(definition, data, name)
    if getattr(definition, "unit", "row") == "group" and MEMBER not in complete.dims:
        complete = grouped(complete, name)
    for column in complete.data_vars:
        if column != "time":  # ours alone: a date is welcome
            refuse_unfit(complete[column])
    with foreign_code(name), pytensor.config.change_flags(**AS_DECLARED):
        try:
            model = definition(complete)
        except KeyError as missing:
            _tell_missing(missing, complete, name)
            raise
    if not isinstance(model, pm.Model):
        raise ModelError(f"{name} returned {type(model).__name__}; a definition returns a pm.Model")
    return complete, model


def _tell_missing(missing: KeyError, data: xr.Dataset, name: str) -> None:
    """A column that the definition wants and the data lack, as xarray reports it."""
    quoted = re.search(r"No variable named '([^']*)'", str(missing.args[0] if missing.args else ""))
    if quoted:
        have = [str(column) for column in data.data_vars]
        raise ModelError(
            f"{name} reads '{quoted[1]}', which the data do not have{nearest(quoted[1], have)}; "
            f"they have {', '.join(have)}"
        ) from missing


def graph_of(model: pm.Model) -> Graph:
    """The model read in double precision."""
    with pytensor.config.change_flags(**AS_DECLARED):
        return read_graph(model)


def _with_predictors(definition: Declaration, data: xr.Dataset, name: str) -> xr.Dataset:
    """Where X_p is missing, the main terms stand in, their dimension renamed."""
    wanted = tuple(getattr(definition, "predictors", ()))
    given = {str(v)[2:] for v in data.data_vars if str(v).startswith("X_")}
    for extra in given - set(wanted) if hasattr(definition, "predictors") else ():
        known = f"; it has {', '.join(wanted)}" if wanted else "; it has only the main one"
        raise ModelError(f"{name} has no predictor '{extra}'{nearest(extra, wanted) or known}")
    for predictor in wanted:
        if f"X_{predictor}" not in data and "X" in data:
            data = data.assign({f"X_{predictor}": data["X"].rename(term=f"term_{predictor}")})
    return data


def refuse_unused(data: xr.Dataset, model: pm.Model, name: str) -> None:
    """A column that was prepared for the definition but never enters the model is a mistake."""
    used = set(arrays_of(model))
    for column in map(str, data.data_vars):
        # The bare intercept says nothing that a definition must read.
        terms = list(data["term"].values) if column == "X" and "term" in data.coords else []
        prepared = (
            (column == "X" and terms != ["Intercept"])
            or column.startswith("X_")
            or column in ("offset", "exposure", "trials")
        )
        if prepared and column not in used:
            raise ModelError(
                f"the data bring '{column}', which {name} never reads through pm.Data; leave it "
                "out of the study, or let the definition use it"
            )


def arrays_of(model: pm.Model) -> dict[str, np.ndarray]:
    """The values of its `pm.Data`, by name."""
    return {v.name: np.asarray(v.get_value(borrow=True)) for v in model.data_vars}


def observed_in(model: pm.Model) -> np.ndarray:
    """The outcomes that its first observed variable holds."""
    return value_of(model.rvs_to_values[model.observed_RVs[0]])
