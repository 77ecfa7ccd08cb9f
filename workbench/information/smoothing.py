"""Numbers with a normal distribution around each: a kernel density estimate, or a mixture.

The empirical measure of continuous numbers has no density; its convolution with a normal kernel
has, at every bandwidth. A cross-entropy from it is the average of -log q over the numbers, each
moved by normal noise: by `rows` the weighted likelihood of a fit. Its entropy falls without limit
as the bandwidth shrinks, so the level of a KL from it speaks of the bandwidth, not of the model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from workbench.errors import DataError
from workbench.information.averages import Array

NODES = 60  # of the Gauss-Hermite rule around each number: exact for polynomials to degree 119
REACH = 9.0  # bandwidths beyond the outermost numbers: what is left out is below 1e-18
FINENESS = 8  # grid steps a bandwidth, with which its entropy is exact to the last digits
MOST_STEPS = 2_000_000
TOGETHER = 2_000_000  # pairs of a grid point and a number that are held at a time


@dataclass(frozen=True, eq=False)
class Smoothed:
    """The density (1/n) Σ N(x; x_i, h_i²): n numbers, each with its bandwidth."""

    centres: Array  # (n,)
    bandwidths: Array  # (n,)

    def logpdf(self, x: npt.ArrayLike) -> Array:
        """log density at x, of any shape."""
        points = np.asarray(x, float)
        pieces = max(1, points.size * self.centres.size // TOGETHER)
        told = [self._log_density(piece) for piece in np.array_split(points.ravel(), pieces)]
        return np.concatenate(told).reshape(points.shape)

    def rows(self, nodes: int = NODES) -> tuple[Array, Array]:
        """Values and weights, each (n · nodes,), that stand for the density; Σ weights = n.

        Gauss-Hermite around each number: the weighted mean of a polynomial of degree below
        2 · nodes is its expectation. As rows with frequency weights they make a fit the minimiser
        of KL from this density.
        """
        places, weights = np.polynomial.hermite_e.hermegauss(nodes)
        values = self.centres[:, None] + self.bandwidths[:, None] * places
        return values.ravel(), np.tile(weights / weights.sum(), self.centres.size)

    def expectation(
        self, function: Callable[[Array], Array], *, bend: float | None = None
    ) -> float:
        """∫ p(x) f(x) dx of a smooth function, by the trapezoidal rule.

        `bend` is the standard deviation of the narrowest normal in f where that is narrower than
        the narrowest kernel. The rule's error falls exponentially with the number of steps in it
        for smooth functions on the whole line (Trefethen and Weideman 2014).
        """
        narrowest = float(self.bandwidths.min())
        x, log_p, step = self._grid(narrowest if bend is None else min(bend, narrowest))
        return float(step * np.exp(log_p) @ function(x))

    @cached_property
    def entropy(self) -> float:
        """-∫ p log p, in nats: for bandwidths h far below the gaps, log n + log(2πe h²) / 2."""
        _, log_p, step = self._grid(float(self.bandwidths.min()))
        return float(-step * np.exp(log_p) @ log_p)

    def _log_density(self, x: Array) -> Array:
        z = (x[:, None] - self.centres) / self.bandwidths
        terms = -0.5 * z**2 - np.log(self.bandwidths)
        most = terms.max(axis=1)
        sums = np.exp(terms - most[:, None]).sum(axis=1)
        return np.asarray(most + np.log(sums / self.centres.size) - 0.5 * np.log(2 * np.pi))

    def _grid(self, bend: float) -> tuple[Array, Array, float]:
        """Points, the log density at each, and how far apart they are."""
        reach = REACH * self.bandwidths
        low, high = (self.centres - reach).min(), (self.centres + reach).max()
        steps = FINENESS * (high - low) / bend
        if not steps < MOST_STEPS:
            raise DataError(
                f"a bandwidth of {bend:.3g} is too small beside numbers that spread over "
                f"{high - low:.3g}: the density would take {steps:,.0f} points"
            )
        x, step = np.linspace(low, high, int(steps) + 2, retstep=True)
        return x, self.logpdf(x), float(step)


def smoothed(x: npt.ArrayLike, bandwidth: npt.ArrayLike) -> Smoothed:
    """The kernel density estimate of numbers x (n,), by a normal kernel of standard deviation h.

    A bandwidth for each number, (n,), makes it a mixture of n normals of equal weight. Raises
    DataError for numbers that are not finite, and for a bandwidth that is not above 0.
    """
    centres, bandwidths = np.asarray(x, float), np.asarray(bandwidth, float)
    if centres.ndim != 1 or not centres.size or not np.isfinite(centres).all():
        raise DataError("what is smoothed must be one finite number a row")
    if bandwidths.shape not in ((), centres.shape):
        raise DataError(
            f"{bandwidths.size} bandwidths for {centres.size} numbers: one for all, or one each"
        )
    if not (np.isfinite(bandwidths) & (bandwidths > 0)).all():
        raise DataError("a bandwidth must be above 0: without one the numbers have no density")
    return Smoothed(centres, np.broadcast_to(bandwidths, centres.shape))
