"""Rows that belong together: groups given their sums, random intercepts, time series."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import xarray as xr

from tests.published.regressions import column, positive, real


def in_groups(frame, group, outcome, terms):
    """y (row, member) and X (row, member, term), a row for each group; `absent` fills it up."""
    parts = [part for _, part in frame.groupby(group, sort=False)]
    shape = len(parts), max(map(len, parts))
    y, X, absent = np.zeros(shape), np.zeros((*shape, len(terms))), np.ones(shape, bool)
    for place, part in enumerate(parts):
        y[place, : len(part)] = part[outcome]
        X[place, : len(part)] = part.assign(Intercept=1.0)[terms]
        absent[place, : len(part)] = False
    dims = ("row", "member")
    return xr.Dataset(
        {"y": (dims, y), "X": ((*dims, "term"), X), "absent": (dims, absent)}, {"term": terms}
    )


def lagged(frame):
    """Each row of a series with the two before it (zero, where there are none), and its place."""
    columns = {"y": frame["y"], "x": frame["xreg"]}
    columns |= {f"{name}_{lag}": columns[name].shift(lag, fill_value=0.0)
                for name in "yx" for lag in (1, 2)}  # fmt: skip
    columns["place"] = np.arange(len(frame))
    return xr.Dataset({name: ("row", np.asarray(v, float)) for name, v in columns.items()})


def conditional(data):
    """Counts given their sum in each group: conditional Poisson, and logit of one case."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X, y, absent = (
            pm.Data("X", data["X"], dims=("row", "member", "term")),
            pm.Data("y", data["y"], dims=("row", "member")),
            pm.Data("absent", data["absent"], dims=("row", "member")),
        )
        eta = pt.switch(absent, -np.inf, X @ pm.Normal("beta", 0.0, 10.0, dims="term"))
        p = pt.special.softmax(eta, axis=1)
        pm.Multinomial("outcome", n=y.sum(axis=1), p=p, observed=y, dims=("row", "member"))
    return model


def random_intercept(data):
    """Normal rows with a normal intercept for each group, integrated out."""
    count, spread = data.sizes["member"], float(data["y"].std())
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "member", "term"))
        y = pm.Data("y", data["y"], dims=("row", "member"))
        mean = X @ pm.Normal("beta", 0.0, 10.0, dims="term")
        between, within = positive("sd_group", initval=spread), positive("sigma", initval=spread)
        covariance = within**2 * np.eye(count) + between**2 * np.ones((count, count))
        pm.MvNormal("outcome", mean, cov=covariance, observed=y, dims=("row", "member"))
    return model


def autoregression(data):
    """AR(2) around a trend, its first two values from the stationary distribution.

    Each value is normal given the two before it, which stand on its own row.
    """
    with pm.Model() as model:
        ar1, ar2, variance = real("ar1"), real("ar2"), positive("sigma2")
        level, slope = real("intercept", initval=float(data["y"].mean())), real("xreg")

        def trend(lag):
            return level + slope * column(data, f"x{lag}")

        place, rho = column(data, "place"), ar1 / (1 - ar2)  # rho: of one value with the next
        once, twice = (column(data, f"y{lag}") - trend(lag) for lag in ("_1", "_2"))
        second = variance / (1 - ar2**2)
        expected = pt.switch(place > 0, rho * once, 0.0)
        spread = pt.switch(place > 0, second, second / (1 - rho**2))
        expected = pt.switch(place > 1, ar1 * once + ar2 * twice, expected)
        spread = pt.sqrt(pt.switch(place > 1, variance, spread))
        pm.Normal("outcome", trend("") + expected, spread, observed=column(data, "y"))
    return model
