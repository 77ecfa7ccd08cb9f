"""Confidence limits of an estimate on the natural scale, by kind."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import uncertainty
from workbench.errors import ModelError, nearest
from workbench.estimate.objective import own_coordinates, released
from workbench.optimum import Objective, Point, find, point

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate


class BetterOptimumError(ModelError):
    """A profile came across a better point; `fit` is the estimate that was found from there."""

    def __init__(self, message: str, fit: "Estimate") -> None:
        super().__init__(message)
        self.fit = fit


NOT_ALONE = "no coordinate of its own, or held"


def wald(fit: "Estimate", level: float) -> pd.DataFrame:
    """Estimate -+ quantile x standard error, symmetric on the natural scale."""
    values, errors = fit.params.to_numpy(), fit.bse.to_numpy()
    return _limits(fit, uncertainty.wald(values, errors, level, independent_units(fit)))


def transformed(fit: "Estimate", level: float) -> pd.DataFrame:
    """Symmetric on the unconstrained scale, and mapped: inside the parameter's support.

    NaN for a natural value that has no coordinate of its own (a simplex, an order).
    """
    limits = np.full((len(fit.params), 2), np.nan)
    if fit.optimum.verdict.regular:
        errors = np.sqrt(np.diag(fit.theta_covariance(fit.covariance_kind)))
        ends = uncertainty.wald(fit.theta, errors, level, independent_units(fit))
        for place, coordinate in _own_places(fit):
            limits[place] = np.sort(_mapped(fit, place, coordinate, ends[coordinate]))
    return _limits(fit, limits)


def bootstrapped(fit: "Estimate", level: float) -> pd.DataFrame:
    """Percentiles of a thousand replicates, seeded with 0."""
    return fit.bootstrap().conf_int(level)


def profiled(fit: "Estimate", level: float) -> pd.DataFrame:
    """Where the likelihood, maximised over all others, falls by its quantile (Wilks 1938)."""
    return fit.profile(level)[["lower", "upper"]]


def profile(fit: "Estimate", level: float) -> pd.DataFrame:
    """Profile-likelihood limits with what became of each side; see `Estimate.profile`."""
    if fit.problem.rows.groups is not None:
        raise ModelError(
            "a profile likelihood takes rows for independent, and these belong to groups; use "
            "kind='wald', kind='transformed' or kind='bootstrap', with errors by group"
        )
    found = pd.DataFrame(np.nan, fit.params.index, ["lower", "upper"])
    found[["below", "above"]] = NOT_ALONE if fit.optimum.verdict.regular else str(fit.status)
    if not fit.optimum.verdict.regular:
        return found
    loss, here, coordinates = _free_minimum(fit)
    for place, coordinate in _own_places(fit):
        sides = uncertainty.profile(loss, here, coordinates[coordinate], level)
        if sides.better is not None:
            raise _better(fit, fit.problem.labels[place], sides.better)
        ends = np.array([sides.lower, sides.upper])
        label = fit.problem.labels[place]
        said = [str(sides.below.status), str(sides.above.status)]
        limits = _mapped(fit, place, coordinate, ends)
        if limits[0] > limits[1]:  # a transform that turns the scale around
            limits, said = limits[::-1], said[::-1]
        found.loc[label] = [*limits, *said]
    return found.astype({"lower": float, "upper": float})


def contour(fit: "Estimate", first: str, second: str, level: float, points: int) -> pd.DataFrame:
    """Points on the joint profile-likelihood contour; see `Estimate.contour`."""
    if not fit.optimum.verdict.regular:
        raise ModelError(f"no contour: {fit.status}. {fit.optimum.verdict.advice}")
    own = {fit.problem.labels[place]: (place, at) for place, at in _own_places(fit)}
    for label in (first, second):
        if label not in own:
            raise ModelError(f"no contour of '{label}'{nearest(label, own)}: it has no coordinate "
                             "of its own, or is held")  # fmt: skip
    loss, here, coordinates = _free_minimum(fit)
    (place, at), (other, there) = own[first], own[second]
    found = uncertainty.contour(loss, here, coordinates[at], coordinates[there], level, points)
    values = _mapped(fit, place, at, found[:, 0]), _mapped(fit, other, there, found[:, 1])
    return pd.DataFrame(dict(zip((first, second), values, strict=True)))


KINDS = {
    "wald": wald,
    "transformed": transformed,
    "profile": profiled,
    "bootstrap": bootstrapped,
}


def limits(fit: "Estimate", kind: str, level: float) -> pd.DataFrame:
    """Limits of one kind. Raises ModelError for a kind or a level that is none."""
    require_level(level)
    if kind not in KINDS:
        known = ", ".join(f"'{name}'" for name in KINDS)
        raise ModelError(f"an interval is one of {known}, not {kind!r}")
    return KINDS[kind](fit, level)


def require_level(level: float) -> None:
    """Raise ModelError for a confidence level that is none."""
    if not 0 < level < 1:
        raise ModelError(f"level lies between 0 and 1, such as 0.95, not {level!r}")


def independent_units(fit: "Estimate") -> float:
    """Independent units: groups, where declared; few of them call for Student's t."""
    groups = fit.problem.rows.groups
    return np.inf if groups is None else float(len(np.unique(groups)))


def _limits(fit: "Estimate", limits: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(limits, index=fit.params.index, columns=["lower", "upper"])


def _own_places(fit: "Estimate") -> list[tuple[int, int]]:
    """(natural value, coordinate of theta) of each that can be told alone and was not held."""
    own = own_coordinates(fit.problem)
    return [
        (place, own[label])
        for place, label in enumerate(fit.problem.labels)
        if label in own and fit.moves[own[label]]
    ]


def _free_minimum(fit: "Estimate") -> tuple[Objective, Point, dict[int, int]]:
    """The loss of the free coordinates, its minimum, and where among them each coordinate is."""
    places = {int(coordinate): place for place, coordinate in enumerate(np.flatnonzero(fit.moves))}
    return fit.within, point(fit.within, fit.theta[fit.moves]), places


def _better(fit: "Estimate", label: str, theta: np.ndarray) -> BetterOptimumError:
    """The error that hands over the fit, searched for again from the better point."""
    objective, held = fit.within, fit.loss
    labels = held.named(fit.problem.theta_labels)
    found = find(objective, {"the profile": point(objective, theta)}, labels, fit.nobs)
    whole = released(found, held)
    again = replace(fit, optimum=replace(whole, starts=(*fit.optimum.starts, *whole.starts)))
    return BetterOptimumError(
        f"the profile of {label} came across a point better than the estimate; the fit was "
        f"restarted there, and is better by {fit.optimum.value - found.value:.3g} nats "
        f"({again.status}): it is this error's `fit`",
        again,
    )


def _mapped(fit: "Estimate", place: int, coordinate: int, ends: np.ndarray) -> np.ndarray:
    """Values of one coordinate of theta on the natural scale; an end without limit stays one."""
    theta = np.tile(fit.theta, (len(ends), 1))
    theta[:, coordinate] = ends
    values = [
        fit.problem.natural(one)[place] if not np.isnan(end) else np.nan
        for one, end in zip(theta, ends, strict=True)
    ]
    return np.array(values)
