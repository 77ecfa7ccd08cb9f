r"""Several shares that add up to one, and several counts whose sum is given.

Both expect `y (row, outcome)` and `X (row, term)`. Priors are weakly informative for terms of
unit scale.
"""

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Values, definition


def _coords(data: xr.Dataset) -> dict[str, np.ndarray]:
    """The terms, the parts, and the parts that are told against the first."""
    parts = data["outcome"].values
    return {"term": data["term"].values, "part": parts, "against": parts[1:]}


def _dirichlet_start(data: xr.Dataset) -> Values:
    """Equal coefficients for all rows, by the shares' means and the first one's variance."""
    y = data["y"].values
    mean, variance = y.mean(axis=0), y.var(axis=0)
    precision = max(float(np.median(mean * (1 - mean) / variance)) - 1, 0.1)
    intercept = data["term"].values == "Intercept"
    return {"beta": np.where(intercept, np.log(precision * mean)[:, None], 0.0)}


@definition(
    outcome="composition",
    latex=(
        r"y_i \sim \mathrm{Dirichlet}(\alpha_{i1}, \dots, \alpha_{iJ}), \quad "
        r"\log \alpha_{ij} = x_i^\top \beta_j"
    ),
    start=_dirichlet_start,
)
def dirichlet(data: xr.Dataset) -> pm.Model:
    r"""Dirichlet regression: log alpha_j = X beta_j for each share j.

    The mean of a share is alpha_j / sum alpha, and the shares vary the less, the larger the sum.
    """
    with pm.Model(coords=_coords(data)) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"].values, dims=("row", "part"))
        alpha = pm.math.exp(X @ pm.Normal("beta", 0.0, 10.0, dims=("part", "term")).T)
        pm.Dirichlet("outcome", a=alpha, observed=y, dims=("row", "part"))
    return model


@definition(
    outcome="composition of counts",
    latex=(
        r"y_i \sim \mathrm{Multinomial}\Bigl(\sum_j y_{ij}, p_i\Bigr), \quad "
        r"p_{ij} = \frac{\exp(x_i^\top \beta_j)}{\sum_k \exp(x_i^\top \beta_k)}, \quad \beta_1 = 0"
    ),
)
def multinomial(data: xr.Dataset) -> pm.Model:
    r"""Multinomial regression: counts of several kinds, given their sum in each row.

    log(p_j / p_1) = X beta_j; the first outcome is the base.
    """
    with pm.Model(coords=_coords(data)) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"].values, dims=("row", "part"))
        eta = X @ pm.Normal("beta", 0.0, 10.0, dims=("against", "term")).T
        whole = pm.math.concatenate([pm.math.zeros_like(eta[:, :1]), eta], axis=1)
        p = pm.math.softmax(whole, axis=1)
        total = pm.Data("total", data["y"].values.sum(axis=1), dims="row")
        pm.Multinomial("outcome", n=total, p=p, observed=y, dims=("row", "part"))
    return model
