"""One-sided slopes on kinks: whether the objective rises at once, whichever way they are left.

Across each kink the gradient jumps. Leaving along d the objective rises by mean'd + sum |jump'd|,
with the mean of the gradients to all sides and half the jumps. That is positive for every d if
multipliers between -1 and 1 of the jumps make up for the mean (Clarke 1983).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog

from workbench.optimum.kinked import Kinked, independent

AWAY = 1e-9  # of a typical gap: from so far off a kink its sides are looked at
BEYOND = 1e2  # times what rounding leaves of a gap, at least
# Times as far as that from the others, where one is crossed alone; the more of them, the farther.
FARTHER = (1e1, 1e2, 1e3, 1e4, 1e5)
UNTOLD = 1e-4  # of the largest jump, not along its kink's own slope: it is no kink then
STEEPEST = 1e150  # beyond, squares are no numbers
DEAD = 1e-9  # of the largest jump: no kink at all
SURE = 1e-6  # of the kinks' own slopes: less is rounding


@dataclass(frozen=True)
class Slopes:
    """The slopes at a point on kinks.

    `mean` (k,) is the mean gradient, `jumps` (q, k) half of what it jumps by across each kink, and
    `multipliers` (q,) of them make up for the mean, as nearly as they can be kept from -1 and 1.
    `spare` is the least share of the kinks' own rise that is left on any way off them, and `way`
    (k,) that way: below zero the objective falls there, at zero it is level.
    """

    mean: np.ndarray
    jumps: np.ndarray
    multipliers: np.ndarray
    way: np.ndarray

    @property
    def spare(self) -> float:
        return float(1 - np.abs(self.multipliers).max())

    @property
    def pull(self) -> np.ndarray:
        """The gradient that the multipliers leave (k,): nothing, but against bounds."""
        return np.asarray(self.mean + self.multipliers @ self.jumps)

    @property
    def rising(self) -> bool:
        """Whether the objective rises at once, whichever way the kinks are left."""
        return self.spare > SURE

    @property
    def falling(self) -> bool:
        """Whether it falls on one of them."""
        return self.spare < -SURE

    def rise(self, ways: np.ndarray) -> np.ndarray:
        """By how much the objective rises on each of the ways (m, k), to first order; (m,)."""
        return np.asarray(ways @ self.mean + np.abs(ways @ self.jumps.T).sum(axis=1))


def slopes_at(
    kinked: Kinked, theta: np.ndarray, kinks: np.ndarray, inward: np.ndarray
) -> Slopes | None:
    """The slopes at a theta on kinks, given by their places.

    None where they cannot be told, or where a kink bends the objective downwards.

    inward
        The way off a bound that a coordinate stands on, +1 or -1, and 0 where there is none (k,).
        The ways off the kinks keep to the bounds.
    """
    normals, away = kinked.gaps(theta).slopes[kinks], _away(kinked, theta)[kinks]
    units = np.abs(normals).max(axis=0)
    units[units == 0] = 1.0
    normals, free = normals / units, inward == 0
    planes = _distinct(normals, free)
    ways = _ways(normals[planes] * free, away[planes])
    if ways is None:
        return None
    inside = AWAY * inward * np.maximum(np.abs(theta), 1.0)
    beside = theta + _along(inside * units, normals[planes], free) / units
    sides = np.array([_gradients(kinked, beside, *pair) for pair in ways / units]) / units
    half = 0.5 * (sides[:, 0] - sides[:, 1])
    heights = np.sum(half[1:] * normals[planes], axis=1) / np.sum(normals[planes] ** 2, axis=1)
    jumps = heights[:, None] * normals[planes]
    steepest = heights.max()
    explained = np.abs(half[1:] - jumps).max() <= UNTOLD * steepest
    if not (explained and 0 < steepest < STEEPEST) or heights.min() < -DEAD * steepest:
        return None
    jumps = jumps[heights > DEAD * steepest]
    mean = sides[0].mean(axis=0)
    multipliers, way = _balance(mean * free, jumps * free)
    return Slopes(mean * units, jumps * units, multipliers, way / units)


def _distinct(normals: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Places of kinks that can be left, the first of those whose slopes have one direction."""
    left = np.flatnonzero(np.abs(normals[:, free]).sum(axis=1) > 0)
    directions = normals[left] / np.linalg.norm(normals[left], axis=1, keepdims=True)
    main = np.argmax(np.abs(directions) > 0.5 / np.sqrt(normals.shape[1]), axis=1)
    directions *= np.sign(np.take_along_axis(directions, main[:, None], axis=1))
    found = np.unique(np.round(directions, 9) + 0.0, axis=0, return_index=True)[1]
    return left[np.sort(found)]


def _along(move: np.ndarray, normals: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The move (k,), and what the free coordinates add to it so that it keeps to the kinks."""
    return np.asarray(move - np.linalg.pinv(normals * free) @ (normals @ move))


def _away(kinked: Kinked, theta: np.ndarray) -> np.ndarray:
    """How far off each kink its sides are looked at, in its gap's unit, (m,)."""
    gaps = kinked.gaps(theta)
    typical = gaps.median(np.abs(gaps.values))
    typical = np.where(typical > 0, typical, 1.0)
    return np.maximum(AWAY * typical, BEYOND * kinked.noise(theta))


def _ways(normals: np.ndarray, away: np.ndarray) -> np.ndarray | None:
    """Pairs of moves (q + 1, 2, k): the first to opposite sides of all kinks, the others of one.

    None where none of a few that are drawn is such.
    """
    if not len(normals):
        return None
    pins = independent(normals)
    back = np.linalg.pinv(normals[pins])
    rng = np.random.default_rng(0)
    for farther in FARTHER:
        reach = rng.uniform(1, 2, len(pins)) * rng.choice([-1.0, 1.0], len(pins))
        far = farther * back @ (reach * away[pins])
        across = normals * (away / np.sum(normals**2, axis=1))[:, None]
        onto = far - (normals @ far / np.sum(normals**2, axis=1))[:, None] * normals
        ways = np.stack([np.vstack([far, onto + across]), np.vstack([-far, onto - across])], axis=1)
        sides = np.sign(ways @ normals.T)
        apart = sides[:, 0] != sides[:, 1]
        if apart[0].all() and (apart[1:] == np.eye(len(normals), dtype=bool)).all():
            return ways
    return None


def _gradients(kinked: Kinked, theta: np.ndarray, *moves: np.ndarray) -> list[np.ndarray]:
    return [kinked.value_and_gradient(theta + move)[1] for move in moves]


def _balance(mean: np.ndarray, jumps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest multipliers that make up for the mean, and the way that needs the largest."""
    size, count = np.linalg.norm(jumps, axis=1).max(), len(jumps)
    axes = np.linalg.svd(jumps)[2][: len(independent(jumps))]
    across, pull = axes @ jumps.T / size, -axes @ mean / size
    if count == len(axes):
        multipliers = np.linalg.solve(across, pull)
        worst = int(np.argmax(np.abs(multipliers)))
        off = np.copysign(1.0, multipliers[worst]) * np.eye(count)[worst]
        return multipliers, axes.T @ np.linalg.solve(across.T, off)
    eye, one = np.eye(count), np.ones((count, 1))
    found = linprog(
        np.append(np.zeros(count), 1.0),
        A_ub=np.block([[eye, -one], [-eye, -one]]), b_ub=np.zeros(2 * count),
        A_eq=np.hstack([across, np.zeros((len(axes), 1))]), b_eq=pull,
        bounds=(None, None),
    )  # fmt: skip
    way = axes.T @ found.eqlin.marginals
    way = way if way.any() else axes[0]  # of no mean, when all ways are alike
    return found.x[:-1], way if mean @ way < 0 else -way
