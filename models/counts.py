r"""Counts 0, 1, 2, ... with a log-linear mean.

All expect `y (row)` and `X (row, term)`, and take an `exposure (row)`, by which the mean is
multiplied, and an `offset (row)`, added to its logarithm; zero-inflated and hurdle models also
expect `X_zero (row, term_zero)`, the terms of the log-odds of a zero (the main terms where no
formula of its own is given). Priors are weakly informative for terms of unit scale.
"""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr
from pymc.distributions.dist_math import factln

from models.definition import Equivalent, Values, definition
from models.linear import column, coords, least_squares, linear

DISCRETE = "statsmodels.discrete.discrete_model"
COUNT = "statsmodels.discrete.count_model"
TRUNCATED = "statsmodels.discrete.truncated_model"


def _mean(data: xr.Dataset) -> Any:
    """exp(X beta + offset), times the exposure."""
    mu = pm.math.exp(linear(data))
    return column(data, "exposure") * mu if "exposure" in data else mu


def _zero(data: xr.Dataset) -> Any:
    """The probability of not being a structural zero, or of crossing the hurdle: PyMC's psi."""
    return pm.math.sigmoid(-linear(data, "zero", "gamma", spread=5.0))


def _log_linear_start(data: xr.Dataset) -> dict[str, np.ndarray | float]:
    """Least squares on log(y + 1/2): near enough to the optimum for any log-linear mean."""
    z = np.log(data["y"].values + 0.5)
    z = z - np.log(data["exposure"].values) if "exposure" in data else z
    return {"beta": least_squares(data, z)}


def _with(name: str, value: float = 1.0) -> Any:
    """The same start, and so much of a further parameter."""
    return lambda data: _log_linear_start(data) | {name: value}


def _with_zero_part(data: xr.Dataset, start: Values) -> dict[str, np.ndarray | float]:
    return dict(start) | {"gamma": np.zeros(data.sizes["term_zero"])}


def _of_mean(params: np.ndarray, data: xr.Dataset) -> Values:
    return {"beta": params}


def _zeros_first(params: np.ndarray, data: xr.Dataset) -> dict[str, np.ndarray | float]:
    """statsmodels' zero-inflated models have the inflation's coefficients first."""
    zeros = data.sizes["term_zero"]
    return {"gamma": params[:zeros], "beta": params[zeros : zeros + data.sizes["term"]]}


@definition(
    outcome="count",
    takes=("exposure",),
    latex=r"y_i \sim \mathrm{Poisson}(\mu_i), \quad \log \mu_i = x_i^\top \beta",
    statsmodels=Equivalent(f"{DISCRETE}.Poisson", _of_mean),
    start=_log_linear_start,
)
def poisson(data: xr.Dataset) -> pm.Model:
    r"""Poisson regression: p(y) = exp(-mu) mu^y / y!, log mu = X beta."""
    with pm.Model(coords=coords(data)) as model:
        pm.Poisson("outcome", mu=_mean(data), observed=column(data), dims="row")
    return model


@definition(
    outcome="count",
    takes=("exposure",),
    latex=(
        r"y_i \sim \mathrm{NB}(\mu_i, \alpha), \quad \log \mu_i = x_i^\top \beta, \quad "
        r"\operatorname{Var} y_i = \mu_i + \mu_i^2 / \alpha"
    ),
    statsmodels=Equivalent(
        f"{DISCRETE}.NegativeBinomial",
        lambda params, data: {"beta": params[:-1], "alpha": 1.0 / params[-1]},
    ),
    start=_with("alpha"),
)
def negative_binomial(data: xr.Dataset) -> pm.Model:
    r"""Negative binomial regression (NB2): variance mu + mu^2 / alpha, log mu = X beta.

    `alpha` is the inverse of the dispersion that statsmodels calls alpha and Stata calls
    /alpha; R's MASS calls ours theta. It goes to infinity as the data become Poisson.
    """
    with pm.Model(coords=coords(data)) as model:
        mu, alpha = _mean(data), pm.HalfNormal("alpha", 5.0)
        pm.NegativeBinomial("outcome", mu=mu, alpha=alpha, observed=column(data), dims="row")
    return model


@definition(
    outcome="count",
    takes=("exposure",),
    latex=(
        r"y_i \sim \mathrm{NB}(\mu_i, \mu_i / \delta), \quad \log \mu_i = x_i^\top \beta, \quad "
        r"\operatorname{Var} y_i = (1 + \delta) \mu_i"
    ),
    statsmodels=Equivalent(
        f"{DISCRETE}.NegativeBinomial",
        lambda params, data: {"beta": params[:-1], "delta": params[-1]},
        {"loglike_method": "nb1"},
    ),
    start=_with("delta"),
)
def negative_binomial_1(data: xr.Dataset) -> pm.Model:
    r"""Negative binomial regression (NB1): variance (1 + delta) mu, log mu = X beta.

    `delta` goes to zero as the data become Poisson.
    """
    with pm.Model(coords=coords(data)) as model:
        mu, delta = _mean(data), pm.HalfNormal("delta", 5.0)
        pm.NegativeBinomial("outcome", mu=mu, alpha=mu / delta, observed=column(data), dims="row")
    return model


def _generalised_poisson(y: Any, mu: Any, phi: Any) -> Any:
    rate = mu * (1 + phi * y)
    powers = (y - 1) * pm.math.log(rate) - y * pm.math.log1p(phi * mu)
    density = pm.math.log(mu) + powers - rate / (1 + phi * mu) - factln(y)
    return pm.math.switch(y >= 0, density, -np.inf)


def _generalised_poisson_draw(
    mu: np.ndarray, phi: np.ndarray, rng: np.random.Generator, size: tuple[int, ...]
) -> np.ndarray:
    """Families of a branching process: Poisson founders, Poisson children each (Consul 1989)."""
    share = phi * mu / (1 + phi * mu)  # children of one, on average
    young = rng.poisson(np.broadcast_to(mu / (1 + phi * mu), size))
    total = young.copy()
    while young.any():
        young = rng.poisson(share * young)
        total += young
    return np.asarray(total)


@definition(
    outcome="count",
    takes=("exposure",),
    latex=(
        r"p(y_i) = \frac{\mu_i\, (\mu_i (1 + \varphi y_i))^{y_i - 1}}"
        r"{y_i!\, (1 + \varphi \mu_i)^{y_i}}"
        r"\exp\Bigl(-\frac{\mu_i (1 + \varphi y_i)}{1 + \varphi \mu_i}\Bigr), \quad "
        r"\log \mu_i = x_i^\top \beta"
    ),
    statsmodels=Equivalent(
        f"{DISCRETE}.GeneralizedPoisson",
        lambda params, data: {"beta": params[:-1], "phi": params[-1]},
        {"p": 2},
    ),
    start=_with("phi", 0.1),
)
def generalised_poisson(data: xr.Dataset) -> pm.Model:
    r"""Generalised Poisson regression (GP-2): variance mu (1 + phi mu)^2, log mu = X beta.

    A heavier tail than the negative binomial's of the same variance (Consul and Jain 1973;
    Famoye 1993). `phi` goes to zero as the data become Poisson; less variance than that is
    not covered.
    """
    with pm.Model(coords=coords(data)) as model:
        mu, phi = _mean(data), pm.HalfNormal("phi", 1.0)
        pm.CustomDist(
            "outcome", mu, phi, logp=_generalised_poisson, random=_generalised_poisson_draw,
            class_name="GeneralizedPoisson", dtype="int64", observed=column(data), dims="row",
        )  # fmt: skip
    return model


@definition(
    outcome="count",
    predictors=("zero",),
    takes=("exposure",),
    latex=(
        r"y_i \sim \pi_i\, \delta_0 + (1 - \pi_i)\, \mathrm{Poisson}(\mu_i), \quad "
        r"\log \mu_i = x_i^\top \beta, \quad \operatorname{logit} \pi_i = z_i^\top \gamma"
    ),
    statsmodels=Equivalent(f"{COUNT}.ZeroInflatedPoisson", _zeros_first),
    start=lambda data: _with_zero_part(data, _log_linear_start(data)),
)
def zero_inflated_poisson(data: xr.Dataset) -> pm.Model:
    r"""Poisson mixed with structural zeros: P(structural zero) = expit(X_zero gamma)."""
    with pm.Model(coords=coords(data)) as model:
        mu, psi = _mean(data), _zero(data)
        pm.ZeroInflatedPoisson("outcome", psi=psi, mu=mu, observed=column(data), dims="row")
    return model


@definition(
    outcome="count",
    predictors=("zero",),
    takes=("exposure",),
    latex=(
        r"y_i \sim \pi_i\, \delta_0 + (1 - \pi_i)\, \mathrm{NB}(\mu_i, \alpha), \quad "
        r"\log \mu_i = x_i^\top \beta, \quad \operatorname{logit} \pi_i = z_i^\top \gamma"
    ),
    statsmodels=Equivalent(
        f"{COUNT}.ZeroInflatedNegativeBinomialP",
        lambda params, data: _zeros_first(params, data) | {"alpha": 1.0 / params[-1]},
    ),
    start=lambda data: _with_zero_part(data, _with("alpha")(data)),
)
def zero_inflated_negative_binomial(data: xr.Dataset) -> pm.Model:
    r"""NB2 mixed with structural zeros: P(structural zero) = expit(X_zero gamma)."""
    with pm.Model(coords=coords(data)) as model:
        mu, alpha, psi = _mean(data), pm.HalfNormal("alpha", 5.0), _zero(data)
        pm.ZeroInflatedNegativeBinomial(
            "outcome", psi=psi, mu=mu, alpha=alpha, observed=column(data), dims="row"
        )
    return model


@definition(
    outcome="count",
    predictors=("zero",),
    takes=("exposure",),
    latex=(
        r"P(y_i = 0) = \pi_i, \quad P(y_i = j) = (1 - \pi_i)\, "
        r"\frac{\mathrm{Poisson}(j; \mu_i)}{1 - e^{-\mu_i}}, \; j \ge 1, "
        r"\quad \log \mu_i = x_i^\top \beta, \quad \operatorname{logit} \pi_i = z_i^\top \gamma"
    ),
    start=lambda data: _with_zero_part(data, _log_linear_start(data)),
)
def hurdle_poisson(data: xr.Dataset) -> pm.Model:
    r"""Zero or not by logit, P(zero) = expit(X_zero gamma); if not, a zero-truncated Poisson."""
    with pm.Model(coords=coords(data)) as model:
        mu, psi = _mean(data), _zero(data)
        pm.HurdlePoisson("outcome", psi=psi, mu=mu, observed=column(data), dims="row")
    return model


@definition(
    outcome="count",
    predictors=("zero",),
    takes=("exposure",),
    latex=(
        r"P(y_i = 0) = \pi_i, \quad P(y_i = j) = (1 - \pi_i)\, "
        r"\frac{\mathrm{NB}(j; \mu_i, \alpha)}{1 - \mathrm{NB}(0; \mu_i, \alpha)}, \; j \ge 1, "
        r"\quad \log \mu_i = x_i^\top \beta, \quad \operatorname{logit} \pi_i = z_i^\top \gamma"
    ),
    start=lambda data: _with_zero_part(data, _with("alpha")(data)),
)
def hurdle_negative_binomial(data: xr.Dataset) -> pm.Model:
    r"""Zero or not by logit, P(zero) = expit(X_zero gamma); if not, a zero-truncated NB2."""
    with pm.Model(coords=coords(data)) as model:
        mu, alpha, psi = _mean(data), pm.HalfNormal("alpha", 5.0), _zero(data)
        pm.HurdleNegativeBinomial(
            "outcome", psi=psi, mu=mu, alpha=alpha, observed=column(data), dims="row"
        )
    return model


@definition(
    outcome="positive count",
    takes=("exposure",),
    latex=(
        r"P(y_i = j) = \frac{\mathrm{Poisson}(j; \mu_i)}{1 - e^{-\mu_i}}, \; j \ge 1, \quad "
        r"\log \mu_i = x_i^\top \beta"
    ),
    statsmodels=Equivalent(
        f"{TRUNCATED}.TruncatedLFPoisson", lambda params, data: {"beta": params}
    ),
    start=_log_linear_start,
)
def truncated_poisson(data: xr.Dataset) -> pm.Model:
    r"""Poisson counts of which zeros are never seen: log mu = X beta, mu before truncation."""
    with pm.Model(coords=coords(data)) as model:
        base = pm.Poisson.dist(mu=_mean(data))
        pm.Truncated("outcome", base, lower=1, observed=column(data), dims="row")
    return model


@definition(
    outcome="positive count",
    takes=("exposure",),
    latex=(
        r"P(y_i = j) = \frac{\mathrm{NB}(j; \mu_i, \alpha)}{1 - \mathrm{NB}(0; \mu_i, \alpha)}, "
        r"\; j \ge 1, \quad \log \mu_i = x_i^\top \beta"
    ),
    statsmodels=Equivalent(
        f"{TRUNCATED}.TruncatedLFNegativeBinomialP",
        lambda params, data: {"beta": params[:-1], "alpha": 1.0 / params[-1]},
    ),
    start=_with("alpha"),
)
def truncated_negative_binomial(data: xr.Dataset) -> pm.Model:
    r"""NB2 counts of which zeros are never seen: log mu = X beta, mu before truncation."""
    with pm.Model(coords=coords(data)) as model:
        base = pm.NegativeBinomial.dist(mu=_mean(data), alpha=pm.HalfNormal("alpha", 5.0))
        pm.Truncated("outcome", base, lower=1, observed=column(data), dims="row")
    return model
