r"""Yes or no, and how many yes out of so many trials.

All expect `y (row)` and `X (row, term)`: y is 0 or 1, or, where the data have `trials (row)`, the
number of successes among them. Priors are weakly informative for terms of unit scale.
"""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Equivalent, Values, definition
from models.linear import column, coords, linear


def _trials(data: xr.Dataset) -> Any:
    """As whole numbers: of others no outcome can be drawn."""
    return pm.Data("trials", data["trials"].astype(np.int64), dims="row")


def _successes(data: xr.Dataset, log_odds: Any) -> None:
    """One trial a row, or as many as the data say."""
    y = column(data)
    if "trials" in data:
        pm.Binomial("outcome", n=_trials(data), logit_p=log_odds, observed=y, dims="row")
    else:
        pm.Bernoulli("outcome", logit_p=log_odds, observed=y, dims="row")


def _of_params(params: np.ndarray, data: xr.Dataset) -> Values:
    return {"beta": params}


@definition(
    outcome="binary",
    takes=("trials",),
    latex=(
        r"y_i \sim \mathrm{Binomial}(n_i, p_i), \quad "
        r"\log \frac{p_i}{1 - p_i} = x_i^\top \beta"
    ),
    statsmodels=Equivalent("statsmodels.discrete.discrete_model.Logit", _of_params),
)
def logit(data: xr.Dataset) -> pm.Model:
    r"""Logistic regression: P(yes) = 1 / (1 + exp(-X beta))."""
    with pm.Model(coords=coords(data)) as model:
        _successes(data, linear(data))
    return model


@definition(
    outcome="binary",
    takes=("trials",),
    latex=r"y_i \sim \mathrm{Binomial}(n_i, p_i), \quad p_i = \Phi(x_i^\top \beta)",
    statsmodels=Equivalent("statsmodels.discrete.discrete_model.Probit", _of_params),
)
def probit(data: xr.Dataset) -> pm.Model:
    r"""Probit regression: P(yes) = Phi(X beta), the normal distribution function."""
    with pm.Model(coords=coords(data)) as model:
        eta = linear(data)
        # By log-odds: 1 - Phi is rounding where Phi is near 1.
        above, below = (pm.logcdf(pm.Normal.dist(), side) for side in (eta, -eta))
        _successes(data, above - below)
    return model


@definition(
    outcome="binary",
    takes=("trials",),
    latex=(
        r"y_i \sim \mathrm{Binomial}(n_i, p_i), \quad "
        r"\log\bigl(-\log(1 - p_i)\bigr) = x_i^\top \beta"
    ),
    statsmodels=Equivalent(
        "statsmodels.genmod.generalized_linear_model.GLM",
        _of_params,
        {"family": "Binomial", "link": "CLogLog"},
    ),
)
def complementary_log_log(data: xr.Dataset) -> pm.Model:
    r"""Complementary log-log regression: P(yes) = 1 - exp(-exp(X beta)).

    With the logarithm of a time as offset, the chance that a Poisson process has begun.
    """
    with pm.Model(coords=coords(data)) as model:
        hazard = pm.math.exp(linear(data))
        _successes(data, hazard + pm.math.log1mexp(-hazard))  # log p less log(1 - p) = -hazard
    return model


@definition(
    outcome="binary",
    needs=("trials",),
    latex=(
        r"y_i \sim \mathrm{BetaBinomial}\bigl(n_i, \mu_i \phi, (1 - \mu_i) \phi\bigr), \quad "
        r"\operatorname{logit} \mu_i = x_i^\top \beta"
    ),
    start=lambda data: {"phi": np.array(10.0)},
)
def beta_binomial(data: xr.Dataset) -> pm.Model:
    r"""Successes among trials that are alike in a row: logit mu = X beta, precision phi.

    Each row's probability is a beta's draw, so that Var y = n mu (1 - mu) (n + phi) / (1 + phi);
    phi goes to infinity as the counts become binomial.
    """
    with pm.Model(coords=coords(data)) as model:
        mu, phi = pm.math.sigmoid(linear(data)), pm.HalfNormal("phi", 100.0)
        pm.BetaBinomial(
            "outcome", n=_trials(data), alpha=mu * phi, beta=(1 - mu) * phi,
            observed=column(data), dims="row",
        )  # fmt: skip
    return model
