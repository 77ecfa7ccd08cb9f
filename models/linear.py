"""What a definition reads of its data: linear predictors, columns, and where a search may begin."""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr


def coords(data: xr.Dataset) -> dict[str, np.ndarray]:
    """The labels of every dimension but the rows: terms, categories, outcomes."""
    return {str(dim): data[dim].values for dim in data.dims if dim != "row" and dim in data.coords}


def linear(
    data: xr.Dataset, predictor: str = "", coefficients: str = "beta", spread: float = 10.0
) -> Any:
    """X beta with beta ~ Normal(0, spread), and the offset, where the data have one.

    With `predictor`, that of a further predictor: its `X_<predictor>` and its own coefficients.
    """
    suffix = f"_{predictor}" if predictor else ""
    X = pm.Data(f"X{suffix}", data[f"X{suffix}"], dims=("row", f"term{suffix}"))
    eta = X @ pm.Normal(coefficients, 0.0, spread, dims=f"term{suffix}")
    return eta + column(data, "offset") if not predictor and "offset" in data else eta


def column(data: xr.Dataset, name: str = "y") -> Any:
    """A column of the data, by default the outcome."""
    if data[name].ndim > 1:
        names = ", ".join(map(str, data["outcome"].values)) if "outcome" in data.dims else name
        raise ValueError(f"this model takes one outcome, not several: {names}")
    return pm.Data(name, data[name], dims="row")


def unit(data: xr.Dataset) -> float:
    """The outcome's standard deviation, in which priors on its own scale are told; never 0."""
    return float(data["y"].std()) or 1.0


def least_squares(data: xr.Dataset, z: np.ndarray, predictor: str = "") -> np.ndarray:
    """The coefficients of z on X, the offset taken off: by the normal equations, as a start may."""
    X = data[f"X_{predictor}" if predictor else "X"].values
    if not predictor and "offset" in data:
        z = z - data["offset"].values
    length = np.sqrt(np.sum(X**2, axis=0))
    length[length == 0] = 1.0
    beta, *_ = np.linalg.lstsq(X.T @ X / np.outer(length, length), X.T @ z / length, rcond=None)
    return np.asarray(beta / length)


def residuals(data: xr.Dataset, z: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """z less X beta and the offset."""
    fitted = data["X"].values @ beta
    return np.asarray(z - fitted - (data["offset"].values if "offset" in data else 0.0))
