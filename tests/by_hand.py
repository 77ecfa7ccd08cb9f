"""Every definition's log-likelihood by hand: raw columns and natural values in, a term a row out.

Written from textbooks and from the documentation of SciPy, statsmodels and R, and not from the
PyMC models. Values come by parameter, in the parameter's own shape, coefficients in the order of
the data's terms. A choice has a term a group, in the order in which the groups first appear.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy import special, stats

Values = Mapping[str, np.ndarray]
LogLikelihood = Callable[[xr.Dataset, Values], np.ndarray]
LogMass = Callable[[np.ndarray | float, np.ndarray, Values], np.ndarray]  # of y, mean, values


def column(data: xr.Dataset, name: str, without: float = 0.0) -> np.ndarray:
    """A column of the data, or what its absence means."""
    return data[name].values if name in data else np.full(data.sizes["row"], without)


def main(data: xr.Dataset, values: Values) -> np.ndarray:
    """The main linear predictor, to which an offset is added."""
    return data["X"].values @ values["beta"] + column(data, "offset")


def main_slopes(data: xr.Dataset, values: Values) -> np.ndarray:
    """The same of a model that has no intercept, whatever the terms."""
    return data["X"].values[:, data["term"].values != "Intercept"] @ values["beta"]


def several(data: xr.Dataset, coefficients: np.ndarray) -> np.ndarray:
    """Linear predictors (row, j) by coefficients (j, term)."""
    return np.column_stack([data["X"].values @ one for one in coefficients])


def against_the_first(data: xr.Dataset, values: Values) -> np.ndarray:
    """Log-probabilities (row, j) with linear log-odds against the first (Greene 2003, 21.7)."""
    eta = several(data, np.vstack([np.zeros(data.sizes["term"]), values["beta"]]))
    return eta - special.logsumexp(eta, axis=1, keepdims=True)


def log_choose(n: np.ndarray, *parts: np.ndarray) -> np.ndarray:
    """The logarithm of n! over the factorials of the parts."""
    return special.gammaln(n + 1) - sum(special.gammaln(part + 1) for part in parts)


# Yes or no: yes where a tolerance of known distribution lies below the linear predictor (McCullagh
# and Nelder 1989, section 4.3); the complementary log-log is that of the smallest extreme.


def successes(tolerance: Any) -> LogLikelihood:
    def rows(data: xr.Dataset, values: Values) -> np.ndarray:
        eta, yes, n = main(data, values), data["y"].values, column(data, "trials", 1.0)
        log_yes, log_no = tolerance.logcdf(eta), tolerance.logsf(eta)
        return log_choose(n, yes, n - yes) + yes * log_yes + (n - yes) * log_no

    return rows


def beta_binomial(data: xr.Dataset, values: Values) -> np.ndarray:
    mu, phi = special.expit(main(data, values)), values["phi"]
    return stats.betabinom.logpmf(data["y"].values, data["trials"].values, mu * phi, phi - mu * phi)


# Categories and choices


def multinomial_logit(data: xr.Dataset, values: Values) -> np.ndarray:
    chosen = data["y"].values.astype(int)
    return against_the_first(data, values)[np.arange(len(chosen)), chosen]


def conditional_logit(data: xr.Dataset, values: Values) -> np.ndarray:
    """McFadden (1974): what the chosen row offers, among all rows of its group."""
    eta, y, group = main_slopes(data, values), data["y"].values, data["group"].values
    among = [special.logsumexp(eta[group == one]) for one in dict.fromkeys(group)]
    chosen = [eta[(group == one) & (y == 1)].item() for one in dict.fromkeys(group)]
    return np.array(chosen) - among


def ordered(latent: Any) -> LogLikelihood:
    """R's MASS::polr: P(y <= j) = F(cut_j - eta), and eta has no intercept."""

    def rows(data: xr.Dataset, values: Values) -> np.ndarray:
        eta, y = main_slopes(data, values), data["y"].values.astype(int)
        ends = np.concatenate([[-np.inf], values["cut"], [np.inf]])
        return np.log(latent.cdf(ends[y + 1] - eta) - latent.cdf(ends[y] - eta))

    return rows


# Directions


def von_mises(data: xr.Dataset, values: Values) -> np.ndarray:
    """Fisher and Lee (1992), with the link 2 arctan."""
    away, kappa = data["y"].values - 2 * np.arctan(main(data, values)), values["kappa"]
    return kappa * np.cos(away) - np.log(2 * np.pi * special.i0(kappa))


# Compositions, and several numbers


def dirichlet(data: xr.Dataset, values: Values) -> np.ndarray:
    alpha, y = np.exp(several(data, values["beta"])), data["y"].values
    scale = special.gammaln(alpha.sum(axis=1)) - special.gammaln(alpha).sum(axis=1)
    return scale + ((alpha - 1) * np.log(y)).sum(axis=1)


def multinomial(data: xr.Dataset, values: Values) -> np.ndarray:
    y = data["y"].values
    return log_choose(y.sum(axis=1), *y.T) + (y * against_the_first(data, values)).sum(axis=1)


def multivariate_normal(data: xr.Dataset, values: Values) -> np.ndarray:
    """The covariance is L L', and `factor` holds L row by row up to its diagonal."""
    away = data["y"].values - several(data, values["beta"])
    count, lower = away.shape[1], iter(values["factor"])
    L = np.array([[next(lower) if j <= i else 0.0 for j in range(count)] for i in range(count)])
    return stats.multivariate_normal.logpdf(away, cov=L @ L.T)


# Any number


def normal(data: xr.Dataset, values: Values) -> np.ndarray:
    return stats.norm.logpdf(data["y"].values, main(data, values), values["sigma"])


def student_t(data: xr.Dataset, values: Values) -> np.ndarray:
    place, scale = main(data, values), values["sigma"]
    return stats.t.logpdf(data["y"].values, values["nu"], place, scale)


def laplace(data: xr.Dataset, values: Values) -> np.ndarray:
    return stats.laplace.logpdf(data["y"].values, main(data, values), values["b"])


def asymmetric_laplace(data: xr.Dataset, values: Values) -> np.ndarray:
    """Koenker and Machado (1999): the check function of quantile regression over the scale b."""
    away, q, b = data["y"].values - main(data, values), values["q"], values["b"]
    return np.log(q * (1 - q) / b) - np.where(away < 0, (q - 1) * away, q * away) / b


def skew_normal(data: xr.Dataset, values: Values) -> np.ndarray:
    """Azzalini (1985)."""
    y, sigma, alpha = data["y"].values, values["sigma"], values["alpha"]
    z = (y - main(data, values)) / sigma
    return np.log(2 / sigma) + stats.norm.logpdf(z) + stats.norm.logcdf(alpha * z)


def heteroscedastic_normal(data: xr.Dataset, values: Values) -> np.ndarray:
    spread = np.exp(data["X_scale"].values @ values["gamma"])
    return stats.norm.logpdf(data["y"].values, main(data, values), spread)


# Counts, of mean exposure * exp(linear predictor)


def poisson(y: np.ndarray | float, mean: np.ndarray, values: Values) -> np.ndarray:
    return stats.poisson.logpmf(y, mean)


def negative_binomial(y: np.ndarray | float, mean: np.ndarray, values: Values) -> np.ndarray:
    """R's dnbinom(size = alpha, mu): alpha / (alpha + mu) is SciPy's chance of a success."""
    size = values["alpha"]
    return stats.nbinom.logpmf(y, size, size / (size + mean))


def negative_binomial_1(y: np.ndarray | float, mean: np.ndarray, values: Values) -> np.ndarray:
    """Cameron and Trivedi (2013, section 3.3): a size that grows with the mean."""
    return stats.nbinom.logpmf(y, mean / values["delta"], 1 / (1 + values["delta"]))


def generalised_poisson(y: np.ndarray | float, mean: np.ndarray, values: Values) -> np.ndarray:
    """Consul and Jain (1973), mean theta / (1 - lam), where 1 - lam = 1 / (1 + phi mean)."""
    theta = mean / (1 + values["phi"] * mean)
    lam = values["phi"] * theta
    log_powers = np.log(theta) + (y - 1) * np.log(theta + lam * y)
    return log_powers - theta - lam * y - special.gammaln(y + 1)


def mean_count(data: xr.Dataset, values: Values) -> np.ndarray:
    return column(data, "exposure", 1.0) * np.exp(main(data, values))


def zero_or_not(data: xr.Dataset, values: Values) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of both chances; the linear predictor is that of a zero."""
    eta = data["X_zero"].values @ values["gamma"]
    return special.log_expit(eta), special.log_expit(-eta)


def counts(log_mass: LogMass) -> LogLikelihood:
    return lambda data, values: log_mass(data["y"].values, mean_count(data, values), values)


def zero_inflated(log_mass: LogMass) -> LogLikelihood:
    """Lambert (1992): a zero is structural, or of the counts."""

    def rows(data: xr.Dataset, values: Values) -> np.ndarray:
        y = data["y"].values
        structural, other = zero_or_not(data, values)
        counted = other + log_mass(y, mean_count(data, values), values)
        return np.where(y == 0, np.logaddexp(structural, counted), counted)

    return rows


def hurdle(log_mass: LogMass) -> LogLikelihood:
    """Mullahy (1986): all zeros are of one kind, and the counts have none."""

    def rows(data: xr.Dataset, values: Values) -> np.ndarray:
        zero, some = zero_or_not(data, values)
        return np.where(data["y"].values == 0, zero, some + truncated(log_mass)(data, values))

    return rows


def truncated(log_mass: LogMass) -> LogLikelihood:
    """Given that it is no zero."""

    def rows(data: xr.Dataset, values: Values) -> np.ndarray:
        mean = mean_count(data, values)
        zero = np.exp(log_mass(0.0, mean, values))
        return log_mass(data["y"].values, mean, values) - np.log1p(-zero)

    return rows


# Above zero


def gamma(data: xr.Dataset, values: Values) -> np.ndarray:
    """A mean of shape times scale."""
    alpha = values["alpha"]
    return stats.gamma.logpdf(data["y"].values, alpha, scale=np.exp(main(data, values)) / alpha)


def lognormal(data: xr.Dataset, values: Values) -> np.ndarray:
    """The normal's density of log y, and d log y / dy."""
    log_y = np.log(data["y"].values)
    return stats.norm.logpdf(log_y, main(data, values), values["sigma"]) - log_y


def weibull(data: xr.Dataset, values: Values) -> np.ndarray:
    scale = np.exp(main(data, values))
    return stats.weibull_min.logpdf(data["y"].values, values["alpha"], scale=scale)


def inverse_gaussian(data: xr.Dataset, values: Values) -> np.ndarray:
    """Chhikara and Folks (1989): variance mu^3 / lam."""
    y, mu, lam = data["y"].values, np.exp(main(data, values)), values["lam"]
    return np.log(lam / (2 * np.pi * y**3)) / 2 - lam * (y / mu - 1) ** 2 / (2 * y)


def exponential(data: xr.Dataset, values: Values) -> np.ndarray:
    return stats.expon.logpdf(data["y"].values, scale=np.exp(main(data, values)))


def pareto(data: xr.Dataset, values: Values) -> np.ndarray:
    return stats.pareto.logpdf(data["y"].values, np.exp(main(data, values)))


def generalised_pareto(data: xr.Dataset, values: Values) -> np.ndarray:
    """Coles (2001, section 4.2): xi > 0 is the heavy tail."""
    z = data["y"].values / np.exp(main(data, values))
    return -main(data, values) - (1 + 1 / values["xi"]) * np.log1p(values["xi"] * z)


# Shares


def log_beta(y: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """Ferrari and Cribari-Neto (2004): mean mu = expit(eta), precision phi."""
    mu = special.expit(eta)
    return stats.beta.logpdf(y, mu * phi, (1 - mu) * phi)


def beta(data: xr.Dataset, values: Values) -> np.ndarray:
    return log_beta(data["y"].values, main(data, values), values["phi"])


def variable_precision_beta(data: xr.Dataset, values: Values) -> np.ndarray:
    phi = np.exp(data["X_precision"].values @ values["precision"])
    return log_beta(data["y"].values, main(data, values), phi)


def zero_one_inflated_beta(data: xr.Dataset, values: Values) -> np.ndarray:
    """Ospina and Ferrari (2010): an edge or not; of the edges, one or zero."""
    y, edge = data["y"].values, data["X_edge"].values @ values["gamma"]
    one = data["X_one"].values @ values["delta"]
    at_zero = special.log_expit(edge) + special.log_expit(-one)
    at_one = special.log_expit(edge) + special.log_expit(one)
    share = np.where((y == 0) | (y == 1), np.nan, y)
    inside = special.log_expit(-edge) + log_beta(share, main(data, values), values["phi"])
    return np.select([y == 0, y == 1], [at_zero, at_one], inside)


def kumaraswamy(data: xr.Dataset, values: Values) -> np.ndarray:
    """Jones (2009), by shape a and the median m, where 1 - (1 - m^a)^b = 1/2."""
    y, a, m = data["y"].values, values["a"], special.expit(main(data, values))
    b = np.log(0.5) / np.log1p(-(m**a))
    return np.log(a * b) + (a - 1) * np.log(y) + (b - 1) * np.log1p(-(y**a))


LOG_LIKELIHOOD: dict[str, LogLikelihood] = {
    "binary:logit": successes(stats.logistic),
    "binary:probit": successes(stats.norm),
    "binary:complementary_log_log": successes(stats.gumbel_l),
    "binary:beta_binomial": beta_binomial,
    "categorical:multinomial_logit": multinomial_logit,
    "categorical:conditional_logit": conditional_logit,
    "circular:von_mises": von_mises,
    "compositions:dirichlet": dirichlet,
    "compositions:multinomial": multinomial,
    "continuous:normal": normal,
    "continuous:student_t": student_t,
    "continuous:laplace": laplace,
    "continuous:asymmetric_laplace": asymmetric_laplace,
    "continuous:skew_normal": skew_normal,
    "continuous:heteroscedastic_normal": heteroscedastic_normal,
    "counts:poisson": counts(poisson),
    "counts:negative_binomial": counts(negative_binomial),
    "counts:negative_binomial_1": counts(negative_binomial_1),
    "counts:generalised_poisson": counts(generalised_poisson),
    "counts:zero_inflated_poisson": zero_inflated(poisson),
    "counts:zero_inflated_negative_binomial": zero_inflated(negative_binomial),
    "counts:hurdle_poisson": hurdle(poisson),
    "counts:hurdle_negative_binomial": hurdle(negative_binomial),
    "counts:truncated_poisson": truncated(poisson),
    "counts:truncated_negative_binomial": truncated(negative_binomial),
    "multivariate:normal": multivariate_normal,
    "ordered:logit": ordered(stats.logistic),
    "ordered:probit": ordered(stats.norm),
    "positive:gamma": gamma,
    "positive:lognormal": lognormal,
    "positive:weibull": weibull,
    "positive:inverse_gaussian": inverse_gaussian,
    "positive:exponential": exponential,
    "positive:pareto": pareto,
    "positive:generalised_pareto": generalised_pareto,
    "proportions:beta": beta,
    "proportions:variable_precision_beta": variable_precision_beta,
    "proportions:zero_one_inflated_beta": zero_one_inflated_beta,
    "proportions:kumaraswamy": kumaraswamy,
}
