"""Declarations that tests need and `models/` does not have."""

import numpy as np
import pymc as pm
import xarray as xr


def dataset(y, X=None, **columns):
    """A Dataset with an intercept and the columns of X, as `formula.py` makes it."""
    y = np.asarray(y, float)
    design = np.ones((len(y), 1)) if X is None else np.column_stack([np.ones(len(y)), X])
    terms = ["Intercept", *(f"x{j}" for j in range(1, design.shape[1]))]
    data = xr.Dataset(
        {"y": ("row", y), "X": (("row", "term"), design)},
        coords={"term": terms, "row": np.arange(len(y))},
    )
    return data.assign({name: ("row", np.asarray(value)) for name, value in columns.items()})


def _regression(data, outcome):
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        outcome(X @ beta, y)
    return model


def several_normals(data):
    """Normal regressions side by side, each with coefficients and a spread of its own."""
    coords = {"term": data["term"].values, "part": data["outcome"].values}
    with pm.Model(coords=coords) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims=("row", "part"))
        beta = pm.Normal("beta", 0.0, 10.0, dims=("term", "part"))
        sigma = pm.HalfNormal("sigma", 10.0, dims="part")
        pm.Normal("outcome", X @ beta, sigma, observed=y, dims=("row", "part"))
    return model


def softmax(data):
    """Multinomial logit of categories, the first of which has all coefficients zero."""
    coords = {"term": data["term"].values, "category": data["category"].values[1:]}
    with pm.Model(coords=coords) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"].astype(int), dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims=("term", "category"))
        eta = pm.math.concatenate([pm.math.zeros_like(X[:, :1]), X @ beta], axis=1)
        pm.Categorical("outcome", logit_p=eta, observed=y, dims="row")
    return model


def probability_logistic(data):
    """The same with an explicit sigmoid, which overflows where the rewrites are dropped."""
    return _regression(
        data, lambda eta, y: pm.Bernoulli("outcome", p=pm.math.sigmoid(eta), observed=y)
    )


def gamma(data):
    """Gamma regression with a log link."""

    def outcome(eta, y):
        shape = pm.HalfNormal("shape", 5.0)
        pm.Gamma("outcome", alpha=shape, beta=shape / pm.math.exp(eta), observed=y)

    return _regression(data, outcome)


def tobit(data):
    """Normal regression, censored from below at 0."""

    def outcome(mu, y):
        base = pm.Normal.dist(mu, pm.HalfNormal("sigma", 10.0))
        pm.Censored("outcome", base, lower=0.0, upper=None, observed=y)

    return _regression(data, outcome)


def censored_gamma(data):
    """Gamma outcomes, censored from above at 5: JAX has no second derivative of its tail."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        base = pm.Gamma.dist(pm.HalfNormal("shape", 5.0), pm.HalfNormal("rate", 5.0))
        pm.Censored("outcome", base, lower=None, upper=5.0, observed=y)
    return model


def beta_binomial(data):
    """Successes out of ten."""

    def outcome(eta, y):
        p, size = pm.math.sigmoid(eta), pm.HalfNormal("size", 10.0)
        pm.BetaBinomial("outcome", n=10, alpha=p * size, beta=(1 - p) * size, observed=y)

    return _regression(data, outcome)


def centred_inside(data):
    """A mean over rows inside the model: one row's data move every row's term."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        mu = pm.Normal("mu", 0.0, 10.0)
        pm.Normal("outcome", mu, 1.0, observed=y - y.mean(), dims="row")
    return model


def saddle(data):
    """y ~ N(w z, 1): (0, 0) is stationary, and a saddle."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        w, z = pm.Normal("w", 0.0, 3.0), pm.Normal("z", 0.0, 3.0)
        pm.Normal("outcome", w * z, 1.0, observed=y, dims="row")
    return model


def simplex(data):
    """Three categories with unknown probabilities, which add up to one."""
    with pm.Model(coords={"category": ["a", "b", "c"]}) as model:
        y = pm.Data("y", data["y"].astype(int), dims="row")
        p = pm.Dirichlet("p", np.ones(3), dims="category")
        pm.Categorical("outcome", p=p, observed=y, dims="row")
    return model


def hierarchical(data):
    """Group means with a common spread: latent, so no maximum likelihood."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        group = pm.Data("group", data["group"].astype(int), dims="row")
        spread = pm.HalfNormal("spread", 1.0)
        level = pm.Normal("level", 0.0, spread, shape=int(data["group"].max()) + 1)
        pm.Normal("outcome", level[group], 1.0, observed=y, dims="row")
    return model


def nonlinear(formula, starts):
    """Normal errors around a formula in `x` and the parameters that `starts` names."""

    def declared(data):
        with pm.Model() as model:
            x, y = (pm.Data(name, data[name], dims="row") for name in ("x", "y"))
            known = {"exp": pm.math.exp, "arctan": pm.math.arctan, "pi": np.pi, "x": x}
            known |= {name: pm.Flat(name, initval=value) for name, value in starts.items()}
            mean = eval(formula, known)
            pm.Normal("outcome", mean, pm.HalfFlat("sigma"), observed=y, dims="row")
        return model

    return declared


def uniform(data):
    """Uniform from zero to an unknown end."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        pm.Uniform(
            "outcome", 0.0, pm.HalfNormal("upper", 10.0, initval=100.0), observed=y, dims="row"
        )
    return model


def probit(data):
    """Probit regression."""
    return _regression(
        data, lambda eta, y: pm.Bernoulli("outcome", p=pm.math.invprobit(eta), observed=y)
    )


def rate(data):
    """One Poisson rate, above zero."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        pm.Poisson("outcome", pm.Gamma("mu", 2.0, 1.0), observed=y, dims="row")
    return model


def beta(data):
    """One beta distribution, by mean and precision."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        mean, precision = pm.Beta("mean", 2.0, 2.0), pm.HalfNormal("precision", 100.0)
        pm.Beta("outcome", mu=mean, nu=precision, observed=y, dims="row")
    return model


def known_errors(data):
    """Studies with known standard errors around a common mean, and their spread tau."""
    with pm.Model() as model:
        y, se = (pm.Data(name, data[name], dims="row") for name in ("y", "se"))
        mean, tau = pm.Normal("mu", 0.0, 10.0), pm.HalfNormal("tau", 10.0)
        pm.Normal("outcome", mean, pm.math.sqrt(se**2 + tau**2), observed=y, dims="row")
    return model


def two_normals(first, second):
    """A mixture of two normals with scales of their own; (mean, scale) of each to start from."""

    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            weight = pm.Beta("weight", 2.0, 2.0, initval=0.5)
            parts = [
                pm.Normal.dist(
                    pm.Normal(f"mean_{name}", 70.0, 30.0, initval=mean),
                    pm.HalfNormal(f"scale_{name}", 30.0, initval=scale),
                )
                for name, (mean, scale) in {"a": first, "b": second}.items()
            ]
            weights = pm.math.stack([weight, 1.0 - weight])
            pm.Mixture("outcome", w=weights, comp_dists=parts, observed=y, dims="row")
        return model

    return declared
