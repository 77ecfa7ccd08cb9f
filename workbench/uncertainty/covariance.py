"""Covariances and intervals from the exact information and scores: arrays in, arrays out.

`information` is the Hessian of the objective in theta, shape (k, k), nats; `scores` are the
gradients of the rows' log-likelihoods, shape (n, k); weights are frequencies.
"""

import numpy as np
from scipy import stats
from scipy.linalg import lapack

FEW_UNITS = 40  # groups below which Student's t replaces the normal quantile


def inverse(information: np.ndarray) -> np.ndarray:
    """The inverse of a positive definite matrix; LinAlgError if it is not.

    Scaled to a unit diagonal first, so that the units of the columns do not matter.
    """
    diagonal = np.diag(information)
    if not (diagonal > 0).all():
        raise np.linalg.LinAlgError("the information has no positive diagonal")
    scale = 1.0 / np.sqrt(diagonal)
    factor, failed = lapack.dpotrf(scale[:, None] * information * scale)
    if failed:
        raise np.linalg.LinAlgError("the information is not positive definite")
    upper = np.triu(lapack.dpotri(factor)[0])
    return np.asarray(scale[:, None] * (upper + np.triu(upper, 1).T) * scale)


def summed(scores: np.ndarray, weights: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Weighted scores added up within each group, shape (G, k)."""
    codes = np.unique(groups, return_inverse=True)[1]
    total = np.zeros((codes.max() + 1, scores.shape[1]))
    np.add.at(total, codes, weights[:, None] * scores)
    return total


def score_products(
    scores: np.ndarray, weights: np.ndarray, groups: np.ndarray | None
) -> np.ndarray:
    """sum of s s', by row (frequency weights: w s s') or, where given, by group; shape (k, k).

    The mean score is taken off first: at a maximum of the likelihood it is zero, at a MAP it is
    what the prior pulls.
    """
    centre = (weights @ scores) / weights.sum()
    centred = scores - centre
    if groups is None:
        return np.asarray(centred.T @ (weights[:, None] * centred))
    totals = summed(centred, weights, groups)
    return np.asarray(totals.T @ totals)


def sandwich(information: np.ndarray, products: np.ndarray) -> np.ndarray:
    """H^-1 (sum s s') H^-1 (Huber 1967, White 1982), shape (k, k)."""
    bread = inverse(information)
    return np.asarray(bread @ products @ bread)


def trace(information: np.ndarray, products: np.ndarray) -> float:
    """tr(H^-1 sum s s'): the effective number of parameters (Takeuchi 1976).

    By how many nats, over all n rows, the training NLL is expected to be lower than the NLL of n
    new rows; k if the model is right and the rows are independent.
    """
    return float(np.trace(inverse(information) @ products))


def mapped(covariance: np.ndarray, jacobian: np.ndarray) -> np.ndarray:
    """Covariance of natural values from that of theta, by the exact Jacobian (delta method)."""
    return np.asarray(jacobian @ covariance @ jacobian.T)


def wald(values: np.ndarray, errors: np.ndarray, level: float, units: float = np.inf) -> np.ndarray:
    """Symmetric limits at `level`, shape (k, 2): normal, or Student's t for few groups."""
    tail = (1 - level) / 2
    quantile = stats.t.isf(tail, units - 1) if units < FEW_UNITS else stats.norm.isf(tail)
    half = quantile * errors
    return np.column_stack([values - half, values + half])
