"""An estimate in ArviZ's container."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate


def datatree(fit: "Estimate") -> xr.DataTree:
    """ArviZ's container: the estimate as one draw, in the groups that `pm.find_MAP` writes.

    Beside them stand our own: `estimates` on the natural scale, and `starts`.
    """
    return xr.DataTree.from_dict(
        {
            "posterior": _one_draw(fit),
            "log_likelihood": xr.Dataset(
                {
                    "outcome": (
                        ("chain", "draw", "row"),
                        fit.problem.pointwise(fit.theta)[None, None, :],
                    )
                },
                coords={"row": fit.problem.rows.labels},
            ),
            "observed_data": xr.Dataset(
                {"outcome": ("row", np.asarray(fit.problem.rows.observed))},
                coords={"row": fit.problem.rows.labels},
            ),
            "constant_data": _constant_data(fit),
            "fit": _normal_approximation(fit),
            "estimates": _estimates(fit),
            "starts": _starts(fit),
        }
    )


def _one_draw(fit: "Estimate") -> xr.Dataset:
    variables: dict[str, Any] = {}
    end = 0
    for parameter in fit.problem.parameters:
        begin, end = end, end + len(parameter.labels)
        values = fit.params.to_numpy()[begin:end].reshape((1, 1, *parameter.shape))
        dims = tuple(f"{parameter.name}_dim_{axis}" for axis in range(len(parameter.shape)))
        variables[parameter.name] = (("chain", "draw", *dims), values)
    return xr.Dataset(variables, coords={"chain": [0], "draw": [0]})


def _constant_data(fit: "Estimate") -> xr.Dataset:
    """What the likelihood read, by the names of its `pm.Data`."""
    read = zip(fit.problem.graph.inputs, fit.problem.rows.arrays, strict=True)
    return xr.Dataset(
        {
            row.name: (
                tuple(
                    "row" if axis == 0 and row.varies_by_row else f"{row.name}_dim_{axis}"
                    for axis in range(array.ndim)
                ),
                array,
            )
            for row, array in read
            if not row.constant
        },
        coords={"row": fit.problem.rows.labels},
    )


def _normal_approximation(fit: "Estimate") -> xr.Dataset:
    """theta and its covariance from the observed information, as `pm.find_MAP` stores them."""
    labels, size = list(fit.problem.theta_labels), len(fit.theta)
    covariance = np.full((size, size), np.nan)
    if fit.optimum.verdict.regular:
        covariance = fit.theta_covariance("observed")
    return xr.Dataset(
        {
            "mean_vector": ("rows", fit.theta),
            "covariance_matrix": (("rows", "columns"), covariance),
        },
        coords={"rows": labels, "columns": labels},
    )


def _estimates(fit: "Estimate") -> xr.Dataset:
    limits = fit.conf_int()
    return xr.Dataset(
        {
            "value": ("parameter", fit.params.to_numpy()),
            "se": ("parameter", fit.bse.to_numpy()),
            "lower": ("parameter", limits["lower"].to_numpy()),
            "upper": ("parameter", limits["upper"].to_numpy()),
        },
        coords={"parameter": list(fit.params.index)},
    )


def _starts(fit: "Estimate") -> xr.Dataset:
    starts = fit.optimum.starts
    longest = max(len(start.values) for start in starts)
    path = np.full((len(starts), longest), np.nan)
    for row, start in zip(path, starts, strict=True):
        row[: len(start.values)] = start.values
    return xr.Dataset(
        {
            "objective": (("start", "iteration"), path),
            "theta": (("start", "coordinate"), np.array([start.end.theta for start in starts])),
        },
        coords={
            "start": [start.name for start in starts],
            "coordinate": list(fit.problem.theta_labels),
        },
    )
