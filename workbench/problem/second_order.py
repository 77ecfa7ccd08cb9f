"""Value, gradient and Hessian of the rows' negative log-likelihood in one pass, by JAX.

Directly a Hessian takes as many forward passes as there are parameters. Where rows read them
through linear predictors, it takes one for each predictor and each other parameter, and products
of the designs: sums over rows of x h x', h being a row's second derivatives by its predictors.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Function = Callable[..., Any]
# Rows whose second derivatives are taken at once: they stay in the processor's cache.
BLOCK = 2_000
# Numbers by row, saved in each pass, from which on the pieces are worth putting together.
WORTH = 10_000
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


def in_blocks(
    function: Function, by_row: Sequence[bool], weights: Any, arrays: Sequence[Any]
) -> Any:
    """A sum over rows, as a function of weights and arrays, added up over blocks of the rows."""
    count = weights.shape[0]
    if count <= BLOCK:
        return function(weights, *arrays)
    blocks = -(-count // BLOCK)
    cut = [_cut(a, blocks) for a, varies in zip(arrays, by_row, strict=True) if varies]

    def part(block: tuple[Any, ...]) -> Any:
        block_weights, *pieces = block
        piece = iter(pieces)
        each = zip(arrays, by_row, strict=True)
        return function(block_weights, *(next(piece) if varies else a for a, varies in each))

    def add(total: Any, block: tuple[Any, ...]) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, total, part(block)), None

    every = (_cut(weights, blocks).at[-1].multiply(_inside(count, blocks)), *cut)
    shapes = jax.eval_shape(part, jax.tree.map(lambda array: array[0], every))
    zero = jax.tree.map(lambda shape: jnp.zeros(shape.shape, shape.dtype), shapes)
    return jax.lax.scan(add, zero, every)[0]


def _cut(array: Any, blocks: int) -> Any:
    """The rows in blocks of equal length, the last filled up with copies of the last row."""
    length = -(-array.shape[0] // blocks)
    missing = blocks * length - array.shape[0]
    filled = jnp.concatenate([array, jnp.repeat(array[-1:], missing, axis=0)])
    return filled.reshape((blocks, length, *array.shape[1:]))


def _inside(count: int, blocks: int) -> np.ndarray:
    """One for each row of the last block that is no filling."""
    length = -(-count // blocks)
    return (np.arange((blocks - 1) * length, blocks * length) < count).astype(float)


@dataclass(frozen=True)
class Structured:
    """The rows' terms by their linear predictors.

    `terms(theta, *products, *arrays)` are shape (n,), `designs(*arrays)` and
    `coefficients(theta)` lists of the predictors' factors; `places` are the coordinates of
    theta that each one's coefficients are, None for any other function of theta; `direct`
    those that the terms read otherwise.
    """

    terms: Function
    designs: Function
    coefficients: Function
    places: tuple[np.ndarray | None, ...]
    direct: np.ndarray

    def pays(self, theta: np.ndarray, rows: int) -> bool:
        """Whether it is less work than the direct way."""
        width = sum(one.shape[1] for one in jax.eval_shape(self.coefficients, theta))
        fewer = len(theta) - width - len(self.direct)
        return fewer * rows >= WORTH and width <= WIDEST

    def reduced(self, theta: Any, weights: Any, *arrays: Any) -> tuple[Any, Any, Any]:
        """Derivatives by z: the direct coordinates, and then each predictor's coefficients.

        The value, the gradient in these pieces, and the Hessian in blocks by pairs of pieces, of
        which those on and above the diagonal are given.
        """
        designs, coefficients = self.designs(*arrays), self.coefficients(theta)
        products = [X @ B for X, B in zip(designs, coefficients, strict=True)]
        ends = np.cumsum([len(self.direct), *(B.shape[1] for B in coefficients)])

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
        gradient = [slope, *((X.T @ g).ravel() for X, g in zip(designs, by_row, strict=True))]
        blocks = {(0, 0): corner[:, : ends[0]]}
        for j, (X, h) in enumerate(zip(designs, second, strict=True)):
            border = jnp.einsum("np,nms->spm", X, h[:, :, : ends[0]])
            blocks[0, j + 1] = border.reshape(ends[0], X.shape[1] * h.shape[1])
            for other in range(j, len(designs)):
                h_here = h[:, :, ends[other] : ends[other + 1]]
                blocks[j + 1, other + 1] = _product(X, h_here, designs[other])
        return value, gradient, blocks

    @cached_property
    def order(self) -> np.ndarray | None:
        """Where theta's coordinates stand in z, if z is but their permutation."""
        if any(places is None for places in self.places):
            return None
        z = np.concatenate([self.direct, *self.places])
        back = np.argsort(z)
        return back if np.array_equal(z[back], np.arange(len(z))) else None

    def by_theta(
        self, theta: np.ndarray, value: Any, pieces: Sequence[Any], blocks: Mapping[Any, Any]
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """(value, gradient, Hessian) by theta, of what `reduced` gives."""
        gradient, hessian = np.concatenate(pieces), _whole(blocks, [len(one) for one in pieces])
        if self.order is not None and len(self.order) == len(theta):
            return float(value), gradient[self.order], hessian[np.ix_(self.order, self.order)]
        jacobian, bend = (np.asarray(part) for part in self._chain(theta, gradient))
        return float(value), gradient @ jacobian, jacobian.T @ hessian @ jacobian + bend

    @cached_property
    def _chain(self) -> Function:
        """dz / dtheta, and the second derivatives of gradient' z with the gradient held."""

        def z(theta: Any) -> Any:
            flat = [coefficients.ravel() for coefficients in self.coefficients(theta)]
            return jnp.concatenate([theta[self.direct], *flat])

        def chain(theta: Any, gradient: Any) -> tuple[Any, Any]:
            return jax.jacfwd(z)(theta), jax.hessian(lambda t: gradient @ z(t))(theta)

        return jax.jit(chain)


def _product(X: Any, h: Any, Z: Any) -> Any:
    """sum over rows of X_a h_cd Z_b, by (a, c) and (b, d)."""
    if h.shape[1:] == (1, 1):
        return (X * h[:, 0]).T @ Z
    product = jnp.einsum("na,ncd,nb->acbd", X, h, Z, optimize=True)
    return product.reshape(X.shape[1] * h.shape[1], Z.shape[1] * h.shape[2])


def _whole(blocks: Mapping[tuple[int, int], Any], sizes: Sequence[int]) -> np.ndarray:
    """A symmetric matrix of its blocks on and above the diagonal."""
    ends = np.cumsum([0, *sizes])
    matrix = np.empty((ends[-1], ends[-1]))
    for (row, column), block in blocks.items():
        here, there = (slice(ends[one], ends[one + 1]) for one in (row, column))
        matrix[here, there] = block
        if row != column:
            matrix[there, here] = matrix[here, there].T
    return matrix
