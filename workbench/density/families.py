"""One number an outcome: SciPy's distribution of each family, or one by hand, by PyMC's name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from workbench.density import by_hand
from workbench.density.distribution import Array, Distribution

# A distribution with SciPy's methods, its shape parameters, and its location and scale by name:
# SciPy's frozen ones say the same, but take longer to make than a thousand densities.
type _Family = tuple[Any, tuple[Array, ...], dict[str, Array]]


def _shaped(family: Any) -> Callable[..., _Family]:
    """Where SciPy takes PyMC's parameters in PyMC's order."""
    return lambda *parameters: (family, parameters, {})


def _scaled(family: Any) -> Callable[..., _Family]:
    """A shape and a scale."""
    return lambda shape, scale: (family, (shape,), {"scale": scale})


FAMILIES: dict[str, Callable[..., _Family]] = {  # of PyMC's parameters
    "AsymmetricLaplace": lambda b, kappa, mu: (
        stats.laplace_asymmetric,
        (kappa,),
        {"loc": mu, "scale": 1 / b},
    ),
    "Bernoulli": _shaped(stats.bernoulli),
    "Beta": _shaped(stats.beta),
    "BetaBinomial": _shaped(by_hand.BETA_BINOMIAL),
    "Binomial": _shaped(stats.binom),
    "Cauchy": _shaped(stats.cauchy),
    "DiscreteUniform": lambda lower, upper: (stats.randint, (lower, upper + 1), {}),
    "DiscreteWeibull": _shaped(by_hand.DISCRETE_WEIBULL),
    "ExGaussian": lambda mu, sigma, nu: (
        stats.exponnorm,
        (nu / sigma,),
        {"loc": mu, "scale": sigma},
    ),
    "Exponential": lambda scale: (stats.expon, (), {"scale": scale}),
    "Gamma": _scaled(stats.gamma),
    "GeneralizedPareto": lambda sigma, xi: (stats.genpareto, (xi,), {"scale": sigma}),
    "GeneralizedPoisson": _shaped(by_hand.GENERALIZED_POISSON),
    "Geometric": _shaped(stats.geom),
    "Gumbel": _shaped(stats.gumbel_r),
    "HalfCauchy": lambda scale: (stats.halfcauchy, (), {"scale": scale}),
    "HalfNormal": _shaped(stats.halfnorm),
    "HalfStudentT": _shaped(by_hand.HALF_STUDENT_T),
    "HyperGeometric": _shaped(by_hand.HYPERGEOMETRIC),
    "InverseGamma": _scaled(stats.invgamma),
    "Kumaraswamy": _shaped(by_hand.KUMARASWAMY),
    "Laplace": _shaped(stats.laplace),
    "LogNormal": lambda mu, sigma: (stats.lognorm, (sigma,), {"scale": np.exp(mu)}),
    "Logistic": _shaped(stats.logistic),
    "LogitNormal": _shaped(by_hand.LOGIT_NORMAL),
    "Moyal": _shaped(stats.moyal),
    "NegativeBinomial": _shaped(stats.nbinom),
    "Normal": _shaped(stats.norm),
    "Pareto": _scaled(stats.pareto),
    "Poisson": _shaped(stats.poisson),
    "Rice": _scaled(stats.rice),
    "SkewNormal": lambda mu, sigma, alpha: (
        stats.skewnorm,
        (alpha,),
        {"loc": mu, "scale": sigma},
    ),
    "SkewStudentT": _shaped(stats.jf_skew_t),
    "StudentT": _shaped(stats.t),
    "Triangular": lambda lower, c, upper: (
        stats.triang,
        ((c - lower) / (upper - lower),),
        {"loc": lower, "scale": upper - lower},
    ),
    "TruncatedNormal": lambda mu, sigma, lower, upper: (
        stats.truncnorm,
        ((lower - mu) / sigma, (upper - mu) / sigma),
        {"loc": mu, "scale": sigma},
    ),
    "Uniform": lambda lower, upper: (stats.uniform, (), {"loc": lower, "scale": upper - lower}),
    "VonMises": _shaped(by_hand.VON_MISES),
    "Wald": lambda mu, lam, shift: (
        stats.invgauss,
        (mu / lam,),
        {"loc": shift, "scale": lam},
    ),
    "Weibull": _scaled(stats.weibull_min),
    "ZeroOneInflatedBeta": _shaped(by_hand.ZERO_ONE_INFLATED_BETA),
}
DISCRETE = {  # all probability lies on whole numbers
    "Bernoulli",
    "BetaBinomial",
    "Binomial",
    "DiscreteUniform",
    "DiscreteWeibull",
    "GeneralizedPoisson",
    "Geometric",
    "HyperGeometric",
    "NegativeBinomial",
    "Poisson",
}
# Where else a probability stands on single outcomes.
ATOMS: dict[str, Callable[[Array], npt.NDArray[np.bool_]]] = {
    "ZeroOneInflatedBeta": lambda y: (y == 0) | (y == 1)
}


def of_family(distribution: Distribution, method: str, *y: npt.ArrayLike) -> Array:
    """What SciPy's distribution of that family says, or ours by hand."""
    parameters = (np.asarray(value, float) for value in distribution.parameters)
    with np.errstate(all="ignore"):  # extremes go through infinities, to a right end
        family, shapes, scaling = FAMILIES[distribution.name](*parameters)
        return np.asarray(getattr(family, method)(*y, *shapes, **scaling))


def ends_of_family(distribution: Distribution) -> tuple[Array, Array]:
    """The least and the greatest outcome of a family."""
    family, shapes, scaling = FAMILIES[distribution.name](
        *(np.asarray(value, float) for value in distribution.parameters)
    )
    lower, upper = family.support(*shapes, **scaling)
    return np.asarray(lower, float), np.asarray(upper, float)


def has_quantiles(distribution: Distribution) -> bool:
    """Whether the family's own inverse of P(Y <= y) is known; else there is bisection."""
    family, _, _ = FAMILIES[distribution.name](*distribution.parameters)
    return not isinstance(family, by_hand.ByHand) or family.quantile is not None
