"""An objective with kinks, where it bends at once, and the same along them, where it is smooth."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import qr

from workbench.optimum.box import Box
from workbench.optimum.held import Held
from workbench.optimum.points import Objective

NEWTON_STEPS = 20  # to the kinks; where their gaps are linear one does
DEPENDENT = 1e-9  # of a slope's length, left beside others: rounding
NUDGE = 1e-9  # of theta, by which gaps are evaluated again for what rounding leaves of them
STANDING = 10.0  # times what rounding leaves of a gap: so near a kink a point stands on it
LEVEL = 1e-9  # of a value: what it may rise by on a level way
FEW = 0.5  # of the rows' kinks of one kind, at most: the others' lie elsewhere
BESIDE = 1e-5  # of a coordinate's unit, for differences of the gaps' exact slopes


@dataclass(frozen=True)
class Gaps:
    """What is zero on each kink and changes sign across it (m,).

    With its slopes by theta (m, k), its kind, a place among the widths (m,), and whether each row
    has its own of that kind (m,).
    """

    values: np.ndarray
    slopes: np.ndarray
    kinds: np.ndarray
    by_row: np.ndarray

    @property
    def moving(self) -> np.ndarray:
        """Those that theta moves (m,): of what is held, a kink may lie under every theta."""
        return np.asarray(self.slopes.any(axis=1))

    def median(self, sizes: np.ndarray) -> np.ndarray:
        """The median of what stands by gap, over those of each one's kind, (m,)."""
        kinds, place = np.unique(self.kinds, return_inverse=True)
        return np.array([np.median(sizes[self.kinds == kind]) for kind in kinds])[place]


@dataclass(frozen=True)
class Kinked:
    """An objective with kinks: as it is, and rounded at the kinks over widths, one for each kind.

    `gaps` tells of a theta how it lies to each kink.
    """

    objective: Objective
    rounded: Callable[[np.ndarray], Objective]
    gaps: Callable[[np.ndarray], Gaps]

    @property
    def name(self) -> str:
        return self.objective.name

    @property
    def longest(self) -> np.ndarray | float:
        return self.objective.longest

    def values(self, thetas: np.ndarray) -> np.ndarray:
        return self.objective.values(thetas)

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self.objective.value_and_gradient(theta)

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return self.objective.derivatives(theta)

    def hessian_product(self, theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return self.objective.hessian_product(theta, direction)

    def ends(self, theta: np.ndarray, direction: np.ndarray) -> bool:
        return self.objective.ends(theta, direction)

    def alike(self, theta: np.ndarray, other: np.ndarray) -> bool:
        return self.objective.alike(theta, other)

    def noise(self, theta: np.ndarray) -> np.ndarray:
        """What rounding leaves of each gap (m,), by evaluating them again nearby.

        What one shows of it by chance may be nothing, so it is at least what is usual of its kind.
        """
        here = self.gaps(theta)
        noise = 4 * np.finfo(float).eps * (np.abs(here.slopes) @ np.abs(theta))
        for nudge in (NUDGE * theta, -NUDGE * theta):
            beside = self.gaps(theta + nudge)
            noise = np.maximum(noise, np.abs(beside.values - here.values - here.slopes @ nudge))
        return np.asarray(np.maximum(noise, here.median(noise)))

    def standing(self, theta: np.ndarray) -> np.ndarray:
        """The places of the kinks on which theta stands, and which it can leave."""
        gaps = self.gaps(theta)
        on = np.abs(gaps.values) <= STANDING * self.noise(theta)
        return np.flatnonzero(on & gaps.moving)

    def scattered(self, theta: np.ndarray) -> bool:
        """Whether theta stands on kinks of a few rows alone, and those of the others lie elsewhere.

        Then one row more or less moves them, and their sum over many is as good as smooth.
        """
        gaps, on = self.gaps(theta), self.standing(theta)
        shares = np.bincount(gaps.kinds[on], minlength=gaps.kinds.max() + 1)
        few = shares <= FEW * np.bincount(gaps.kinds)
        return bool((gaps.by_row & few[gaps.kinds])[on].all())

    def ahead(self, theta: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, int] | None:
        """Where a way comes to the first kink ahead, and its place.

        None where there is none, or the objective is higher there.
        """
        gaps, rates = self.gaps(theta), self.gaps(theta).slopes @ way
        off = np.abs(gaps.values) > STANDING * self.noise(theta)
        coming = off & (gaps.values * rates < 0)
        if not coming.any():
            return None
        reach = np.where(coming, -gaps.values / np.where(coming, rates, 1.0), np.inf)
        there = theta + reach.min() * way
        here, end = self.values(np.array([theta, there]))
        higher = end > here + LEVEL * max(abs(here), 1.0)
        return None if higher else (there, int(np.argmin(reach)))

    def inward(self, theta: np.ndarray) -> np.ndarray:
        """The way off the bound that each coordinate stands on, +1 or -1; 0 where there is none."""
        if not isinstance(self.objective, Box):
            return np.zeros(len(theta))
        below, above = theta <= self.objective.lower, theta >= self.objective.upper
        return np.asarray(below.astype(float) - above)

    def over(self, theta: np.ndarray, free: np.ndarray) -> "Kinked":
        """The same by the free coordinates alone, the others held at theta."""
        held = Held(self.objective, theta, free)

        def gaps(parts: np.ndarray) -> Gaps:
            found = self.gaps(held.whole(parts))
            return replace(found, slopes=found.slopes[:, free])

        return Kinked(held, lambda widths: replace(held, objective=self.rounded(widths)), gaps)

    def pinned(self, theta: np.ndarray, kinks: np.ndarray) -> "Pinned":
        """The objective along those kinks, given by their places, the first ones first.

        As many coordinates follow as there are kinks that those before do not imply.
        """
        slopes = self.gaps(theta).slopes[kinks]
        units = np.abs(slopes).max(axis=0, initial=0.0)
        scaled = slopes / np.where(units > 0, units, 1.0)
        pins = independent(scaled)
        free = np.ones(len(theta), dtype=bool)
        if len(pins):
            free[qr(scaled[pins], mode="r", pivoting=True)[1][: len(pins)]] = False
        return Pinned(self, theta, kinks[pins], free)


def independent(slopes: np.ndarray) -> np.ndarray:
    """Places of slopes (m, k), in their order, that those before them do not make up."""
    left, lengths = slopes.copy(), np.linalg.norm(slopes, axis=1)
    found: list[int] = []
    for _ in range(slopes.shape[1]):
        new = np.flatnonzero(np.linalg.norm(left, axis=1) > DEPENDENT * lengths)
        if not len(new):
            break
        axis = left[new[0]] / np.linalg.norm(left[new[0]])
        left -= np.outer(left @ axis, axis)
        left[: new[0] + 1] = 0.0
        found.append(int(new[0]))
    return np.array(found, dtype=int)


@dataclass(frozen=True)
class Pinned:
    """The objective along kinks, as a function of the free coordinates alone.

    The others follow, so that the gaps at `pins` stay zero; `theta` (k,) is where they start from.
    """

    kinked: Kinked
    theta: np.ndarray
    pins: np.ndarray
    free: np.ndarray

    @property
    def name(self) -> str:
        return self.kinked.name

    @property
    def longest(self) -> np.ndarray:
        return np.asarray(np.broadcast_to(self.kinked.longest, self.theta.shape)[self.free])

    def whole(self, parts: np.ndarray) -> np.ndarray:
        """theta (k,), on the kinks, of the free coordinates."""
        return self._set(parts)[0]

    def moves(self, theta: np.ndarray) -> np.ndarray:
        """d theta / d free coordinates (k, m), at a theta on the kinks."""
        return self._moves(self.kinked.gaps(theta).slopes[self.pins])

    def values(self, thetas: np.ndarray) -> np.ndarray:
        wholes = np.array([self.whole(parts) for parts in thetas])
        return self.kinked.values(wholes.reshape(len(thetas), -1))

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        whole, slopes = self._set(theta)
        value, gradient = self.kinked.value_and_gradient(whole)
        return value, gradient @ self._moves(slopes)

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        whole, slopes = self._set(theta)
        value, gradient, hessian = self.kinked.derivatives(whole)
        moves = self._moves(slopes)
        along = moves.T @ hessian @ moves + self._bend(whole, slopes, moves, gradient)
        return value, gradient @ moves, along

    def hessian_product(self, theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return np.asarray(self.derivatives(theta)[2] @ direction)

    def ends(self, theta: np.ndarray, direction: np.ndarray) -> bool:
        whole, slopes = self._set(theta)
        return self.kinked.ends(whole, self._moves(slopes) @ direction)

    def alike(self, theta: np.ndarray, other: np.ndarray) -> bool:
        return self.kinked.alike(self.whole(theta), self.whole(other))

    def _set(self, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """theta on the kinks, by Newton's steps of what follows, and the slopes of their gaps."""
        ahead, left = self.theta.copy(), np.inf
        ahead[self.free] = parts
        for _ in range(NEWTON_STEPS):
            gaps = self.kinked.gaps(ahead)
            off = np.abs(gaps.values[self.pins]).sum()
            if not off < 0.5 * left and left < np.inf:
                break
            theta, slopes, left = ahead, gaps.slopes[self.pins], off
            if off <= np.finfo(float).eps * (np.abs(slopes) @ np.abs(theta)).sum():
                break
            ahead = theta.copy()
            ahead[~self.free] -= np.linalg.solve(slopes[:, ~self.free], gaps.values[self.pins])
        return theta, slopes

    def _moves(self, slopes: np.ndarray) -> np.ndarray:
        moves = np.eye(len(self.theta))[:, self.free]
        moves[~self.free] = -np.linalg.solve(slopes[:, ~self.free], slopes[:, self.free])
        return moves

    def _bend(
        self, whole: np.ndarray, slopes: np.ndarray, moves: np.ndarray, gradient: np.ndarray
    ) -> np.ndarray:
        """What the kinks' own curvature adds to the objective's along them.

        By central differences of their gaps' slopes, times what holds theta on each.
        """
        reach = BESIDE * np.where(whole == 0, 1.0, np.abs(whole))[self.free]
        beside = self.kinked.gaps(whole + moves @ reach).slopes[self.pins]
        if np.array_equal(beside, slopes):  # of linear gaps, as most are
            return np.zeros((moves.shape[1], moves.shape[1]))
        holds = -np.linalg.solve(slopes[:, ~self.free].T, gradient[~self.free])

        def pull(move: np.ndarray) -> np.ndarray:
            return np.asarray(holds @ self.kinked.gaps(whole + move).slopes[self.pins])

        pulls = [pull(step) - pull(-step) for step in (reach * moves).T]
        bend = np.array(pulls) @ moves / (2 * reach[:, None])
        return np.asarray(0.5 * (bend + bend.T))
