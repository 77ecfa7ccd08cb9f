r"""Shares between 0 and 1.

All expect `y (row)` and `X (row, term)`; the zero-one-inflated beta also `X_edge` and `X_one`.
Priors are weakly informative for terms of unit scale.
"""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Equivalent, Values, definition
from models.linear import column, coords, least_squares, linear, residuals


def _logit(p: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(p) - np.log1p(-p))


def _expit(eta: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-eta)))


def _beta_start(data: xr.Dataset, y: np.ndarray | None = None) -> dict[str, np.ndarray | float]:
    """Least squares of logit y, and phi by Var y = mu (1 - mu) / (1 + phi)."""
    y = data["y"].values if y is None else y
    z = _logit(y)
    beta = least_squares(data, z)
    mu = _expit(z - residuals(data, z, beta))
    ratio = np.mean((y - mu) ** 2) / np.mean(mu * (1 - mu))
    return {"beta": beta, "phi": np.asarray(1 / max(ratio, 1e-6))}


def _precision_start(data: xr.Dataset) -> Values:
    """The same phi for all rows."""
    start = _beta_start(data)
    terms = data["term_precision"].values
    return {
        "beta": start["beta"],
        "precision": np.where(terms == "Intercept", np.log(start["phi"]), 0.0),
    }


def _inflated_start(data: xr.Dataset) -> Values:
    """The beta's part of what lies inside, the shares of edges and of ones by their averages."""
    y = data["y"].values
    edge, one = (y == 0) | (y == 1), y == 1
    inside = np.where(edge, np.median(y[~edge]) if (~edge).any() else 0.5, y)
    shares = {"gamma": edge.mean(), "delta": one.sum() / max(edge.sum(), 1)}
    start = _beta_start(data, inside)
    for name, predictor in (("gamma", "edge"), ("delta", "one")):
        terms = data[f"term_{predictor}"].values
        level = _logit(np.clip(shares[name], 0.01, 0.99))
        start[name] = np.where(terms == "Intercept", level, 0.0)
    return start


def _kumaraswamy_start(data: xr.Dataset) -> Values:
    return {"beta": least_squares(data, _logit(data["y"].values)), "a": np.array(2.0)}


@definition(
    outcome="share",
    latex=(
        r"y_i \sim \mathrm{Beta}\bigl(\mu_i \phi, (1 - \mu_i) \phi\bigr), \quad "
        r"\operatorname{logit} \mu_i = x_i^\top \beta, \quad "
        r"\operatorname{Var} y_i = \frac{\mu_i (1 - \mu_i)}{1 + \phi}"
    ),
    statsmodels=Equivalent(
        "statsmodels.othermod.betareg.BetaModel",
        lambda params, data: {"beta": params[:-1], "phi": np.exp(params[-1])},
    ),
    start=_beta_start,
)
def beta(data: xr.Dataset) -> pm.Model:
    r"""Beta regression (Ferrari and Cribari-Neto 2004): logit mu = X beta, precision phi."""
    with pm.Model(coords=coords(data)) as model:
        mu, phi = pm.math.sigmoid(linear(data)), pm.HalfNormal("phi", 100.0)
        pm.Beta("outcome", mu=mu, nu=phi, observed=column(data), dims="row")
    return model


@definition(
    outcome="share",
    predictors=("precision",),
    latex=(
        r"y_i \sim \mathrm{Beta}\bigl(\mu_i \phi_i, (1 - \mu_i) \phi_i\bigr), \quad "
        r"\operatorname{logit} \mu_i = x_i^\top \beta, \quad \log \phi_i = z_i^\top \pi"
    ),
    statsmodels=Equivalent(
        "statsmodels.othermod.betareg.BetaModel",
        lambda params, data: {
            "beta": params[: data.sizes["term"]],
            "precision": params[data.sizes["term"] :],
        },
    ),
    start=_precision_start,
)
def variable_precision_beta(data: xr.Dataset) -> pm.Model:
    r"""Beta regression with a precision that varies: log phi = X_precision precision."""
    with pm.Model(coords=coords(data)) as model:
        mu = pm.math.sigmoid(linear(data))
        phi = pm.math.exp(linear(data, "precision", "precision"))
        pm.Beta("outcome", mu=mu, nu=phi, observed=column(data), dims="row")
    return model


def _zero_one_inflated_beta(y: Any, edge: Any, one: Any, a: Any, b: Any) -> Any:
    """The density where y lies inside, probabilities at 0 and 1."""
    inside = pm.math.and_(y > 0, y < 1)
    within = pm.logp(pm.Beta.dist(a, b), pm.math.switch(inside, y, 0.5))
    at_edge = pm.math.switch(pm.math.eq(y, 1), pm.math.log(one), pm.math.log1p(-one))
    return pm.math.switch(inside, pm.math.log1p(-edge) + within, pm.math.log(edge) + at_edge)


def _zero_one_inflated_draw(
    edge: np.ndarray,
    one: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    rng: np.random.Generator,
    size: tuple[int, ...],
) -> np.ndarray:
    at_edge = rng.uniform(size=size) < edge
    return np.where(at_edge, rng.uniform(size=size) < one, rng.beta(a, b, size))


@definition(
    outcome="closed share",
    predictors=("edge", "one"),
    latex=(
        r"P(y_i \in \{0, 1\}) = \pi_i, \quad P(y_i = 1 \mid y_i \in \{0, 1\}) = \kappa_i, \quad "
        r"y_i \mid 0 < y_i < 1 \sim \mathrm{Beta}\bigl(\mu_i \phi, (1 - \mu_i) \phi\bigr)"
    ),
    start=_inflated_start,
)
def zero_one_inflated_beta(data: xr.Dataset) -> pm.Model:
    r"""Beta regression with zeros and ones (Ospina and Ferrari 2010).

    logit P(y is 0 or 1) = X_edge gamma, logit P(y = 1 | y is 0 or 1) = X_one delta; inside, a beta
    with logit mu = X beta and precision phi.
    """
    with pm.Model(coords=coords(data)) as model:
        mu, phi = pm.math.sigmoid(linear(data)), pm.HalfNormal("phi", 100.0)
        edge = pm.math.sigmoid(linear(data, "edge", "gamma", spread=5.0))
        one = pm.math.sigmoid(linear(data, "one", "delta", spread=5.0))
        pm.CustomDist(
            "outcome", edge, one, mu * phi, (1 - mu) * phi, logp=_zero_one_inflated_beta,
            random=_zero_one_inflated_draw, class_name="ZeroOneInflatedBeta",
            observed=column(data), dims="row",
        )  # fmt: skip
    return model


@definition(
    outcome="share",
    latex=(
        r"P(y_i \le t) = 1 - (1 - t^a)^{b_i}, \quad b_i = \frac{\log 1/2}{\log(1 - m_i^a)}, "
        r"\quad \operatorname{logit} m_i = x_i^\top \beta"
    ),
    start=_kumaraswamy_start,
)
def kumaraswamy(data: xr.Dataset) -> pm.Model:
    r"""Kumaraswamy regression of the median m: logit m = X beta, P(y <= t) = 1 - (1 - t^a)^b.

    b is what makes m the median: log(1/2) / log(1 - m^a).
    """
    with pm.Model(coords=coords(data)) as model:
        m, a = pm.math.sigmoid(linear(data)), pm.HalfNormal("a", 10.0)
        b = -np.log(2.0) / pm.math.log1p(-(m**a))
        pm.Kumaraswamy("outcome", a=a, b=b, observed=column(data), dims="row")
    return model
