r"""Outcomes that may be any number, around a linear mean, median or quantile.

All expect `y (row)` and `X (row, term)`; the heteroscedastic normal also `X_scale
(row, term_scale)`. Priors are weakly informative for terms of unit scale, in units of the
outcome's standard deviation s.
"""

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Equivalent, Values, definition
from models.linear import column, coords, least_squares, linear, residuals, unit


def _least_squares(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    y = data["y"].values
    beta = least_squares(data, y)
    return beta, residuals(data, y, beta)


def _normal_start(data: xr.Dataset) -> Values:
    beta, left = _least_squares(data)
    return {"beta": beta, "sigma": np.sqrt(np.mean(left**2))}


def _heavy_start(data: xr.Dataset) -> Values:
    """Residuals beyond a few median deviations tell nothing of the scale."""
    beta, left = _least_squares(data)
    return {"beta": beta, "sigma": 1.2 * np.median(np.abs(left)), "nu": np.array(5.0)}


def _skewed_start(data: xr.Dataset) -> Values:
    """By the moments of least squares' residuals (Azzalini 1985)."""
    beta, left = _least_squares(data)
    spread = np.sqrt(np.mean(left**2)) or 1.0
    skewness = np.clip(np.mean((left / spread) ** 3), -0.9, 0.9)
    ratio = np.abs(skewness) ** (2 / 3)
    delta = np.sign(skewness) * np.sqrt(np.pi / 2 * ratio / (ratio + (2 - np.pi / 2) ** (2 / 3)))
    sigma = spread / np.sqrt(1 - 2 * delta**2 / np.pi)
    shift = np.where(data["term"].values == "Intercept", sigma * delta * np.sqrt(2 / np.pi), 0.0)
    return {"beta": beta - shift, "sigma": sigma, "alpha": delta / np.sqrt(1 - delta**2)}


def _laplace_start(data: xr.Dataset) -> Values:
    beta, left = _least_squares(data)
    return {"beta": beta, "b": np.mean(np.abs(left))}


def _scale_start(data: xr.Dataset) -> Values:
    """log sigma from the logarithms of squared residuals, whose mean is 1.27 too low."""
    beta, left = _least_squares(data)
    squares = np.maximum(left**2, 1e-12 * np.mean(left**2) + 1e-300)
    return {"beta": beta, "gamma": least_squares(data, (np.log(squares) + 1.27) / 2, "scale")}


@definition(
    outcome="real",
    latex=r"y_i \sim \mathrm{N}(\mu_i, \sigma^2), \quad \mu_i = x_i^\top \beta",
    statsmodels=Equivalent(
        "statsmodels.regression.linear_model.OLS",
        lambda params, data: {
            "beta": params,
            "sigma": np.sqrt(np.mean((data["y"].values - data["X"].values @ params) ** 2)),
        },
    ),
    start=_normal_start,
)
def normal(data: xr.Dataset) -> pm.Model:
    r"""Normal regression: y ~ Normal(mu, sigma), mu = X beta; sigma is a standard deviation."""
    with pm.Model(coords=coords(data)) as model:
        mu = linear(data, spread=10 * unit(data))
        sigma = pm.HalfNormal("sigma", 5 * unit(data))
        pm.Normal("outcome", mu, sigma, observed=column(data), dims="row")
    return model


@definition(
    outcome="real",
    latex=(
        r"y_i \sim t_\nu(\mu_i, \sigma), \quad \mu_i = x_i^\top \beta, \quad "
        r"p(y) \propto \Bigl(1 + \frac{(y - \mu)^2}{\nu \sigma^2}\Bigr)^{-(\nu + 1)/2}"
    ),
    statsmodels=Equivalent(
        "statsmodels.miscmodels.tmodel.TLinearModel",
        lambda params, data: {"beta": params[:-2], "nu": params[-2], "sigma": params[-1]},
    ),
    start=_heavy_start,
)
def student_t(data: xr.Dataset) -> pm.Model:
    r"""Student-t regression: mu = X beta, scale sigma, nu degrees of freedom.

    sigma is no standard deviation, which is sigma sqrt(nu / (nu - 2)) where nu > 2. nu goes to
    infinity as the tails become a normal's.
    """
    with pm.Model(coords=coords(data)) as model:
        mu = linear(data, spread=10 * unit(data))
        sigma, nu = pm.HalfNormal("sigma", 5 * unit(data)), pm.Gamma("nu", 2.0, 0.1)
        pm.StudentT("outcome", nu=nu, mu=mu, sigma=sigma, observed=column(data), dims="row")
    return model


@definition(
    outcome="real",
    latex=(
        r"p(y_i) = \frac{1}{2b} \exp\Bigl(-\frac{|y_i - \mu_i|}{b}\Bigr), \quad "
        r"\mu_i = x_i^\top \beta"
    ),
    statsmodels=Equivalent(
        "statsmodels.regression.quantile_regression.QuantReg",
        lambda params, data: {"beta": params},
        same_likelihood=False,
    ),
    start=_laplace_start,
)
def laplace(data: xr.Dataset) -> pm.Model:
    r"""Median regression: p(y) = exp(-|y - mu| / b) / 2b, mu = X beta.

    The likelihood falls to either side of its maximum at once, as the absolute value does: its
    maximum, least absolute deviations, stands on a kink and has no curvature there. If the family
    is the truth, kind="expected" gives standard errors; the bootstrap does in any case.
    """
    with pm.Model(coords=coords(data)) as model:
        mu = linear(data, spread=10 * unit(data))
        b = pm.HalfNormal("b", 5 * unit(data))
        pm.Laplace("outcome", mu=mu, b=b, observed=column(data), dims="row")
    return model


@definition(
    outcome="real",
    latex=(
        r"p(y_i) = \frac{q (1 - q)}{b} \exp\Bigl(-\frac{\rho_q(y_i - \mu_i)}{b}\Bigr), \quad "
        r"\rho_q(r) = r \, (q - [r < 0]), \quad \mu_i = x_i^\top \beta"
    ),
    start=lambda data: dict(_laplace_start(data)) | {"q": np.array(0.5)},
)
def asymmetric_laplace(data: xr.Dataset) -> pm.Model:
    r"""Quantile regression: mu = X beta is the q-quantile, b the scale (Koenker and Machado 1999).

    p(y) = q (1 - q) exp(-rho(y - mu) / b) / b, rho(r) = r (q - [r < 0]). Hold q to choose the
    quantile, `fixed = {q = 0.9}`; free, it is the asymmetry that suits the data best. The maximum
    stands on a kink, as the Laplace's does, and the family is seldom the truth: take the bootstrap.
    """
    with pm.Model(coords=coords(data)) as model:
        mu = linear(data, spread=10 * unit(data))
        b, q = pm.HalfNormal("b", 5 * unit(data)), pm.Beta("q", 1.0, 1.0, initval=0.5)
        # PyMC's scale is that of both tails together: rate b' with kappa^2 = q / (1 - q).
        rate, kappa = pm.math.sqrt(q * (1 - q)) / b, pm.math.sqrt(q / (1 - q))
        pm.AsymmetricLaplace(
            "outcome", b=rate, kappa=kappa, mu=mu, observed=column(data), dims="row"
        )
    return model


@definition(
    outcome="real",
    latex=(
        r"p(y_i) = \frac{2}{\sigma}\, \varphi(z_i)\, \Phi(\alpha z_i), \quad "
        r"z_i = \frac{y_i - \mu_i}{\sigma}, \quad \mu_i = x_i^\top \beta"
    ),
    start=_skewed_start,
)
def skew_normal(data: xr.Dataset) -> pm.Model:
    r"""Skew-normal regression (Azzalini 1985): location mu = X beta, scale sigma, slant alpha.

    p(y) = 2 phi(z) Phi(alpha z) / sigma, z = (y - mu) / sigma. The mean is mu + sigma delta
    sqrt(2 / pi), delta = alpha / sqrt(1 + alpha^2). At alpha = 0 the information is singular: near
    it the intercept, sigma and alpha are hardly told apart.
    """
    with pm.Model(coords=coords(data)) as model:
        mu = linear(data, spread=10 * unit(data))
        sigma, alpha = pm.HalfNormal("sigma", 5 * unit(data)), pm.Normal("alpha", 0.0, 5.0)
        pm.SkewNormal("outcome", mu=mu, sigma=sigma, alpha=alpha, observed=column(data), dims="row")
    return model


@definition(
    outcome="real",
    predictors=("scale",),
    latex=(
        r"y_i \sim \mathrm{N}(\mu_i, \sigma_i^2), \quad \mu_i = x_i^\top \beta, \quad "
        r"\log \sigma_i = z_i^\top \gamma"
    ),
    start=_scale_start,
)
def heteroscedastic_normal(data: xr.Dataset) -> pm.Model:
    r"""Normal regression whose spread varies: mu = X beta, log sigma = X_scale gamma."""
    with pm.Model(coords=coords(data)) as model:
        mu = linear(data, spread=10 * unit(data))
        sigma = pm.math.exp(linear(data, "scale", "gamma", spread=10.0))
        pm.Normal("outcome", mu, sigma, observed=column(data), dims="row")
    return model
