"""Value, gradient and Hessian of the rows' negative log-likelihood in one pass, by JAX.

Directly a Hessian takes as many forward passes as there are parameters. Where rows read them
through linear predictors, it takes one for each predictor and each other parameter, and products
of the designs: sums over rows of x h x', h being a row's second derivatives by its predictors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Function = Callable[..., Any]
# Numbers by row, saved in each pass, from which on the pieces are worth putting together.
WORTH = 1_000
# What a row's term is differentiated by, at most: beyond, products by pairs of predictors
# would take more memory than they save.
WIDEST = 16
# Forward passes at once where they are many: each holds an array of the rows.
TOGETHER = 64


def directly(function: Function, theta: Any) -> tuple[Any, Any, Any]:
    """(value, gradient, Hessian) of a scalar function of theta."""

    def gradient(t: Any) -> tuple[Any, tuple[Any, Any]]:
        value, slope = jax.value_and_grad(function)(t)
        return slope, (value, slope)

    if len(theta) <= TOGETHER:
        curvature, (value, slope) = jax.jacfwd(gradient, has_aux=True)(theta)
        return value, slope, curvature
    _, along, (value, slope) = jax.linearize(gradient, theta, has_aux=True)
    curvature = jax.lax.map(along, jnp.eye(len(theta)), batch_size=TOGETHER)
    return value, slope, curvature


def packed(value: Any, *others: Any) -> Any:
    """A number and arrays as one vector: a call hands over its results at once."""
    return jnp.concatenate([value[None], *(jnp.ravel(other) for other in others)])


def unpacked(theta: np.ndarray, vector: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """(value, gradient, Hessian) by theta, of what `packed` made of them."""
    size = len(theta)
    return float(vector[0]), vector[1 : size + 1], vector[size + 1 :].reshape(size, size)


@dataclass(frozen=True)
class Structured:
    """The rows' terms by their linear predictors.

    `terms(theta, *products, *arrays)` are shape (n,), `designs(*arrays)` and
    `coefficients(theta)` lists of the predictors' factors; `places` are the coordinates of
    theta that each one's coefficients are, None for any other function of theta; `direct`
    those that the terms read otherwise; `count` is theta's length.
    """

    terms: Function
    designs: Function
    coefficients: Function
    places: tuple[np.ndarray | None, ...]
    direct: np.ndarray
    count: int

    @cached_property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Those of each predictor's coefficients."""
        return tuple(one.shape for one in jax.eval_shape(self.coefficients, np.zeros(self.count)))

    def pays(self, weights: Any, *arrays: Any) -> bool:
        """Whether it is less work than the direct way, and each row has predictors of its own.

        It has not where the rows of a group are one: each of these reads its members' products.
        """
        rows = len(weights)
        if any(design.shape[0] != rows for design in jax.eval_shape(self.designs, *arrays)):
            return False
        width = sum(columns for _, columns in self.shapes)
        fewer = self.count - width - len(self.direct)
        return fewer * rows >= WORTH and width <= WIDEST

    def reduced(self, theta: Any, weights: Any, *arrays: Any) -> tuple[Any, ...]:
        """Derivatives by z: the direct coordinates, and then each predictor's coefficients.

        The value, the gradient in these pieces, and the blocks of the Hessian by pairs of pieces
        on and above its diagonal, row by row of blocks.
        """
        designs, coefficients = self.designs(*arrays), self.coefficients(theta)
        products = [X @ B for X, B in zip(designs, coefficients, strict=True)]
        ends = np.cumsum([len(self.direct), *(columns for _, columns in self.shapes)])

        def slopes(v: Any) -> tuple[Any, tuple[Any, Any]]:
            """Slopes by the direct coordinates and by each row's products, all moved by v."""
            ahead, *pieces = jnp.split(v, ends[:-1])
            moved = [eta + piece for eta, piece in zip(products, pieces, strict=True)]

            def nll(direct: Any, predictors: Any) -> Any:
                terms = self.terms(theta.at[self.direct].set(direct), *predictors, *arrays)
                return -jnp.where(weights > 0, weights * terms, 0.0).sum()

            value, both = jax.value_and_grad(nll, (0, 1))(theta[self.direct] + ahead, moved)
            return both, (value, both)

        (corner, second), (value, (slope, by_row)) = jax.jacfwd(slopes, has_aux=True)(
            jnp.zeros(ends[-1])
        )
        # Else they would be computed again for each column of the designs.
        second, by_row = jax.lax.optimization_barrier((second, by_row))
        gradient, blocks = [slope], [corner[:, : ends[0]]]
        pieces = [_products(j, designs, by_row[j], second[j], ends) for j in range(len(designs))]
        gradient += [down for down, _, _ in pieces]
        blocks += [border for _, border, _ in pieces]
        return value, *gradient, *blocks, *(block for _, _, rest in pieces for block in rest)

    def by_theta(
        self, theta: np.ndarray, vector: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """(value, gradient, Hessian) by theta, of what `reduced` gives, packed."""
        slope, curvature = self._where
        gradient, hessian = vector[slope], vector[curvature]
        if self._order is not None:
            return float(vector[0]), gradient, hessian
        jacobian, bend = (np.asarray(part) for part in self._chain(theta, gradient))
        return float(vector[0]), gradient @ jacobian, jacobian.T @ hessian @ jacobian + bend

    @cached_property
    def _order(self) -> np.ndarray | None:
        """Where theta's coordinates stand in z, if z is but their permutation."""
        if any(places is None for places in self.places):
            return None
        z = np.concatenate([self.direct, *self.places])
        back = np.argsort(z)
        return back if np.array_equal(z[back], np.arange(self.count)) else None

    @cached_property
    def _where(self) -> tuple[np.ndarray, np.ndarray]:
        """Where gradient and Hessian stand in the packed vector, by theta if z is its order."""
        sizes = [len(self.direct), *(rows * columns for rows, columns in self.shapes)]
        ends = np.cumsum([0, *sizes])
        slope, curvature = 1 + np.arange(ends[-1]), np.empty((ends[-1], ends[-1]), dtype=np.intp)
        begin = 1 + ends[-1]
        for row, column in combinations_with_replacement(range(len(sizes)), 2):
            here, there = (slice(ends[one], ends[one + 1]) for one in (row, column))
            size = sizes[row] * sizes[column]
            block = np.arange(begin, begin + size).reshape(sizes[row], sizes[column])
            curvature[here, there], curvature[there, here] = block, block.T
            begin += size
        order = self._order
        return (slope, curvature) if order is None else (slope[order], curvature[order][:, order])

    @cached_property
    def _chain(self) -> Function:
        """dz / dtheta, and the second derivatives of gradient' z with the gradient held."""

        def z(theta: Any) -> Any:
            flat = [coefficients.ravel() for coefficients in self.coefficients(theta)]
            return jnp.concatenate([theta[self.direct], *flat])

        def chain(theta: Any, gradient: Any) -> tuple[Any, Any]:
            return jax.jacfwd(z)(theta), jax.hessian(lambda t: gradient @ z(t))(theta)

        return jax.jit(chain)


def _products(
    place: int, designs: Sequence[Any], slopes: Any, second: Any, ends: np.ndarray
) -> tuple[Any, Any, list[Any]]:
    """Sums over rows of one design times what stands by row, in a single product of matrices.

    slopes, second
        By the predictor's columns c: (n, c), and those by the direct coordinates and by each
        predictor's, which end at `ends`: (n, c, m).

    The gradient (a, c), the block with the direct coordinates (s, a, c), and the blocks
    (a, c, b, d) with each design from this one on.
    """
    others = range(place, len(designs))
    parts = [slopes, second[:, :, : ends[0]]]
    parts += [
        second[:, :, None, ends[other] : ends[other + 1]] * designs[other][:, None, :, None]
        for other in others
    ]
    flat = [part.reshape(len(slopes), int(np.prod(part.shape[1:]))) for part in parts]
    whole = designs[place].T @ jnp.concatenate(flat, axis=1)
    cuts = np.cumsum([part.shape[1] for part in flat])[:-1]
    gradient, border, *blocks = jnp.split(whole, cuts, axis=1)
    border = border.reshape(designs[place].shape[1], slopes.shape[1], ends[0])
    return gradient, jnp.moveaxis(border, -1, 0), blocks
