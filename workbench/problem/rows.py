"""The rows that a problem stands on: taken from the data, refused where they cannot be used."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from workbench.errors import DataError, ModelError, foreign_code, nearest
from workbench.problem.graph import Graph, RowInput
from workbench.problem.grouping import MEMBER
from workbench.problem.pytensor_engine import plain

INT32 = np.iinfo(np.int32)
# Two evaluations of one row's term on arrays that differ elsewhere: the same operations in
# another order at most, so a few units in the last place.
SAME_TERM = 1e-9  # relative
# What PyTensor raises when arrays of another length do not fit what is written in.
FEWER_ROWS = (AssertionError, IndexError, TypeError, ValueError)
PROBED = 20  # rows among which dependence would show: neighbours, or rows of one group


@dataclass(frozen=True)
class Rows:
    """The rows a problem stands on: arrays in the order of `Graph.inputs`, labels, roles."""

    arrays: tuple[np.ndarray, ...]
    labels: np.ndarray
    observed: np.ndarray
    weights: np.ndarray  # frequency weights
    groups: np.ndarray | None  # integer codes
    unread: Mapping[str, np.ndarray]  # what else the data bring, by name; the likelihood ignores it

    @property
    def count(self) -> int:
        return len(self.weights)


def same_rows(ours: Rows, theirs: Rows) -> bool:
    """Whether labels, observed values and weights are the same, in order; predictors may differ."""
    return all(
        np.array_equal(getattr(ours, what), getattr(theirs, what))
        for what in ("labels", "observed", "weights")
    )


def taken_rows(
    graph: Graph, arrays: Mapping[str, np.ndarray], observed: np.ndarray, data: xr.Dataset | None
) -> Rows:
    """Arrays in the graph's order, checked against its shapes, with the declared roles."""
    ordered = []
    for row in graph.inputs:
        array = np.asarray(arrays[row.name], dtype=row.value.dtype)
        if not _fits(array, row):
            raise DataError(
                f"'{row.name}' has shape {array.shape}, where {row.value.shape} was bound; "
                "only the number of rows may change"
            )
        ordered.append(array)
    count = observed.shape[0] if np.ndim(observed) else 1
    labels, weights, groups = np.arange(count), np.ones(count), None
    if data is not None:
        labels = data["row"].values if "row" in data.coords else labels
        weights = np.asarray(data["weight"].values, float) if "weight" in data else weights
        groups = np.asarray(data["group"].values) if "group" in data else None
    if len(weights) != count or (groups is not None and len(groups) != count):
        raise DataError(f"weight and group need one value for each of the {count} rows")
    if (weights < 0).any() or not np.isfinite(weights).all() or not weights.any():
        raise DataError("weights are frequencies: finite, not negative, and not all zero")
    unread = {name: array for name, array in arrays.items()
              if name not in {row.name for row in graph.inputs}}  # fmt: skip
    return Rows(tuple(ordered), labels, observed, weights, groups, unread)


def _fits(array: np.ndarray, row: RowInput) -> bool:
    """Whether all axes are as long as were bound, but for the rows and a group's members."""
    if array.ndim != row.value.ndim:
        return False
    axes = zip(array.shape, row.value.shape, row.dims, strict=True)
    return all(here == bound or dim == MEMBER for here, bound, dim in [*axes][1:])


def chosen(rows: Rows, graph: Graph, places: np.ndarray, weights: np.ndarray) -> Rows:
    """The rows at these places, as often as they are named, with weights of their own."""
    arrays = tuple(
        array[places] if row.varies_by_row else array
        for row, array in zip(graph.inputs, rows.arrays, strict=True)
    )
    return replace(
        rows,
        arrays=arrays,
        labels=rows.labels[places],
        observed=rows.observed[places],
        weights=weights,
        groups=None if rows.groups is None else rows.groups[places],
    )


def rows_by_name(graph: Graph, other: Mapping[str, Any] | xr.Dataset) -> Rows:
    """Rows for a ready model: its `pm.Data` by name, and `weight` and `group` where wanted."""
    values = {str(name): np.asarray(array) for name, array in other.items()}
    for name in (row.name for row in graph.inputs):
        if name not in values:
            raise DataError(
                f"other rows need '{name}'{nearest(name, values)}; they have {', '.join(values)}"
            )
    if graph.outcome is None:
        raise ModelError(
            "the outcome is computed inside the model, so other rows cannot take its place; "
            "observe a pm.Data as it is"
        )
    return taken_rows(graph, values, values[graph.outcome], roles(values))


def roles(given: Mapping[str, Any]) -> xr.Dataset:
    """Weight and group of a ready model's rows, as a Dataset."""
    known = {name: given[name] for name in ("weight", "group") if given.get(name) is not None}
    if "group" in known:
        known["group"] = np.unique(np.asarray(known["group"]), return_inverse=True)[1]
    return xr.Dataset({name: ("row", np.asarray(values)) for name, values in known.items()})


def refuse_unfit(column: xr.DataArray) -> None:
    """NaN and infinity have no likelihood; PyMC stores integers in 32 bits."""
    if column.dtype.kind not in "biuf":
        raise DataError(
            f"'{column.name}' holds {column.dtype}, not numbers; code it as integers, with the "
            "labels as a coordinate"
        )
    if column.dtype.kind == "f" and not np.isfinite(column.values).all():
        place = np.argwhere(~np.isfinite(column.values))[0]
        value = column.values[tuple(place)]
        raise DataError(
            f"'{column.name}' is {value} at {_place(column, place)}; "
            "drop the row or fill the value before binding"
        )
    if column.dtype.kind in "iu" and column.size and int(np.abs(column.values).max()) > INT32.max:
        place = np.argwhere(np.abs(column.values) > INT32.max)[0]
        raise DataError(
            f"'{column.name}' is {column.values[tuple(place)]} at {_place(column, place)}, more "
            "than the 32 bits in which pm.Data holds integers; store the column as float64"
        )


def _place(column: xr.DataArray, place: np.ndarray) -> str:
    said = []
    for dim, index in zip(column.dims, place, strict=True):
        label = column[dim].values[index] if dim in column.coords else index
        said.append(f"{dim} {label}")
    return ", ".join(said)


def refuse_impossible_counts(discrete: bool, rows: Rows, name: str) -> None:
    """PyMC would silently truncate 1.9 to 1."""
    if not discrete:
        return
    observed = np.asarray(rows.observed, float).reshape(rows.count, -1)
    wrong = (observed != np.floor(observed)) | (observed < 0)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        kind = "negative" if observed[row, column] < 0 else "not a whole number"
        raise DataError(
            f"{name} is {observed[row, column]:g} at row {rows.labels[row]}, which is {kind}, and "
            "this model is for counts 0, 1, 2, ...; mend or drop the row, or choose a model for "
            "such outcomes"
        )


def rows_are_independent(graph: Graph, rows: Rows, name: str) -> bool:
    """Whether a row's term is the same whatever stands in the other rows, or if they are gone."""
    theta = graph.start + 0.1 * np.random.default_rng(0).standard_normal(len(graph.start))
    pointwise = plain([graph.theta, *(row.variable for row in graph.inputs)], [graph.pointwise])
    few = np.unique(np.append(np.arange(min(rows.count, PROBED)), rows.count - 1))
    if any(row.constant for row in graph.inputs):  # their number may be written in, too
        few = np.arange(rows.count)

    def terms(places: np.ndarray) -> np.ndarray:
        taken = [array[places] if row.varies_by_row else array
                 for row, array in zip(graph.inputs, rows.arrays, strict=True)]  # fmt: skip
        return np.asarray(pointwise(theta, *taken)[0])

    try:
        together = terms(few)
    except FEWER_ROWS:  # the model may stand on just so many rows
        few = np.arange(rows.count)
        with foreign_code(name, "cannot be evaluated:"):  # the declared graph's first run
            together = terms(few)
    if together.shape != (len(few),):
        return False
    return all(_same(terms, together, few, places) for places in _others(len(few)))


def _others(count: int) -> list[np.ndarray]:
    """Rows by place: the first half alone, every other one, and each end in the other's place."""
    every = np.arange(count)
    first, last = every.copy(), every.copy()
    first[0], last[-1] = count - 1, 0
    second = every.copy()
    second[0] = min(1, count - 1)
    return [every[: -(-count // 2)], every[::2], first, last, second]


def _same(terms: Any, together: np.ndarray, few: np.ndarray, places: np.ndarray) -> bool:
    """Whether rows at other places, in other company, have the terms that they had."""
    try:
        apart = terms(few[places])
    except FEWER_ROWS:
        return False
    return apart.shape == places.shape and bool(
        np.allclose(apart, together[places], rtol=SAME_TERM, atol=SAME_TERM, equal_nan=True)
    )


def unchanged(full: np.ndarray, part: np.ndarray, varies_by_row: bool, kept: int) -> bool:
    """Whether an array made of the first `kept` rows alone is those rows of the full one."""
    expected = full[:kept] if varies_by_row else full
    return np.array_equal(expected, part, equal_nan=full.dtype.kind == "f")
