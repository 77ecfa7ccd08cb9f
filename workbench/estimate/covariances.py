"""Covariances of an estimate, by kind and small-sample factor, and what follows from them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from workbench import fisher, uncertainty
from workbench.errors import ModelError

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

COVARIANCES = {
    "observed": "inverse of the observed information",
    "expected": "inverse of the expected (Fisher) information",
    "opg": "inverse of the outer product of the scores",
    "sandwich": "sandwich of the observed information and the scores, by row",
    "cluster": "sandwich with scores added up by group, times G / (G - 1)",
}
BY_SCORES = ("expected", "opg")  # kinds that need no curvature, but the right model
# Small-sample factors of a covariance: of rows n, free parameters k and groups G.
FACTORS: dict[str, Callable[[float, int, float], float]] = {
    "none": lambda n, k, G: 1.0,
    "rows": lambda n, k, G: n / (n - k),
    "groups": lambda n, k, G: G / (G - 1) if G > 1 else float("nan"),
    "groups and rows": lambda n, k, G: G / (G - 1) * (n - 1) / (n - k) if G > 1 else float("nan"),
}


def theta_covariance(fit: "Estimate", kind: str, factor: str | None) -> np.ndarray:
    """Covariance of theta (k, k), unconstrained; zero for coordinates that were held."""
    covariance = np.zeros((len(fit.theta), len(fit.theta)))
    covariance[np.ix_(fit.moves, fit.moves)] = _free(fit, kind)
    return covariance * _factor(fit, factor or ("groups" if kind == "cluster" else "none"))


def natural_covariance(fit: "Estimate", kind: str, factor: str | None) -> np.ndarray:
    """Covariance of the natural values; what was held has none."""
    covariance = theta_covariance(fit, kind, factor)
    return uncertainty.mapped(covariance, fit.problem.natural_jacobian(fit.theta))


def irregular(fit: "Estimate", kind: str) -> bool:
    """Whether the optimum is none that has a covariance of that kind."""
    verdict = fit.optimum.verdict
    return not (verdict.normal if kind in BY_SCORES else verdict.regular)


def has_none(fit: "Estimate", kind: str) -> bool:
    """Whether there is no covariance of that kind: by the optimum, or by too few groups."""
    return irregular(fit, kind) or (kind == "cluster" and few_groups(fit))


def few_groups(fit: "Estimate") -> bool:
    """Whether the groups are too few for as many parameters: their sums span less."""
    groups = fit.problem.rows.groups
    return groups is not None and len(np.unique(groups)) <= fit.k


def too_few(fit: "Estimate") -> str:
    """The same in words."""
    groups = fit.problem.rows.groups
    count = 0 if groups is None else len(np.unique(groups))
    return (
        f"errors by group: {count} groups cannot tell those of {fit.k} parameters apart; "
        "kind='observed' takes the rows for independent"
    )


def errors_of(fit: "Estimate", jacobian: np.ndarray, kind: str) -> np.ndarray:
    """Standard errors (m,) of functions of theta, by d function / d theta (m, k)."""
    if has_none(fit, kind):
        return np.full(len(jacobian), np.nan)
    covariance = theta_covariance(fit, kind, None)
    variances = np.einsum("mj,mj->m", jacobian @ covariance, jacobian)
    return np.asarray(np.sqrt(np.maximum(variances, 0.0)))  # which rounding takes below 0


def expected_information(fit: "Estimate") -> np.ndarray:
    """Of theta, what was held included (k, k), nats; for a MAP with its prior's curvature."""
    problem, theta = fit.problem, fit.theta
    blocks = fisher.information(problem.distribution(theta), problem.rows.count)
    jacobians = problem.distribution_jacobian(theta)
    information = fisher.expected_information(blocks, jacobians, problem.rows.weights)
    if fit.objective == "joint":
        information = information + problem.hessian(theta, 1.0) - problem.hessian(theta)
    return information


def score_products(fit: "Estimate", groups: np.ndarray | None) -> np.ndarray:
    """sum of s s' by row or group, of the free coordinates."""
    scores = fit.problem.scores(fit.theta)[:, fit.moves]
    return uncertainty.score_products(scores, fit.problem.rows.weights, groups)


def effective_parameters(fit: "Estimate") -> float:
    """tr(H^-1 K), K by group where one is declared; NaN without a regular optimum."""
    groups = fit.problem.rows.groups
    if has_none(fit, "observed" if groups is None else "cluster"):
        return float("nan")
    return uncertainty.trace(_information(fit), score_products(fit, groups))


def decided_by_rows(fit: "Estimate") -> float:
    """tr(H^-1 H_likelihood) of the free coordinates; NaN without a regular optimum."""
    if irregular(fit, "observed"):
        return float("nan")
    if fit.objective == "likelihood":
        return float(fit.k)
    rows = fit.problem.hessian(fit.theta)[np.ix_(fit.moves, fit.moves)]
    return uncertainty.trace(_information(fit), rows)


def _information(fit: "Estimate") -> np.ndarray:
    """The observed one, of the free coordinates."""
    return np.asarray(fit.optimum.information[np.ix_(fit.moves, fit.moves)])


def _free(fit: "Estimate", kind: str) -> np.ndarray:
    """Covariance of the free coordinates, without a factor."""
    groups = fit.problem.rows.groups
    if kind == "observed":
        return uncertainty.inverse(_information(fit))
    if kind == "expected":
        return uncertainty.inverse(fit.expected_information[np.ix_(fit.moves, fit.moves)])
    if kind == "opg":
        return uncertainty.inverse(score_products(fit, None))
    if kind == "sandwich":
        return uncertainty.sandwich(_information(fit), score_products(fit, None))
    if kind == "cluster":
        if groups is None:
            raise ModelError("kind='cluster' needs a declared group: wb.read(file, group=...)")
        if few_groups(fit):
            raise ModelError(too_few(fit))
        return uncertainty.sandwich(_information(fit), score_products(fit, groups))
    known = ", ".join(f"'{name}'" for name in COVARIANCES)
    raise ModelError(f"a covariance is one of {known}, not {kind!r}")


def _factor(fit: "Estimate", name: str) -> float:
    if name not in FACTORS:
        known = ", ".join(f"'{factor}'" for factor in FACTORS)
        raise ModelError(f"a small-sample factor is one of {known}, not {name!r}")
    groups = fit.problem.rows.groups
    if "groups" in name and groups is None:
        raise ModelError(f"factor={name!r} needs a declared group: wb.read(file, group=...)")
    count = np.nan if groups is None else len(np.unique(groups))
    return float(FACTORS[name](fit.nobs, fit.k, count))
