"""The outcome's mean, quantiles and probabilities, and the model's Deterministics, with errors."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit

from workbench import density, functionals, uncertainty
from workbench.errors import ModelError, nearest
from workbench.estimate.covariances import has_none
from workbench.estimate.intervals import independent_units, require_level
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

# Of rows at theta and what is asked: values, their Jacobian, and the least and greatest value.
type Predicted = tuple[np.ndarray, Callable[[], np.ndarray], tuple[Any, Any]]

PROBABILITIES = (0.0, 1.0)


def deterministics(
    fit: "Estimate", names: Sequence[str], kind: str | None, level: float
) -> pd.DataFrame:
    """See `Estimate.deterministics`."""
    require_level(level)
    found = fit.problem.deterministics(fit.theta, *names)
    errors = fit.errors_of(found.jacobian, kind)
    limits = uncertainty.wald(found.values, errors, level, independent_units(fit))
    return _frame(found.values, errors, limits, found.labels)


def predicted(
    fit: "Estimate",
    data: xr.Dataset | Mapping[str, Any] | None,
    of: str,
    at: float | None,
    kind: str | None,
    level: float,
) -> pd.DataFrame:
    """See `Estimate.predict`."""
    require_level(level)
    if of not in ASKED:
        known = ", ".join(f"'{name}'" for name in ASKED)
        raise ModelError(f"of is one of {known}, not {of!r}{nearest(str(of), ASKED)}")
    problem = fit.problem if data is None else fit.problem.on(data)
    if np.ndim(problem.rows.observed) > 1:
        raise ModelError("with several values on one row there is no single outcome to predict")
    values, jacobian, ends = ASKED[of](problem, fit.theta, at)
    count = problem.rows.count
    values, errors = np.broadcast_to(values, (count,)), np.full(count, np.nan)
    if not has_none(fit, kind or fit.covariance_kind):
        errors = np.where(np.isfinite(values), fit.errors_of(jacobian(), kind), np.nan)
    limits = limits_within(values, errors, ends, level, independent_units(fit))
    return _frame(values, errors, limits, problem.rows.labels)


def limits_within(
    values: np.ndarray,
    errors: np.ndarray,
    ends: tuple[Any, Any],
    level: float,
    units: float,
) -> np.ndarray:
    """Wald limits (n, 2) between `ends`: symmetric on a scale that has none.

    log(value - lower), -log(upper - value), their sum (the logit) or the value itself. Where the
    value lies on an end they are symmetric, cut off there.
    """
    lower, upper = (np.broadcast_to(np.asarray(end, float), values.shape) for end in ends)
    low, high = np.isfinite(lower), np.isfinite(upper)
    with np.errstate(all="ignore"):  # at an end, and without one
        above, below = values - lower, upper - values
        inside, ended = (above > 0) & (below > 0), low | high
        scaled = np.where(low, np.log(above), 0.0) - np.where(high, np.log(below), 0.0)
        slope = np.where(low, 1 / above, 0.0) + np.where(high, 1 / below, 0.0)
        mapped = uncertainty.wald(np.where(ended, scaled, values),
                                  np.where(ended, slope, 1.0) * errors, level, units)  # fmt: skip
        lower, upper, low, high = (one[:, None] for one in (lower, upper, low, high))
        one_ended = np.where(low, lower + np.exp(mapped), upper - np.exp(-mapped))
        back = np.where(low & high, lower + (upper - lower) * expit(mapped), one_ended)
        plain = uncertainty.wald(values, errors, level, units)
    kept = np.where(ended[:, None], back, mapped)
    return np.where(inside[:, None], kept, np.clip(plain, lower, upper))


def _mean(problem: Problem, theta: np.ndarray, at: float | None) -> Predicted:
    if at is not None:
        raise ModelError(f"a mean is at nothing, and at is {at!r}; leave it out")
    outcome = problem.distribution(theta)
    if outcome.name == "Categorical":
        raise ModelError(
            "the outcome is a category, whose codes have no mean; ask for of='probability', with "
            "at the category's code"
        )
    return (
        density.mean(outcome),
        lambda: _by_theta(problem, theta, functionals.mean_slopes(outcome)),
        functionals.support(outcome),
    )


def _quantile(problem: Problem, theta: np.ndarray, at: float | None) -> Predicted:
    if at is None or not 0 < at < 1:
        raise ModelError(f"a quantile is at a probability between 0 and 1, such as 0.5, not {at!r}")
    outcome = problem.distribution(theta)
    places = np.broadcast_to(functionals.quantile(outcome, at), (problem.rows.count,))

    def jacobian() -> np.ndarray:
        if density.is_discrete(outcome):
            return np.full((problem.rows.count, len(theta)), np.nan)
        rising = _by_theta(problem, theta, functionals.distribution_slopes(outcome, places))
        return -rising / functionals.steepness(outcome, places)[:, None]

    return places, jacobian, functionals.support(outcome)


def _at_most(problem: Problem, theta: np.ndarray, at: float | None) -> Predicted:
    value, outcome = _outcome(at), problem.distribution(theta)
    places = np.full(problem.rows.count, value)
    return (
        density.distribution_function(outcome, places),
        lambda: _by_theta(problem, theta, functionals.distribution_slopes(outcome, places)),
        PROBABILITIES,
    )


def _probability(problem: Problem, theta: np.ndarray, at: float | None) -> Predicted:
    """The likelihood of every row, had it had that outcome: exact, whatever the distribution."""
    value = _outcome(at)
    if not problem.graph.discrete:
        raise ModelError(
            "the outcome is continuous, so that a single value has no probability; "
            "of='at most' is P(Y <= at)"
        )
    if value != np.floor(value):
        raise ModelError(f"the outcome is a whole number, so at is one, not {at!r}")
    problem.distribution(theta)  # refuses several outcomes on one row
    there = _observing(problem, value)
    p = np.exp(there.pointwise(theta))

    def jacobian() -> np.ndarray:
        return np.where(p[:, None] > 0, p[:, None] * there.scores(theta), 0.0)

    return p, jacobian, PROBABILITIES


ASKED = {
    "mean": _mean,
    "quantile": _quantile,
    "probability": _probability,
    "at most": _at_most,
}


def _outcome(at: float | None) -> float:
    if at is None or not np.isfinite(at):
        raise ModelError(f"a probability is of an outcome, given as at, and not of {at!r}")
    return float(at)


def _observing(problem: Problem, value: float) -> Problem:
    """The same rows, all of them with that outcome."""
    rows, graph = problem.rows, problem.graph
    if graph.outcome is None:
        raise ModelError(
            "the outcome is computed inside the model, so that no other can take its place; "
            "observe a pm.Data as it is"
        )
    arrays = tuple(
        np.full_like(array, value) if row.name == graph.outcome else array
        for row, array in zip(graph.inputs, rows.arrays, strict=True)
    )
    return replace(problem, rows=replace(rows, arrays=arrays))


def _by_theta(problem: Problem, theta: np.ndarray, slopes: functionals.Slopes) -> np.ndarray:
    """d value / d theta (n, k), through the parameters of the outcome's distribution."""
    total = np.zeros((problem.rows.count, len(theta)))
    outcome = problem.distribution(theta)
    each = zip(
        slopes,
        problem.distribution_slopes(theta),
        functionals.further_axes(outcome),
        strict=True,
    )
    for slope, moves, axes in each:
        if not moves.any():
            continue  # known, as a number of trials mostly is
        if np.isnan(slope).all():
            raise ModelError(
                "no standard error: the model estimates a limit or a number of trials of its "
                "outcome, along which its distribution is not smooth"
            )
        term = np.where(moves != 0, slope[..., None] * moves, 0.0)
        total += term.sum(axis=-2) if axes else term
    return total


def _frame(
    values: np.ndarray, errors: np.ndarray, limits: np.ndarray, labels: Iterable[Any]
) -> pd.DataFrame:
    columns = {"estimate": values, "se": errors, "lower": limits[:, 0], "upper": limits[:, 1]}
    return pd.DataFrame(columns, index=list(labels))
