r"""Several numbers a row, each around a linear mean of its own, that vary together.

Expects `y (row, outcome)` and `X (row, term)`. Priors are weakly informative for terms of unit
scale, in units of each outcome's standard deviation.
"""

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Values, definition


def _start(data: xr.Dataset) -> Values:
    """Least squares, and the Cholesky factor of what it leaves."""
    X, y = data["X"].values, data["y"].values
    beta = np.linalg.lstsq(X, y, rcond=None)[0]
    left = y - X @ beta
    spread = left.T @ left / len(y) + 1e-9 * np.diag(y.var(axis=0) + 1e-300)
    factor = np.linalg.cholesky(spread)
    return {"beta": beta.T, "factor": factor[np.tril_indices(len(factor))]}


@definition(
    outcome="vector",
    latex=(
        r"y_i \sim \mathrm{N}(\mu_i, \Sigma), \quad \mu_{ij} = x_i^\top \beta_j, \quad "
        r"\Sigma = L L^\top"
    ),
    start=_start,
)
def normal(data: xr.Dataset) -> pm.Model:
    r"""Multivariate normal regression: mean X beta_j of each outcome j, any covariance.

    `factor` is the lower Cholesky factor, row by row; `covariance` is a Deterministic.
    """
    count, spread = data.sizes["outcome"], data["y"].values.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    names = data["outcome"].values
    with pm.Model(coords={"term": data["term"].values, "part": names, "with": names}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"].values, dims=("row", "part"))
        beta = pm.Normal("beta", 0.0, 10 * spread[:, None], dims=("part", "term"))
        scales = pm.HalfNormal.dist(5 * spread, size=count)
        factor = pm.LKJCholeskyCov("factor", n=count, eta=1.0, sd_dist=scales, compute_corr=False)
        chol = pm.math.expand_packed_triangular(count, factor)
        pm.Deterministic("covariance", chol @ chol.T, dims=("part", "with"))
        pm.MvNormal("outcome", X @ beta.T, chol=chol, observed=y, dims=("row", "part"))
    return model
