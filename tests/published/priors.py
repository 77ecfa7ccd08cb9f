"""Priors: those that a penalty stands for, Jeffreys', and conjugate ones."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from tests.published.regressions import column
from tests.published.samples import sample


def penalised(outcome, prior):
    """Coefficients under the prior that a penalty stands for."""

    def declared(data):
        with pm.Model(coords={"term": data["term"].values}) as model:
            X = pm.Data("X", data["X"], dims=("row", "term"))
            outcome(X @ prior("beta", dims="term"), column(data, "y"))
        return model

    return declared


def _jeffreys(beta, X, trials):
    p = pt.sigmoid(X @ beta)
    return 0.5 * pt.linalg.slogdet(X.T @ ((trials * p * (1 - p))[:, None] * X))[1]


def firth(data):
    """Binomial logit under Jeffreys' prior."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X, trials = pm.Data("X", data["X"], dims=("row", "term")), column(data, "m")
        beta = pm.CustomDist(
            "beta", X, trials, logp=_jeffreys, signature="(n,k),(n)->(k)", dims="term",
            initval=np.zeros(data.sizes["term"]),
        )  # fmt: skip
        pm.Binomial("outcome", n=trials, logit_p=X @ beta, observed=column(data, "y"))
    return model


poisson_under_gamma = sample(lambda y: pm.Poisson("outcome", pm.Gamma("mu", 2.0, 0.5), observed=y))
mean_under_normal = sample(
    lambda y: pm.Normal("outcome", pm.Normal("mu", 0.0, 50.0), 277.332168044316, observed=y)
)
variance_under_inverse_gamma = sample(
    lambda y: pm.Normal(
        "outcome", -177.435, pt.sqrt(pm.InverseGamma("sigma2", 3.0, 1e5)), observed=y
    )
)
