"""Rao's score test that the values at which parameters were held are right, without a new fit."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from workbench import uncertainty
from workbench.errors import ModelError
from workbench.estimate.covariances import irregular
from workbench.estimate.hypotheses import HypothesisTest

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

BY = {
    "expected": "the expected information",
    "observed": "the observed information",
    "opg": "the outer product of the scores",
    "sandwich": "the sum of squared scores by row",
    "cluster": "the sum of squared scores by group",
}
STEP = 1e-3  # of theta, for the curvature of a transform: 1e-13 left out, 1e-13 of rounding


def score_test(fit: "Estimate", kind: str | None) -> HypothesisTest:
    """s' V^-1 s, where s is the score in the held directions and V its variance (Rao 1948).

    s is taken less what the free directions explain of it, so that it does not matter how near
    their own scores came to zero (Neyman 1959). V is that part of the information or, for the
    generalised statistic, the sum of s s' by row or by group (Boos 1992), not centred.
    """
    kind = _kind(fit, kind)
    held, free = ~fit.moves, fit.moves
    score = -fit.problem.value_and_gradient(fit.theta)[1]
    name, information = _information(fit, kind)
    products = information if name == kind else _products(fit, kind == "cluster")
    try:
        efficient = _efficient(information, held, free)
        rest, variance = efficient @ score, efficient @ products @ efficient.T
        statistic = float(rest @ uncertainty.inverse(variance) @ rest)
    except np.linalg.LinAlgError as reason:
        others = " or ".join(f"kind='{other}'" for other in ("expected", "opg") if other != kind)
        raise ModelError(
            f"no score test by {BY[kind]}: it is not positive definite at the held values; "
            f"{others} may be"
        ) from reason
    df = int(held.sum())
    hypothesis = ", ".join(f"{label} = {fit.params[label]:.6g}" for label in fit.held)
    said = BY[kind] if name == kind else f"{BY[kind]} and {BY[name]}"
    p_value = float(stats.chi2.sf(statistic, df))
    return HypothesisTest("score", f"{hypothesis} by {said}", statistic, df, p_value)


def _kind(fit: "Estimate", kind: str | None) -> str:
    """Which kind is meant; ModelError where there is no score test."""
    if fit.objective != "likelihood":
        raise ModelError(
            "a score test is of a maximum of the likelihood, and this is a MAP; use "
            "wb.maximum_likelihood(problem, fixed=...)"
        )
    if fit.moves.all():
        raise ModelError(
            "nothing was held, so there is nothing to test; hold what is to be tested: "
            f"wb.maximum_likelihood(problem, fixed={{{fit.problem.labels[0]!r}: 0.0}})"
        )
    if kind not in (None, *BY):
        known = ", ".join(f"'{name}'" for name in BY)
        raise ModelError(f"a score test is by one of {known}, not {kind!r}")
    groups = fit.problem.rows.groups
    if kind is None:
        kind = _sensitivity(fit)[0] if groups is None else "cluster"
    if irregular(fit, kind):
        raise ModelError(f"no score test: {fit.status}. {fit.optimum.verdict.advice}")
    if kind == "cluster":
        if groups is None:
            raise ModelError("kind='cluster' needs a declared group: wb.read(file, group=...)")
        count = len(np.unique(groups))
        if count <= len(fit.theta):
            raise ModelError(
                f"no score test by group: {count} groups cannot tell the scores of "
                f"{len(fit.theta)} parameters apart; kind='expected' or kind='observed' takes "
                "the rows for independent"
            )
    return kind


def _information(fit: "Estimate", kind: str) -> tuple[str, np.ndarray]:
    """The information by name, (k, k); for the generalised statistic that of `_sensitivity`."""
    if kind == "expected":
        return kind, fit.expected_information
    if kind == "observed":
        return kind, _observed(fit)
    return (kind, _products(fit, grouped=False)) if kind == "opg" else _sensitivity(fit)


def _sensitivity(fit: "Estimate") -> tuple[str, np.ndarray]:
    """The expected information, or the observed one of a family for which it is not known."""
    try:
        return "expected", fit.expected_information
    except ModelError:
        return "observed", _observed(fit)


def _observed(fit: "Estimate") -> np.ndarray:
    """The observed information of the parameters on their own scale, told in units of theta.

    Where the score is not zero the two scales differ by it times the transform's curvature. A
    held value has one coordinate of its own; the others' scores are zero.
    """
    problem, theta = fit.problem, fit.theta
    information = problem.hessian(theta).copy()
    gradient = problem.value_and_gradient(theta)[1]
    for place in np.flatnonzero(~fit.moves):
        step = STEP * np.eye(len(theta))[place]
        slope = [problem.natural_jacobian(theta + shift * step)[:, place].sum()
                 for shift in (-2, -1, 0, 1, 2)]  # fmt: skip
        curvature = (slope[0] - 8 * slope[1] + 8 * slope[3] - slope[4]) / (12 * STEP)
        information[place, place] -= gradient[place] * curvature / slope[2]
    return information


def _products(fit: "Estimate", grouped: bool) -> np.ndarray:
    """sum of s s' over rows or groups, (k, k); the mean score is no zero here, and stays in."""
    scores, weights = fit.problem.scores(fit.theta), fit.problem.rows.weights
    groups = fit.problem.rows.groups
    if grouped and groups is not None:
        totals = uncertainty.summed(scores, weights, groups)
        return np.asarray(totals.T @ totals)
    return np.asarray(scores.T @ (weights[:, None] * scores))


def _efficient(information: np.ndarray, held: np.ndarray, free: np.ndarray) -> np.ndarray:
    """What takes a score to its held part, less its regression on the free part, (h, k)."""
    taken = np.zeros((held.sum(), len(held)))
    taken[:, held] = np.eye(held.sum())
    within, across = information[np.ix_(free, free)], information[np.ix_(held, free)]
    taken[:, free] = -across @ uncertainty.inverse(within)
    return taken
