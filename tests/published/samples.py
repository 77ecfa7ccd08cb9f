"""Independent draws of one distribution, its parameters named as in the source."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from models.definition import definition

real, positive, share = pm.Flat, pm.HalfFlat, pm.Uniform


def sample(outcome, start=None):
    """`outcome` declares the distribution of y and its parameters."""

    def declared(data):
        with pm.Model() as model:
            outcome(pm.Data("y", data["y"], dims="row"))
        return model

    return definition(start=start)(declared)


normal = sample(lambda y: pm.Normal("outcome", real("mean"), positive("sd"), observed=y))
lognormal = sample(
    lambda y: pm.LogNormal("outcome", real("meanlog"), positive("sdlog"), observed=y)
)
gamma = sample(
    lambda y: pm.Gamma("outcome", alpha=positive("shape"), beta=positive("rate"), observed=y)
)
exponential = sample(lambda y: pm.Exponential("outcome", lam=positive("rate"), observed=y))
logistic = sample(lambda y: pm.Logistic("outcome", real("loc"), positive("scale"), observed=y))
weibull = sample(
    lambda y: pm.Weibull("outcome", alpha=positive("shape"), beta=positive("scale"), observed=y)
)
gumbel = sample(lambda y: pm.Gumbel("outcome", real("mu"), positive("beta"), observed=y))
inverse_gamma = sample(
    lambda y: pm.InverseGamma("outcome", positive("alpha"), positive("beta"), observed=y)
)
student_t = sample(
    lambda y: pm.StudentT(
        "outcome", positive("nu"), mu=real("mu"), sigma=positive("sigma"), observed=y
    )
)
uniform = sample(
    lambda y: pm.Uniform("outcome", real("lower"), real("upper", initval=9.0), observed=y)
)
poisson = sample(lambda y: pm.Poisson("outcome", positive("lambda"), observed=y))
negative_binomial = sample(
    lambda y: pm.NegativeBinomial("outcome", alpha=positive("size"), mu=positive("mu"), observed=y)
)
# PyMC's geometric counts trials from 1 on, R's failures from 0 on.
geometric = sample(lambda y: pm.Geometric("outcome", share("prob"), observed=y + 1))
# PyMC's angles are those between -pi and pi.
von_mises = sample(
    lambda y: pm.VonMises(
        "outcome",
        pm.VonMises("mu", 0.0, 1.0),
        positive("kappa"),
        observed=pt.where(y > np.pi, y - 2 * np.pi, y),
    )
)


def _burr(y, shape1, shape2, rate):
    power = shape2 * pt.log(rate * y)
    constant = pt.log(shape1) + pt.log(shape2) - pt.log(y)
    return constant + power - (shape1 + 1) * pt.softplus(power)


def _extreme_value(y, loc, scale, shape):
    inside = 1 + shape * (y - loc) / scale
    reduced = pt.log(pt.switch(inside > 0, inside, 1.0)) / shape
    density = -pt.log(scale) - (1 + shape) * reduced - pt.exp(-reduced)
    return pt.switch(inside > 0, density, -np.inf)


def _custom(density, **parameters):
    """A density that PyMC does not have, of parameters by name."""

    def outcome(y):
        values = [prior(name) for name, prior in parameters.items()]
        pm.CustomDist("outcome", *values, logp=density, observed=y)

    return outcome


burr = sample(_custom(_burr, shape1=positive, shape2=positive, rate=positive))
extreme_value = sample(
    _custom(_extreme_value, loc=real, scale=positive, shape=real),
    start=lambda data: {"loc": data["y"].mean(), "scale": data["y"].std(), "shape": -0.1},
)


def multinormal(data):
    """Several numbers a row, with any covariance."""
    axes = data.sizes["axis"]
    with pm.Model(coords={"axis": data["axis"].values}) as model:
        y, mean = pm.Data("y", data["y"], dims=("row", "axis")), real("mean", dims="axis")
        spreads = pm.HalfNormal.dist(1.0, size=axes)
        factor, _, _ = pm.LKJCholeskyCov("factor", n=axes, eta=1.0, sd_dist=spreads)
        pm.MvNormal("outcome", mean, chol=factor, observed=y)
    return model


def dirichlet(data):
    """Shares that add up to one."""
    with pm.Model(coords={"axis": data["axis"].values}) as model:
        y = pm.Data("y", data["y"], dims=("row", "axis"))
        pm.Dirichlet("outcome", positive("a", dims="axis"), observed=y)
    return model
