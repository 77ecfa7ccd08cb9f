"""An objective within bounds: where it may be tried, and which coordinates a bound stops."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from workbench.optimum.held import Held
from workbench.optimum.points import Objective, Point

# Off the bounds, where the objective is not finite on them: in theta's own unit, or a share of the
# way to the opposite bound.
INWARD = 2.0 ** -np.arange(1, 12)

Words = Callable[[Point, np.ndarray], str]


def _untold(here: Point, stopped: np.ndarray) -> str:
    """For a box in which nobody asks for a verdict."""
    return ""


@dataclass(frozen=True)
class Box:
    """The objective where lower <= theta <= upper, both (k,); infinite beyond, and not tried there.

    `words` tells of a point, and of the coordinates (k,) that bounds stop there, what the user is
    to know of it.
    """

    objective: Objective
    lower: np.ndarray
    upper: np.ndarray
    words: Words = _untold

    @property
    def name(self) -> str:
        return self.objective.name

    @property
    def longest(self) -> np.ndarray:
        return np.asarray(np.broadcast_to(self.objective.longest, self.lower.shape))

    def values(self, thetas: np.ndarray) -> np.ndarray:
        inside = self.onto(thetas)
        within = (inside == thetas).all(axis=-1)
        return np.asarray(np.where(within, self.objective.values(inside), np.inf))

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        if (self.onto(theta) == theta).all():
            return self.objective.value_and_gradient(theta)
        return np.inf, np.full(len(theta), np.nan)

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        if (self.onto(theta) == theta).all():
            return self.objective.derivatives(theta)
        size = len(theta)
        return np.inf, np.full(size, np.nan), np.full((size, size), np.nan)

    def hessian_product(self, theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return self.objective.hessian_product(self.onto(theta), direction)

    def ends(self, theta: np.ndarray, direction: np.ndarray) -> bool:
        return self.objective.ends(theta, direction)

    def alike(self, theta: np.ndarray, other: np.ndarray) -> bool:
        return self.objective.alike(theta, other)

    def onto(self, thetas: np.ndarray) -> np.ndarray:
        """The nearest points of the box, (..., k)."""
        return np.asarray(np.clip(thetas, self.lower, self.upper))

    def entered(self, theta: np.ndarray) -> np.ndarray:
        """The nearest point of the box, or one off its bounds where the objective is finite."""
        nearest = self.onto(theta)
        moved = np.sign(nearest - theta)
        if not moved.any() or np.isfinite(self.values(nearest[None])).all():
            return nearest
        widths = np.minimum(self.upper - self.lower, 2.0)
        tried = nearest + INWARD[:, None] * moved * widths
        finite = np.flatnonzero(np.isfinite(self.values(tried)))
        return np.asarray(tried[finite[0]]) if len(finite) else nearest

    def over(self, theta: np.ndarray, free: np.ndarray) -> "Box":
        """The box of the free coordinates alone, the others held at theta."""
        held = Held(self.objective, theta, free)
        return replace(self, objective=held, lower=self.lower[free], upper=self.upper[free])

    def on_bound(self, theta: np.ndarray) -> np.ndarray:
        """Which coordinates stand on one of their bounds, (k,)."""
        return np.asarray((theta <= self.lower) | (theta >= self.upper))

    def barred(self, theta: np.ndarray, move: np.ndarray) -> np.ndarray:
        """Which coordinates stand on a bound that the move would take them out of, (k,)."""
        below, above = (theta <= self.lower) & (move < 0), (theta >= self.upper) & (move > 0)
        return np.asarray(below | above)

    def pressed(self, here: Point) -> np.ndarray:
        """Which coordinates the descent presses against a bound that they stand on, (k,)."""
        return self.barred(here.theta, -here.gradient)

    def reach(self, theta: np.ndarray, move: np.ndarray) -> np.ndarray:
        """How many times the move brings each coordinate to the bound ahead of it, (k,)."""
        ahead = np.where(move > 0, self.upper, self.lower) - theta
        times = np.full(len(move), np.inf)
        np.divide(ahead, move, out=times, where=move != 0)
        return times

    def at_bound(self, theta: np.ndarray, move: np.ndarray, which: np.ndarray) -> np.ndarray:
        """theta with some coordinates on the bounds that the move leads to."""
        return np.where(which, np.where(move > 0, self.upper, self.lower), theta)


@dataclass(frozen=True)
class Walled(Box):
    """The same, going on beyond the bounds: as at the nearest point of the box, and a parabola.

    So that what a verdict evaluates to either side of a minimum rises there, too, however near the
    bound. `scale` (k,) is the parabola's standard error.
    """

    scale: np.ndarray = field(kw_only=True)

    def values(self, thetas: np.ndarray) -> np.ndarray:
        inside = self.onto(thetas)
        beyond = (thetas - inside) / self.scale
        return np.asarray(self.objective.values(inside) + 0.5 * (beyond**2).sum(axis=-1))

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self.objective.value_and_gradient(self.onto(theta))

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return self.objective.derivatives(self.onto(theta))
