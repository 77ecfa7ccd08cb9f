"""Regressions of a published case, a family each; beta are the coefficients of the mean."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models.definition import definition

real, positive = pm.Flat, pm.HalfFlat
exp, expit = pm.math.exp, pm.math.sigmoid


def column(data, name):
    return pm.Data(name, data[name], dims="row")


def regression(outcome, start=None, further=()):
    """`outcome` of the linear predictors (offset included), y and the data; beta, then `further`.

    A further predictor is (its name, the name of its coefficients).
    """

    def declared(data):
        terms = {str(dim): data[dim].values for dim in data.dims if str(dim).startswith("term")}
        with pm.Model(coords=terms) as model:
            predictors = [_linear(data, "", "beta")]
            if "offset" in data:
                predictors[0] += column(data, "offset")
            predictors += [_linear(data, f"_{name}", symbol) for name, symbol in further]
            outcome(*predictors, column(data, "y"), data)
        return model

    return definition(start=start, predictors=tuple(name for name, _ in further))(declared)


def _linear(data, suffix, coefficients):
    X = pm.Data(f"X{suffix}", data[f"X{suffix}"], dims=("row", f"term{suffix}"))
    return X @ pm.Normal(coefficients, 0.0, 10.0, dims=f"term{suffix}")


def least_squares(link):
    """A start from the transformed outcome."""
    return lambda data: {"beta": np.linalg.lstsq(data["X"].values, link(data["y"].values))[0]}


def _log_count(y):
    return np.log(y + 0.5)


def _mean_alone(data):
    """A start with every mean at the sample's: within the support of any identity link."""
    return {"beta": np.where(data["term"] == "Intercept", data["y"].mean(), 0.0)}


def _gamma_of(mean):
    def outcome(eta, y, _):
        shape = positive("shape")
        pm.Gamma("outcome", alpha=shape, beta=shape / mean(eta), observed=y)

    return outcome


gamma_identity = regression(_gamma_of(lambda eta: eta), _mean_alone)
gamma_inverse = regression(_gamma_of(lambda eta: 1 / eta), least_squares(np.reciprocal))
gamma_log = regression(_gamma_of(exp))
inverse_gaussian = regression(
    lambda eta, y, _: pm.Wald("outcome", mu=eta, lam=positive("lambda"), observed=y), _mean_alone
)
log_poisson = regression(lambda eta, y, _: pm.Poisson("outcome", exp(eta), observed=y))


def _overdispersed(size):
    """Negative binomial, its size by the mean and the published dispersion."""

    def outcome(eta, y, _):
        size_of = size(exp(eta), positive("alpha"))
        pm.NegativeBinomial("outcome", mu=exp(eta), alpha=size_of, observed=y)

    return regression(outcome, least_squares(_log_count))


nb1 = _overdispersed(lambda mu, alpha: mu / alpha)
nb2 = _overdispersed(lambda mu, alpha: 1 / alpha)


def _generalised_poisson(y, mu, alpha):
    rate = mu * (1 + alpha * y)
    constant = pt.log(mu) - pt.gammaln(y + 1) - y * pt.log1p(alpha * mu)
    return constant + (y - 1) * pt.log(rate) - rate / (1 + alpha * mu)


generalised_poisson = regression(
    lambda eta, y, _: pm.CustomDist(
        "outcome", exp(eta), positive("alpha"), logp=_generalised_poisson, dtype="int64", observed=y
    ),
    least_squares(_log_count),
)
zero_inflated = regression(  # gamma: log-odds of a structural zero
    lambda eta, zero, y, _: pm.ZeroInflatedNegativeBinomial(
        "outcome", psi=expit(-zero), mu=exp(eta), alpha=1 / positive("alpha"), observed=y
    ),
    least_squares(_log_count),
    further=[("zero", "gamma")],
)
hurdle = regression(  # gamma: log-odds of a count above zero
    lambda eta, above, y, _: pm.HurdlePoisson("outcome", expit(above), exp(eta), observed=y),
    least_squares(_log_count),
    further=[("zero", "gamma")],
)


def poisson_above(lowest):
    """Counts of which only those above `lowest` are seen."""
    return regression(
        lambda eta, y, _: pm.Truncated(
            "outcome", pm.Poisson.dist(exp(eta)), lower=lowest + 1, observed=y
        ),
        least_squares(np.log),
    )


beta = regression(
    lambda eta, y, _: pm.Beta("outcome", mu=expit(eta), nu=positive("phi"), observed=y)
)
beta_with_precision = regression(
    lambda eta, log_phi, y, _: pm.Beta("outcome", mu=expit(eta), nu=exp(log_phi), observed=y),
    further=[("precision", "precision")],
)


def _beta_binomial(eta, y, data):
    size, mean = positive("M"), expit(eta)
    pm.BetaBinomial(
        "outcome", n=column(data, "m"), alpha=mean * size, beta=(1 - mean) * size, observed=y
    )


beta_binomial = regression(_beta_binomial)


def hyperbola(data):
    """Poisson counts that fall off as ymax / (1 + x / xhalf)."""
    with pm.Model() as model:
        mean = positive("ymax") / (1 + column(data, "x") / positive("xhalf"))
        pm.Poisson("outcome", mean, observed=column(data, "y"))
    return model
