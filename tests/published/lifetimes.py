"""Lifetimes and limits of detection.

Status 0 is right-censored at y, 1 exact, 2 left-censored at y, 3 between y and t2.
"""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from tests.published.regressions import column, exp, least_squares, positive, regression


def _weibull_of_log_time(mu, scale):
    return pm.Weibull.dist(alpha=1 / scale, beta=exp(mu))


def censored(base, start=None):
    """Exact or censored on one side; `base` of the linear predictor and the scale."""

    def outcome(eta, y, data):
        lower = np.where(data["status"] == 2, data["y"], -np.inf)
        upper = np.where(data["status"] == 0, data["y"], np.inf)
        lower, upper = pm.Data("lower", lower, dims="row"), pm.Data("upper", upper, dims="row")
        pm.Censored("outcome", base(eta, positive("scale")), lower=lower, upper=upper, observed=y)

    return regression(outcome, start)


tobit = censored(pm.Normal.dist)
weibull_lifetimes = censored(_weibull_of_log_time, least_squares(np.log))
lognormal_lifetimes = censored(pm.LogNormal.dist, least_squares(np.log))


def interval_censored(base, log=False):
    """Censored on either side or on both; with `log`, `base` is of the logarithm of y."""

    def density(y, until, status, mu, scale):
        # Where an interval has no end, any later one keeps the choice below from NaN.
        until = pt.switch(pt.eq(status, 3), until, y + 1.0)
        whole = base(mu, scale)
        at, end = (pt.log(y), pt.log(until)) if log else (y, until)
        exact = pm.logp(whole, at) - (at if log else 0.0)
        below = pm.logcdf(whole, at)
        within = pm.math.logdiffexp(pm.logcdf(whole, end), below)
        known = pt.switch(pt.eq(status, 1), exact, pt.switch(pt.eq(status, 2), below, within))
        return pt.switch(pt.eq(status, 0), pm.math.log1mexp(below), known)

    def outcome(eta, y, data):
        seen = [column(data, name) for name in ("t2", "status")]
        pm.CustomDist("outcome", *seen, eta, positive("scale"), logp=density, observed=y)

    return regression(outcome)


interval_normal = interval_censored(pm.Normal.dist)
interval_weibull = interval_censored(_weibull_of_log_time)
interval_loglogistic = interval_censored(pm.Logistic.dist, log=True)
