"""Regressions of a published case, a family each; beta are the coefficients of the mean."""

import numpy as np
import pymc as pm

from models.definition import definition
from models.linear import linear

real, positive = pm.Flat, pm.HalfFlat
exp = pm.math.exp


def column(data, name):
    return pm.Data(name, data[name], dims="row")


def regression(outcome, start=None):
    """`outcome` of the linear predictor (offset included), y and the data."""

    def declared(data):
        with pm.Model(coords={"term": data["term"].values}) as model:
            outcome(linear(data), column(data, "y"), data)
        return model

    return definition(start=start)(declared)


def least_squares(link):
    """A start from the transformed outcome."""
    return lambda data: {"beta": np.linalg.lstsq(data["X"].values, link(data["y"].values))[0]}


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
inverse_gaussian = regression(
    lambda eta, y, _: pm.Wald("outcome", mu=eta, lam=positive("lambda"), observed=y), _mean_alone
)


def poisson_above(lowest):
    """Counts of which only those above `lowest` are seen."""
    return regression(
        lambda eta, y, _: pm.Truncated(
            "outcome", pm.Poisson.dist(exp(eta)), lower=lowest + 1, observed=y
        ),
        least_squares(np.log),
    )


def hyperbola(data):
    """Poisson counts that fall off as ymax / (1 + x / xhalf)."""
    with pm.Model() as model:
        mean = positive("ymax") / (1 + column(data, "x") / positive("xhalf"))
        pm.Poisson("outcome", mean, observed=column(data, "y"))
    return model
