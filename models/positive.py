r"""Outcomes above zero, with a log-linear mean or scale; and the tails beyond a threshold.

All expect `y (row)` and `X (row, term)`. Priors are weakly informative for terms of unit scale.
"""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Equivalent, Values, definition
from models.linear import column, coords, least_squares, linear, residuals

EULER = 0.5772156649015329


def _log_start(data: xr.Dataset) -> tuple[np.ndarray, float]:
    """Least squares of log y, and the variance that it leaves."""
    z = np.log(data["y"].values)
    beta = least_squares(data, z)
    return beta, float(np.mean(residuals(data, z, beta) ** 2)) or 1e-6


def _raised(data: xr.Dataset, beta: np.ndarray, shift: float) -> np.ndarray:
    """The coefficients with so much more in the intercept, where there is one."""
    return np.asarray(beta + np.where(data["term"].values == "Intercept", shift, 0.0))


def _gamma_start(data: xr.Dataset) -> Values:
    """Var log y is about 1 / alpha + 1 / (2 alpha^2)."""
    beta, variance = _log_start(data)
    return {"beta": _raised(data, beta, variance / 2), "alpha": 1 / variance + 0.5}


def _lognormal_start(data: xr.Dataset) -> Values:
    beta, variance = _log_start(data)
    return {"beta": beta, "sigma": np.sqrt(variance)}


def _weibull_start(data: xr.Dataset) -> Values:
    """log y is a Gumbel's: variance pi^2 / (6 alpha^2), mean log scale - 0.5772 / alpha."""
    beta, variance = _log_start(data)
    alpha = np.pi / np.sqrt(6 * variance)
    return {"beta": _raised(data, beta, EULER / alpha), "alpha": alpha}


def _inverse_gaussian_start(data: xr.Dataset) -> Values:
    """By the mean of (y - mu)^2 / (mu^2 y), which is 1 / lambda."""
    beta, variance = _log_start(data)
    beta = _raised(data, beta, variance / 2)
    y, mu = data["y"].values, np.exp(data["y"].values * 0 + data["X"].values @ beta)
    if "offset" in data:
        mu = mu * np.exp(data["offset"].values)
    return {"beta": beta, "lam": 1 / np.mean((y - mu) ** 2 / (mu**2 * y))}


def _exponential_start(data: xr.Dataset) -> Values:
    return {"beta": _raised(data, _log_start(data)[0], EULER)}


def _pareto_start(data: xr.Dataset) -> Values:
    """log y is exponential with mean 1 / alpha."""
    z = -np.log(np.maximum(np.log(data["y"].values), 1e-12))
    return {"beta": _raised(data, least_squares(data, z), -EULER)}


def _tail_start(data: xr.Dataset) -> Values:
    return {"beta": _raised(data, _log_start(data)[0], EULER), "xi": np.array(0.1)}


@definition(
    outcome="positive",
    latex=(
        r"y_i \sim \mathrm{Gamma}(\alpha, \alpha / \mu_i), \quad \log \mu_i = x_i^\top \beta, "
        r"\quad \operatorname{Var} y_i = \mu_i^2 / \alpha"
    ),
    statsmodels=Equivalent(
        "statsmodels.genmod.generalized_linear_model.GLM",
        lambda params, data: {"beta": params},
        {"family": "Gamma", "link": "Log"},
    ),
    start=_gamma_start,
)
def gamma(data: xr.Dataset) -> pm.Model:
    r"""Gamma regression: mean mu, log mu = X beta, shape alpha; variance mu^2 / alpha."""
    with pm.Model(coords=coords(data)) as model:
        mu = pm.math.exp(linear(data))
        alpha = pm.HalfNormal("alpha", 20.0)
        pm.Gamma("outcome", alpha=alpha, beta=alpha / mu, observed=column(data), dims="row")
    return model


@definition(
    outcome="positive",
    latex=r"\log y_i \sim \mathrm{N}(\mu_i, \sigma^2), \quad \mu_i = x_i^\top \beta",
    start=_lognormal_start,
)
def lognormal(data: xr.Dataset) -> pm.Model:
    r"""Log-normal regression: log y ~ Normal(mu, sigma), mu = X beta; exp(mu) is the median."""
    with pm.Model(coords=coords(data)) as model:
        mu, sigma = linear(data), pm.HalfNormal("sigma", 5.0)
        pm.LogNormal("outcome", mu, sigma, observed=column(data), dims="row")
    return model


@definition(
    outcome="positive",
    latex=(
        r"P(y_i > t) = \exp\bigl(-(t / \lambda_i)^\alpha\bigr), \quad "
        r"\log \lambda_i = x_i^\top \beta"
    ),
    start=_weibull_start,
)
def weibull(data: xr.Dataset) -> pm.Model:
    r"""Weibull regression: P(y > t) = exp(-(t / lambda)^alpha), log lambda = X beta, shape alpha.

    An accelerated-failure-time model: R's survreg has beta, too, and 1 / alpha as its scale.
    """
    with pm.Model(coords=coords(data)) as model:
        scale, alpha = pm.math.exp(linear(data)), pm.HalfNormal("alpha", 10.0)
        pm.Weibull("outcome", alpha=alpha, beta=scale, observed=column(data), dims="row")
    return model


@definition(
    outcome="positive",
    latex=(
        r"p(y_i) = \sqrt{\frac{\lambda}{2 \pi y_i^3}} \exp\Bigl(-\frac{\lambda (y_i - \mu_i)^2}"
        r"{2 \mu_i^2 y_i}\Bigr), \quad \log \mu_i = x_i^\top \beta"
    ),
    statsmodels=Equivalent(
        "statsmodels.genmod.generalized_linear_model.GLM",
        lambda params, data: {"beta": params},
        {"family": "InverseGaussian", "link": "Log"},
    ),
    start=_inverse_gaussian_start,
)
def inverse_gaussian(data: xr.Dataset) -> pm.Model:
    r"""Inverse Gaussian (Wald) regression: log mu = X beta, shape lam; variance mu^3 / lam."""
    with pm.Model(coords=coords(data)) as model:
        mu = pm.math.exp(linear(data))
        lam = pm.HalfNormal("lam", 100 * float(data["y"].mean()))
        pm.Wald("outcome", mu=mu, lam=lam, observed=column(data), dims="row")
    return model


@definition(
    outcome="positive",
    latex=r"p(y_i) = \frac{1}{\mu_i} e^{-y_i / \mu_i}, \quad \log \mu_i = x_i^\top \beta",
    statsmodels=Equivalent(
        "statsmodels.genmod.generalized_linear_model.GLM",  # whatever the dispersion
        lambda params, data: {"beta": params},
        {"family": "Gamma", "link": "Log"},
    ),
    start=_exponential_start,
)
def exponential(data: xr.Dataset) -> pm.Model:
    r"""Exponential regression: mean mu, log mu = X beta."""
    with pm.Model(coords=coords(data)) as model:
        mu = pm.math.exp(linear(data))
        pm.Exponential("outcome", scale=mu, observed=column(data), dims="row")
    return model


@definition(
    outcome="excess",
    latex=r"P(y_i > t) = t^{-\alpha_i}, \; t \ge 1, \quad \log \alpha_i = x_i^\top \beta",
    start=_pareto_start,
)
def pareto(data: xr.Dataset) -> pm.Model:
    r"""Pareto's tail: P(y > t) = t^-alpha for t >= 1, log alpha = X beta.

    y is the ratio of a value to the threshold above which it was seen: divide by the threshold
    first. The threshold is not estimated.
    """
    with pm.Model(coords=coords(data)) as model:
        alpha = pm.math.exp(linear(data))
        pm.Pareto("outcome", alpha=alpha, m=1.0, observed=column(data), dims="row")
    return model


def _generalised_pareto(y: Any, sigma: Any, xi: Any) -> Any:
    """-log sigma - z g(xi z) - log(1 + xi z), z = y / sigma and g(u) = log(1 + u) / u.

    Near zero g goes by its series, or its derivatives would cancel.
    """
    z = y / sigma
    inside = pm.math.and_(z >= 0, 1 + xi * z > 0)
    z = pm.math.switch(inside, z, 0.0)
    u = xi * z
    near = pm.math.abs(u) < 0.02
    series = sum((-1) ** k / (k + 1) * pm.math.switch(near, u, 0.0) ** k for k in range(9))
    far = pm.math.switch(near, 1.0, u)
    g = pm.math.switch(near, series, pm.math.log1p(far) / far)
    return pm.math.switch(inside, -pm.math.log(sigma) - z * g - pm.math.log1p(u), -np.inf)


def _generalised_pareto_draw(
    sigma: np.ndarray, xi: np.ndarray, rng: np.random.Generator, size: tuple[int, ...]
) -> np.ndarray:
    """By the inverse of the distribution function."""
    exponential = rng.standard_exponential(size)
    return np.asarray(sigma * np.where(xi == 0, exponential, np.expm1(xi * exponential)
                                       / np.where(xi == 0, 1.0, xi)))  # fmt: skip


@definition(
    outcome="excess",
    latex=(
        r"P(y_i > t) = \Bigl(1 + \frac{\xi t}{\sigma_i}\Bigr)^{-1/\xi}, \quad "
        r"\log \sigma_i = x_i^\top \beta"
    ),
    start=_tail_start,
)
def generalised_pareto(data: xr.Dataset) -> pm.Model:
    r"""Generalised Pareto tail: P(y > t) = (1 + xi t / sigma)^(-1/xi), log sigma = X beta.

    y is what exceeds the threshold: subtract it first. xi > 0 is a power's tail, with no mean
    from xi = 1 on; xi = 0 is exponential; below, the support ends at -sigma / xi, and from
    xi = -1/2 down the maximum of the likelihood is irregular (Smith 1985).
    """
    with pm.Model(coords=coords(data)) as model:
        sigma, xi = pm.math.exp(linear(data)), pm.Normal("xi", 0.0, 0.5)
        pm.CustomDist(
            "outcome", sigma, xi, logp=_generalised_pareto, random=_generalised_pareto_draw,
            class_name="GeneralizedPareto", observed=column(data), dims="row",
        )  # fmt: skip
    return model
