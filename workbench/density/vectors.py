"""Several numbers an outcome, along the last axis: log densities by formula."""

from collections.abc import Callable

import numpy as np
from scipy.special import gammaln, xlogy

from workbench.density.distribution import Array


def whitened(y: Array, mean: Array, covariance: Array) -> Array:
    """L⁻¹(y - mean), with L the Cholesky factor: under the normal, independent standard normals."""
    factor = np.linalg.cholesky(covariance)
    return np.asarray(np.linalg.solve(factor, (y - mean)[..., None])[..., 0])


def _squared_distance(y: Array, mean: Array, spread: Array) -> tuple[Array, Array]:
    """(y - mean)' spread^-1 (y - mean), and log det spread, by Cholesky's factor."""
    factor, scaled = np.linalg.cholesky(spread), whitened(y, mean, spread)
    diagonal = np.diagonal(factor, axis1=-2, axis2=-1)
    return np.sum(scaled**2, axis=-1), 2 * np.sum(np.log(diagonal), axis=-1)


def _normal(y: Array, mean: Array, covariance: Array) -> Array:
    distance, log_determinant = _squared_distance(y, mean, covariance)
    return np.asarray(-0.5 * (distance + log_determinant + y.shape[-1] * np.log(2 * np.pi)))


def _student_t(y: Array, nu: Array, mean: Array, scale: Array) -> Array:
    distance, log_determinant = _squared_distance(y, mean, scale)
    count = y.shape[-1]
    constant = gammaln((nu + count) / 2) - gammaln(nu / 2) - count / 2 * np.log(nu * np.pi)
    return np.asarray(constant - log_determinant / 2 - (nu + count) / 2 * np.log1p(distance / nu))


def _dirichlet(y: Array, a: Array) -> Array:
    constant = gammaln(a.sum(axis=-1)) - gammaln(a).sum(axis=-1)
    inside = (y > 0).all(axis=-1) & (np.abs(y.sum(axis=-1) - 1) < 1e-8)
    return np.where(inside, constant + xlogy(a - 1, y).sum(axis=-1), -np.inf)


def _multinomial(y: Array, n: Array, p: Array) -> Array:
    ways = gammaln(n + 1) - gammaln(y + 1).sum(axis=-1)
    whole = (y >= 0).all(axis=-1) & (y == np.floor(y)).all(axis=-1) & (y.sum(axis=-1) == n)
    return np.where(whole, ways + xlogy(y, p).sum(axis=-1), -np.inf)


def _dirichlet_multinomial(y: Array, n: Array, a: Array) -> Array:
    total = a.sum(axis=-1)
    ways = gammaln(n + 1) + gammaln(total) - gammaln(n + total)
    terms = gammaln(y + a) - gammaln(y + 1) - gammaln(a)
    whole = (y >= 0).all(axis=-1) & (y == np.floor(y)).all(axis=-1) & (y.sum(axis=-1) == n)
    return np.where(whole, ways + terms.sum(axis=-1), -np.inf)


VECTORS: dict[str, Callable[..., Array]] = {
    "Dirichlet": _dirichlet,
    "DirichletMultinomial": _dirichlet_multinomial,
    "Multinomial": _multinomial,
    "MultivariateNormal": _normal,
    "MvStudentT": _student_t,
}
VECTORS_OF_COUNTS = {"DirichletMultinomial", "Multinomial"}
