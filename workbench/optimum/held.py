"""An objective with some coordinates of theta held at their values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.optimum.points import Objective


@dataclass(frozen=True)
class Held:
    """The objective as a function of the free coordinates alone.

    `theta` (k,) holds the values of the others; `free` (k,) is true where a coordinate may move.
    """

    objective: Objective
    theta: np.ndarray
    free: np.ndarray

    @property
    def name(self) -> str:
        return self.objective.name

    @property
    def longest(self) -> np.ndarray:
        return np.asarray(np.broadcast_to(self.objective.longest, self.theta.shape)[self.free])

    def whole(self, parts: np.ndarray) -> np.ndarray:
        """theta (..., k) of the free coordinates (..., m)."""
        whole = np.broadcast_to(self.theta, (*parts.shape[:-1], len(self.theta))).copy()
        whole[..., self.free] = parts
        return whole

    def named(self, labels: Sequence[str]) -> list[str]:
        """Those of theta's labels whose coordinates move."""
        return [label for label, moves in zip(labels, self.free, strict=True) if moves]

    def values(self, thetas: np.ndarray) -> np.ndarray:
        return self.objective.values(self.whole(thetas))

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = self.objective.value_and_gradient(self.whole(theta))
        return value, gradient[self.free]

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient, hessian = self.objective.derivatives(self.whole(theta))
        return value, gradient[self.free], hessian[np.ix_(self.free, self.free)]

    def hessian_product(self, theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
        product = self.objective.hessian_product(self.whole(theta), self._moved(direction))
        return np.asarray(product[self.free])

    def ends(self, theta: np.ndarray, direction: np.ndarray) -> bool:
        return self.objective.ends(self.whole(theta), self._moved(direction))

    def alike(self, theta: np.ndarray, other: np.ndarray) -> bool:
        return self.objective.alike(self.whole(theta), self.whole(other))

    def _moved(self, direction: np.ndarray) -> np.ndarray:
        moved = np.zeros(len(self.theta))
        moved[self.free] = direction
        return moved
