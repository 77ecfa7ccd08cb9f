r"""Counts 0, 1, 2, ... with a log-linear mean.

All four expect `y (row)` and `X (row, term)`; the zero-inflated and the hurdle model also
`X_zero (row, term_zero)`, the terms of the log-odds of a zero (the main terms where no formula
of its own is given). Priors are weakly informative for terms of unit scale.
"""

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Values, definition


def _log_linear_start(data: xr.Dataset) -> dict[str, np.ndarray]:
    """Least squares on log(y + 1/2): near enough to the optimum for any log-linear mean."""
    X, z = data["X"].values, np.log(data["y"].values + 0.5)
    unit = np.sqrt(np.sum(X**2, axis=0))
    unit[unit == 0] = 1.0
    # By the normal equations: a start needs no more digits, and long tables are quick.
    beta, *_ = np.linalg.lstsq(X.T @ X / np.outer(unit, unit), X.T @ z / unit, rcond=None)
    return {"beta": beta / unit}


def _dispersed_start(data: xr.Dataset) -> dict[str, np.ndarray]:
    return _log_linear_start(data) | {"alpha": np.array(1.0)}


def _with_zero_part(data: xr.Dataset, start: Values) -> dict[str, np.ndarray]:
    return dict(start) | {"gamma": np.zeros(data.sizes["term_zero"])}


@definition(
    latex=r"y_i \sim \mathrm{Poisson}(\mu_i), \quad \log \mu_i = x_i^\top \beta",
    statsmodels=(
        "statsmodels.discrete.discrete_model.Poisson",
        lambda params, data: {"beta": params},
    ),
    start=_log_linear_start,
)
def poisson(data: xr.Dataset) -> pm.Model:
    r"""Poisson regression: p(y) = exp(-mu) mu^y / y!, log mu = X beta."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        pm.Poisson("outcome", mu=pm.math.exp(X @ beta), observed=y, dims="row")
    return model


@definition(
    latex=(
        r"y_i \sim \mathrm{NB}(\mu_i, \alpha), \quad \log \mu_i = x_i^\top \beta, \quad "
        r"\operatorname{Var} y_i = \mu_i + \mu_i^2 / \alpha"
    ),
    statsmodels=(
        "statsmodels.discrete.discrete_model.NegativeBinomial",
        lambda params, data: {"beta": params[:-1], "alpha": 1.0 / params[-1]},
    ),
    start=_dispersed_start,
)
def negative_binomial(data: xr.Dataset) -> pm.Model:
    r"""Negative binomial regression (NB2): variance mu + mu^2 / alpha, log mu = X beta.

    `alpha` is the inverse of the dispersion that statsmodels calls alpha and Stata calls
    /alpha; R's MASS calls ours theta. It goes to infinity as the data become Poisson.
    """
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        alpha = pm.HalfNormal("alpha", 5.0)
        mu = pm.math.exp(X @ beta)
        pm.NegativeBinomial("outcome", mu=mu, alpha=alpha, observed=y, dims="row")
    return model


@definition(
    predictors=("zero",),
    latex=(
        r"y_i \sim \pi_i\, \delta_0 + (1 - \pi_i)\, \mathrm{Poisson}(\mu_i), \quad "
        r"\log \mu_i = x_i^\top \beta, \quad \operatorname{logit} \pi_i = z_i^\top \gamma"
    ),
    statsmodels=(
        "statsmodels.discrete.count_model.ZeroInflatedPoisson",
        lambda params, data: {
            "gamma": params[: data.sizes["term_zero"]],
            "beta": params[data.sizes["term_zero"] :],
        },
    ),
    start=lambda data: _with_zero_part(data, _log_linear_start(data)),
)
def zero_inflated_poisson(data: xr.Dataset) -> pm.Model:
    r"""Poisson mixed with structural zeros: P(structural zero) = expit(X_zero gamma)."""
    with pm.Model(
        coords={"term": data["term"].values, "term_zero": data["term_zero"].values}
    ) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        Z = pm.Data("X_zero", data["X_zero"], dims=("row", "term_zero"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        gamma = pm.Normal("gamma", 0.0, 5.0, dims="term_zero")
        # PyMC's psi is the probability of the Poisson part, hence the sign.
        psi = pm.math.sigmoid(-(Z @ gamma))
        mu = pm.math.exp(X @ beta)
        pm.ZeroInflatedPoisson("outcome", psi=psi, mu=mu, observed=y, dims="row")
    return model


@definition(
    predictors=("zero",),
    latex=(
        r"P(y_i = 0) = \pi_i, \quad P(y_i = j) = (1 - \pi_i)\, "
        r"\frac{\mathrm{NB}(j; \mu_i, \alpha)}{1 - \mathrm{NB}(0; \mu_i, \alpha)}, \; j \ge 1, "
        r"\quad \log \mu_i = x_i^\top \beta, \quad \operatorname{logit} \pi_i = z_i^\top \gamma"
    ),
    start=lambda data: _with_zero_part(data, _dispersed_start(data)),
)
def hurdle_negative_binomial(data: xr.Dataset) -> pm.Model:
    r"""Zero or not by logit, P(zero) = expit(X_zero gamma); if not, a zero-truncated NB2."""
    with pm.Model(
        coords={"term": data["term"].values, "term_zero": data["term_zero"].values}
    ) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        Z = pm.Data("X_zero", data["X_zero"], dims=("row", "term_zero"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        alpha = pm.HalfNormal("alpha", 5.0)
        gamma = pm.Normal("gamma", 0.0, 5.0, dims="term_zero")
        # PyMC's psi is the probability of crossing the hurdle, hence the sign.
        psi = pm.math.sigmoid(-(Z @ gamma))
        mu = pm.math.exp(X @ beta)
        pm.HurdleNegativeBinomial("outcome", psi=psi, mu=mu, alpha=alpha, observed=y, dims="row")
    return model
