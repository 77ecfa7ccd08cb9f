"""The rows of a group as one row, for a definition whose unit is the group."""

from typing import Any

import numpy as np
import xarray as xr

from workbench.errors import DataError

MEMBER = "member"


def grouped(data: xr.Dataset, name: str) -> xr.Dataset:
    """Columns (row, member, ...) with a row for each group, labelled as the group is.

    Groups stand in order of first appearance. Shorter ones are filled up with zeros where
    `absent (row, member)` is true. Weights are the group's own. Raises DataError without a group,
    and for weights that vary within one.
    """
    if "group" not in data:
        raise DataError(
            f"{name} takes the rows of a group together, and the data declare none; name the "
            "group's column: wb.read(..., group=...), or group = ... under [data]"
        )
    groups, first, codes = np.unique(data["group"].values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.argsort(order)[codes]  # the row's group, by first appearance
    member = _counted_within(place)
    shape = len(groups), int(member.max()) + 1
    absent = np.ones(shape, dtype=bool)
    absent[place, member] = False
    columns: dict[str, Any] = {
        str(column): _laid_out(values, place, member, shape)
        for column, values in data.data_vars.items()
        if "row" in values.dims and column not in ("group", "weight", "time")
    }
    columns["absent"] = (("row", MEMBER), absent)
    if "weight" in data:
        columns["weight"] = ("row", _one_each(data["weight"].values, place, first[order]))
    labels = data["group_label"].values if "group_label" in data.coords else data["group"].values
    coords = {dim: data[dim] for dim in data.dims if dim != "row" and dim in data.coords}
    return xr.Dataset(columns, coords | {"row": labels[first[order]]}, attrs=data.attrs)


def _counted_within(place: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... for the rows of each group, in their order."""
    order = np.argsort(place, kind="stable")
    begins = np.searchsorted(place[order], np.arange(place.max() + 1))
    member = np.empty(len(place), dtype=int)
    member[order] = np.arange(len(place)) - begins[place[order]]
    return member


def _laid_out(
    values: xr.DataArray, place: np.ndarray, member: np.ndarray, shape: tuple[int, int]
) -> tuple[tuple[str, ...], np.ndarray]:
    array = values.transpose("row", ...).values
    laid = np.zeros((*shape, *array.shape[1:]), dtype=array.dtype)
    laid[place, member] = array
    others = tuple(str(dim) for dim in values.dims if dim != "row")
    return ("row", MEMBER, *others), laid


def _one_each(weights: np.ndarray, place: np.ndarray, first: np.ndarray) -> np.ndarray:
    if (weights != weights[first][place]).any():
        raise DataError("weights count whole groups here, and they vary within a group")
    return np.asarray(weights[first])
