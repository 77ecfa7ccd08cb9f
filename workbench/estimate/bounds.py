"""Bounds of parameters, by name and on the natural scale, and the box of theta that they make."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any

import numpy as np

from workbench.errors import ModelError
from workbench.estimate.objective import labels_of, own_coordinates
from workbench.optimum import Box, Held, Kinked, Objective, Point, advice
from workbench.problem import Problem

# A natural value that was mapped to theta and back may lie outside by rounding.
ROUNDING = 1e-12

Given = Mapping[str, tuple[float | None, float | None]]


@dataclass(frozen=True, eq=False)
class Bounds:
    """Bounds of natural values by label, infinite where there is none, and of theta's coordinates.

    `lower` and `upper` are the same on the unconstrained scale, (k,); `said` is what the user said.
    """

    limits: Mapping[str, tuple[float, float]]
    lower: np.ndarray
    upper: np.ndarray
    said: str

    def box(self, held: Held, problem: Problem) -> Box:
        """What is minimised, within the bounds of its free coordinates."""
        words = partial(_stopped, self, held, problem)
        return Box(held, self.lower[held.free], self.upper[held.free], words)


def bounds_of(problem: Problem, given: Given) -> Bounds:
    """Bounds by label, or by a parameter's name for those of its values that no label names.

    Each is a pair (lower, upper), None or an infinity for no limit. One on or beyond the edge of
    the support is no bound on that side. Raises ModelError for an unknown name, for what is no pair
    of numbers in order, for a natural value that has no coordinate of its own, and where nothing
    of the support is left.
    """
    pairs = {name: _pair(name, pair) for name, pair in given.items()}
    by_name = {name: pair for name, pair in pairs.items() if name not in problem.labels}
    limits = {label: pair for name, pair in by_name.items() for label in labels_of(problem, name)}
    limits |= {name: pair for name, pair in pairs.items() if name in problem.labels}
    limits = {label: limits[label] for label in problem.labels if label in limits}
    own, size = own_coordinates(problem), len(problem.theta_labels)
    lower, upper = np.full(size, -np.inf), np.full(size, np.inf)
    for label, pair in limits.items():
        if label not in own:
            raise ModelError(
                f"'{label}' cannot be bounded alone: it moves with the others of its kind, as in "
                "a simplex or an order"
            )
        at = own[label]
        lower[at], upper[at] = _mapped(problem, label, at, pair)
    said = ", ".join(_said(name, *pair) for name, pair in pairs.items())
    return Bounds(limits, lower, upper, said)


def entered(objective: Objective, theta: np.ndarray) -> np.ndarray:
    """theta itself, or what is nearest to it within bounds, where there are any."""
    inner = objective.objective if isinstance(objective, Kinked) else objective
    return inner.entered(theta) if isinstance(inner, Box) else theta


def require_inside(problem: Problem, bounds: Bounds, given: Mapping[str, float], what: str) -> None:
    """Raise ModelError for a natural value, given by name or label, that lies out of its bounds."""
    for name, value in given.items():
        for label in labels_of(problem, name):
            lower, upper = bounds.limits.get(label, (-np.inf, np.inf))
            slack = ROUNDING * abs(value)
            if not lower - slack <= value <= upper + slack:
                raise ModelError(
                    f"{what} has {label} = {value:g}, outside its bounds: "
                    f"{_said(label, lower, upper)}"
                )


def _pair(name: str, given: Any) -> tuple[float, float]:
    pair = tuple(given) if isinstance(given, tuple | list | np.ndarray) else ()
    if len(pair) != 2 or not all(one is None or isinstance(one, Real) for one in pair):
        raise ModelError(
            f"the bounds of '{name}' are a pair (lower, upper), with None for no limit, "
            f"not {given!r}"
        )
    lower = -np.inf if pair[0] is None else float(pair[0])
    upper = np.inf if pair[1] is None else float(pair[1])
    if np.isnan(lower) or np.isnan(upper):
        raise ModelError(f"a bound of '{name}' is NaN; None is no limit")
    if lower == upper and np.isfinite(lower):
        raise ModelError(
            f"the bounds of '{name}' are both {lower:g}; to hold it there, "
            f"use fixed={{'{name}': {lower:g}}}"
        )
    if lower >= upper:
        raise ModelError(
            f"the lower bound of '{name}', {lower:g}, is not below {upper:g}, its upper"
        )
    return lower, upper


def _mapped(
    problem: Problem, label: str, at: int, pair: tuple[float, float]
) -> tuple[float, float]:
    """The bounds of a coordinate of theta, in order, whichever way its transform runs."""
    place = problem.labels.index(label)
    theta = problem.start()
    first, last = sorted(_edges(problem, place, at, theta))
    if np.isnan(first):  # an angle has no edge: the circle goes on
        first, last = -np.pi, np.pi
        if not first <= pair[0] < pair[1] <= last:
            raise ModelError(
                f"'{label}' is an angle, so it has bounds on both sides, from -pi to pi, or none"
            )
        return pair
    if pair[0] >= last or pair[1] <= first:
        raise ModelError(
            f"the bounds of '{label}' leave nothing of its support, "
            f"from {first:g} to {last:g}: {_said(label, *pair)}"
        )
    natural = np.tile(problem.natural(theta), (2, 1))
    natural[:, place] = pair
    with np.errstate(all="ignore"):  # a bound may lie outside the support
        ends = np.array([problem.unconstrained(one)[at] for one in natural])
    inside = np.array([pair[0] > first, pair[1] < last])
    rising = problem.natural_jacobian(theta)[place, at] > 0
    ends = np.where(inside, ends, [-np.inf, np.inf] if rising else [np.inf, -np.inf])
    return float(ends.min()), float(ends.max())


def _edges(problem: Problem, place: int, at: int, theta: np.ndarray) -> list[float]:
    """The natural value where its coordinate of theta goes to minus and to plus infinity."""
    far = np.tile(theta, (2, 1))
    far[:, at] = -np.inf, np.inf
    with np.errstate(all="ignore"):
        return [float(problem.natural(one)[place]) for one in far]


def _said(label: str, lower: float, upper: float) -> str:
    if np.isinf(lower) and np.isinf(upper):
        return f"{label} without a bound"
    if np.isinf(lower):
        return f"{label} <= {upper:g}"
    return f"{label} >= {lower:g}" if np.isinf(upper) else f"{lower:g} <= {label} <= {upper:g}"


def standing(bounds: Bounds, problem: Problem, theta: np.ndarray) -> dict[str, float]:
    """The natural values that stand on one of their bounds, by label, with the bound."""
    natural, found = problem.natural(theta), {}
    on_bound = (theta <= bounds.lower) | (theta >= bounds.upper)
    for label, at in own_coordinates(problem).items():
        if on_bound[at]:
            value = natural[problem.labels.index(label)]
            found[label] = min(bounds.limits[label], key=lambda bound: abs(bound - value))
    return found


def _stopped(bounds: Bounds, held: Held, problem: Problem, here: Point, stopped: np.ndarray) -> str:
    """Which bounds hold the optimum, at what slope on the natural scale (nats per unit)."""
    theta, own = held.whole(here.theta), own_coordinates(problem)
    scores = dict(zip(np.flatnonzero(held.free)[stopped], here.gradient[stopped], strict=True))
    # One natural value alone moves with such a coordinate.
    stretch = np.abs(problem.natural_jacobian(theta)).sum(axis=0)
    found = [
        (label, bound, abs(float(scores[own[label]] / stretch[own[label]])))
        for label, bound in standing(bounds, problem, theta).items()
        if own[label] in scores
    ]
    return advice.at_bounds(found, held.name)
