"""The objective at a point, with exact derivatives, and the units in which moves are told."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Protocol

import numpy as np
from scipy.linalg import blas, lapack

# Standard errors left to go at a minimum: a millionth is far below anything a table shows.
STEP_TOLERANCE = 1e-6
# What rounding of the gradient may leave of a step: on extreme counts its terms cancel.
MOST_ROUNDING = 1e-3  # standard errors
# Eigenvalues of a correlation-scaled information below this share of the largest are rounding.
ROUNDING = 1e-12
# Reciprocal condition numbers above this leave no eigenvalue near rounding.
SOUND = 1e-9


class Objective(Protocol):
    """A function to be minimised, with its exact derivatives.

    `name` is what is maximised, "likelihood" or "posterior". `longest` is what one step may move
    each coordinate at most: a logarithm by little, or the search ends where log densities are
    rounding; infinite where the data alone give the unit. `ends` says whether the natural
    parameters come to a limit far along a direction of theta, `alike` whether two points name the
    same distribution of every row.
    """

    @property
    def name(self) -> str: ...

    @property
    def longest(self) -> np.ndarray | float: ...

    def values(self, thetas: np.ndarray) -> np.ndarray: ...

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]: ...

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]: ...

    def hessian_product(self, theta: np.ndarray, direction: np.ndarray) -> np.ndarray: ...

    def ends(self, theta: np.ndarray, direction: np.ndarray) -> bool: ...

    def alike(self, theta: np.ndarray, other: np.ndarray) -> bool: ...


@dataclass(frozen=True)
class Point:
    """The objective at theta, in nats, with its gradient (k,) and its Hessian (k, k)."""

    theta: np.ndarray
    value: float
    gradient: np.ndarray
    information: np.ndarray

    @cached_property
    def finite(self) -> bool:
        """Whether a search can go on from here."""
        slopes = np.isfinite(self.gradient).all() and np.isfinite(self.information).all()
        return bool(slopes) and isfinite(self.value)

    def among(self, free: np.ndarray) -> "Point":
        """The point as a function of the coordinates alone where `free` (k,) is true."""
        block = self.information[np.ix_(free, free)]
        return Point(self.theta[free], self.value, self.gradient[free], block)

    @cached_property
    def scale(self) -> np.ndarray:
        """One standard error of each parameter, the others held; 1 where there is no curvature.

        A negative curvature has the same unit, and tells as much of the distance that matters; but
        where nothing depends on a parameter, rounding may leave one, and a unit without end.
        """
        curvature = self.information.diagonal()
        if not (curvature > 0).all():
            told = np.maximum(-curvature, np.abs(self.gradient)) > rounding(self)
            bent = np.where((curvature < 0) & told, -curvature, 1.0)
            curvature = np.where(curvature > 0, curvature, bent)
        return np.asarray(1.0 / np.sqrt(curvature))

    @cached_property
    def scaled(self) -> np.ndarray:
        """The information of parameters in units of `scale`: free of the columns' units."""
        return np.asarray(self.scale[:, None] * self.information * self.scale)

    @cached_property
    def slope(self) -> np.ndarray:
        """The gradient by parameters in units of `scale`."""
        return np.asarray(self.scale * self.gradient)

    @cached_property
    def spectrum(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues, ascending, and eigenvectors of `scaled`."""
        values, vectors = np.linalg.eigh(self.scaled)
        return values, vectors

    @cached_property
    def definite_step(self) -> np.ndarray | None:
        """The Newton step; None unless the information is well positive definite."""
        if not len(self.theta):
            return self.theta
        factor, failed = lapack.dpotrf(self.scaled)
        if failed or lapack.dpocon(factor, lapack.dlange("1", self.scaled))[0] < SOUND:
            return None
        return np.asarray(-self.scale * lapack.dpotrs(factor, self.slope)[0])

    @cached_property
    def newton_step(self) -> tuple[np.ndarray, float]:
        """The Newton step and its length in standard errors; infinite where there is none."""
        if self.finite and self.definite_step is not None:
            squared = max(float(-self.gradient @ self.definite_step), 0.0)
            return self.definite_step, float(np.sqrt(squared))
        nowhere = np.zeros_like(self.theta), np.inf
        if not self.finite:
            return nowhere
        values, vectors = self.spectrum
        largest = np.abs(values).max(initial=0.0)
        kept = values > ROUNDING * largest
        if (values < -ROUNDING * largest).any() or not kept.any():
            return nowhere
        along = np.where(kept, vectors.T @ self.slope, 0.0)
        divisor = np.where(kept, values, 1.0)
        step = -self.scale * (vectors @ (along / divisor))
        return step, float(np.sqrt(np.sum(along**2 / divisor)))


def rounding(here: Point) -> float:
    """What rounding leaves of a value, in nats."""
    return float(np.finfo(float).eps * 1e3 * max(abs(here.value), 1.0))


def length(vector: np.ndarray) -> float:
    """Euclidean, with no square on the way that could overflow."""
    return float(blas.dnrm2(vector))


def point(objective: Objective, theta: np.ndarray) -> Point:
    """The objective and its derivatives at theta."""
    return Point(theta, *objective.derivatives(theta))


def units_of(starts: Sequence[Point], rows: float) -> np.ndarray:
    """The standard error that one row would leave of each coordinate; 1 where none tells.

    At the start that knows most of the coordinate: at another its curvature may be lost. A
    negative curvature has the same unit.
    """
    diagonals = [np.abs(np.diag(start.information)) for start in starts if start.finite]
    highest = np.max(diagonals, axis=0) if diagonals else np.zeros(len(starts[0].theta))
    return np.where(highest > 0, np.sqrt(rows / np.where(highest > 0, highest, 1.0)), 1.0)


def jittered(here: Point, rows: float, rng: np.random.Generator) -> np.ndarray:
    """theta moved by about one standard error of a single row in each coordinate.

    Or by a Newton step of the coordinate alone, if that is farther: far from the optimum the
    curvature may be that of another world.
    """
    curvature = np.abs(here.information.diagonal())
    step = np.abs(here.gradient) / np.where(curvature > 0, curvature, np.inf)
    reach = np.maximum(units_of([here], rows), step)
    away: np.ndarray = 0.5 * np.minimum(reach, 1.0) * rng.standard_normal(len(here.theta))
    return np.asarray(here.theta + away)
