"""How a point stands on kinks, and on bounds: what holds it there, and what can still move."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from workbench.optimum.kinked import Kinked, Pinned
from workbench.optimum.points import Point, point
from workbench.optimum.slopes import SURE, Slopes, slopes_at

TRIED = 1e-4  # nats that the kinks add, where values are to confirm the slopes
CONFIRMED = 0.5  # of the rise that the slopes foretell: what curvature leaves of it


@dataclass(frozen=True)
class Standing:
    """A theta of an objective with kinks, and the kinks that it stands on, by their places.

    `inward` (k,) is the way off each bound that it stands on, 0 where there is none.
    """

    kinked: Kinked
    theta: np.ndarray
    inward: np.ndarray
    kinks: np.ndarray

    @cached_property
    def slopes(self) -> Slopes | None:
        """The one-sided slopes; None where they cannot be told."""
        return slopes_at(self.kinked, self.theta, self.kinks, self.inward)

    @property
    def stopped(self) -> np.ndarray:
        """Which coordinates stand on bounds, (k,)."""
        return np.asarray(self.inward != 0)

    @cached_property
    def along(self) -> Pinned:
        """The objective along the kinks and the bounds."""
        inner = self.kinked.over(self.theta, ~self.stopped)
        return inner.pinned(self.theta[~self.stopped], self.kinks)

    @property
    def moving(self) -> np.ndarray:
        """Which coordinates are free along the kinks and the bounds, (k,)."""
        moving = ~self.stopped
        moving[moving] = self.along.free
        return moving

    @property
    def moves(self) -> np.ndarray:
        """d theta / d free coordinates, (k, m)."""
        moves = np.zeros((len(self.theta), int(self.moving.sum())))
        moves[~self.stopped] = self.along.moves(self.theta[~self.stopped])
        return moves

    @property
    def loose(self) -> Point:
        """The point as a function of the coordinates that are free."""
        return point(self.along, self.theta[self.moving])

    def whole(self, parts: np.ndarray) -> np.ndarray:
        """theta (k,) of the coordinates that are free."""
        theta = self.theta.copy()
        theta[~self.stopped] = self.along.whole(parts)
        return theta

    @property
    def held(self) -> bool:
        """Whether the objective falls neither off the kinks nor off the bounds."""
        slopes = self.slopes
        if slopes is None or slopes.falling:
            return False
        most = np.abs(slopes.mean) + np.abs(slopes.jumps).sum(axis=0)
        return bool((slopes.pull * self.inward >= -SURE * most).all())

    @property
    def confirmed(self) -> bool:
        """Whether values rise off the kinks as their slopes say, to all sides and the worst way."""
        slopes = self.slopes
        if slopes is None:
            return False
        off = np.linalg.pinv(slopes.jumps * ~self.stopped).T
        ways = np.vstack([off, slopes.way, -off, -slopes.way])
        ways *= TRIED / np.abs(ways @ slopes.jumps.T).sum(axis=1, keepdims=True)
        value, *values = self.kinked.values(np.vstack([self.theta, self.theta + ways]))
        slack = np.finfo(float).eps * 1e3 * max(abs(value), 1.0)
        return bool((values - value > CONFIRMED * slopes.rise(ways) - slack).all())


def standing(kinked: Kinked, theta: np.ndarray) -> Standing:
    """How theta stands on the kinks of an objective, and on its bounds."""
    return Standing(kinked, theta, kinked.inward(theta), kinked.standing(theta))
