"""The engine: PyTensor's graph of a value handed to JAX, which differentiates and compiles it."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.graph.basic import Variable
from pytensor.link.jax.dispatch import jax_funcify

from workbench.problem.forward import ORDERS, with_forward
from workbench.problem.graph import Graph
from workbench.problem.lowerings import for_jax

NAME = "JAX"
# NotImplementedError: an operation without a translation, or a derivative without a rule.
# TypeError, IndexError: a shape or an index that depends on values, of which a trace knows none.
# ValueError: a loop without a reverse mode, and second derivatives whose shapes do not agree.
# All are raised while the declaration's own graph is traced; the other engine is tried then.
UNSUPPORTED = (IndexError, NotImplementedError, TypeError, ValueError)
# Rows whose second derivatives are taken at once: they stay in the processor's cache.
BLOCK = 2_000

Function = Callable[..., Any]

# A fit is many small calls, each waited for: handing them to another thread doubles their cost.
# Heard only by a process that has not computed with JAX before; results are the same.
jax.config.update("jax_cpu_enable_async_dispatch", False)


def put(arrays: Sequence[np.ndarray]) -> tuple[Any, ...]:
    """The arrays where the compiled functions read them, once for many calls."""
    return tuple(jax.device_put(list(arrays)))


class Engine:
    """Functions of (theta, prior, weights, *arrays), or of (theta, *arrays), by name."""

    def __init__(self, graph: Graph, independent: bool) -> None:
        self.graph, self.independent = graph, independent

    def make(self, name: str, example: tuple[Any, ...]) -> Function:
        """Traced now, so that what JAX cannot do is known here; compiled again for other shapes."""
        function, finish = self._ways[name]()
        jitted = jax.jit(function)
        jax.eval_shape(jitted, *example)
        if name not in ORDERS:
            return lambda *arguments: finish(jitted(*arguments))
        forward = jax.jit(ORDERS[name](self._objective))
        return with_forward(jitted, forward, finish, UNSUPPORTED)

    @property
    def _ways(self) -> dict[str, Callable[[], tuple[Function, Function]]]:
        """What to trace, and what to make of its output, by name."""
        return {
            "values": lambda: (self._values, np.asarray),
            "value_and_gradient": lambda: (jax.value_and_grad(self._objective), _pair),
            "derivatives": lambda: (self._derivatives, _triple),
            "pointwise": lambda: (self._rows, np.asarray),
            "scores": lambda: (jax.jacfwd(self._rows), np.asarray),
            "log_prior": lambda: (self._prior, float),
            "natural": lambda: (self._natural, np.asarray),
            "natural_jacobian": lambda: (jax.jacfwd(self._natural), np.asarray),
            "unconstrained": lambda: (self._unconstrained, np.asarray),
            "distribution": lambda: (self._distribution, _leaves),
            "distribution_jacobian": lambda: (jax.jacfwd(self._real_distribution), _leaves),
        }

    @cached_property
    def _rows(self) -> Function:
        return self._traced(self.graph.theta, self.graph.pointwise)

    @cached_property
    def _prior(self) -> Function:
        return self._traced(self.graph.theta, self.graph.log_prior)

    @cached_property
    def _natural(self) -> Function:
        return self._traced(self.graph.theta, self.graph.natural)

    @cached_property
    def _unconstrained(self) -> Function:
        return self._traced(self.graph.naturals, self.graph.unconstrained)

    @cached_property
    def _distribution(self) -> Function:
        leaves = self.graph.distribution.leaves if self.graph.distribution else ()
        return self._all_traced(self.graph.theta, leaves)

    def _real_distribution(self, *arguments: Any) -> list[Any]:
        """A number of trials is an integer, which JAX would not differentiate."""
        return [jnp.asarray(leaf, float) for leaf in self._distribution(*arguments)]

    def _traced(self, vector: Variable, output: Variable) -> Function:
        function = self._all_traced(vector, [output])
        return lambda *arguments: function(*arguments)[0]

    def _all_traced(self, vector: Variable, outputs: Sequence[Variable]) -> Function:
        inputs = [vector, *(row.variable for row in self.graph.inputs)]
        with jax.ensure_compile_time_eval():  # its constants outlive the trace that asks for it
            return jax_funcify(for_jax(inputs, outputs))

    def _objective(self, theta: Any, prior: Any, weights: Any, *arrays: Any) -> Any:
        """NLL less `prior` log priors; infinite outside the priors' support."""
        return self._nll(theta, weights, *arrays) + self._penalty(theta, prior, *arrays)

    def _nll(self, theta: Any, weights: Any, *arrays: Any) -> Any:
        return -jnp.where(weights > 0, weights * self._rows(theta, *arrays), 0.0).sum()

    def _penalty(self, theta: Any, prior: Any, *arrays: Any) -> Any:
        value = self._prior(theta, *arrays)
        outside = jnp.isneginf(value)
        return jnp.where(outside, jnp.inf, -prior * jnp.where(outside, 0.0, value))

    def _values(self, thetas: Any, *arguments: Any) -> Any:
        """The objective at each theta, one after the other."""
        return jax.lax.map(lambda theta: self._objective(theta, *arguments), thetas)

    def _derivatives(self, theta: Any, prior: Any, weights: Any, *arrays: Any) -> Any:
        """The objective, its gradient and its Hessian, the rows block by block."""
        by_row = [row.varies_by_row for row in self.graph.inputs]
        penalty = _to_second_order(lambda t: self._penalty(t, prior, *arrays), theta)
        count = weights.shape[0]
        if not self.independent or count <= BLOCK or not any(by_row):
            nll = _to_second_order(lambda t: self._nll(t, weights, *arrays), theta)
            return jax.tree.map(jnp.add, nll, penalty)
        blocks = -(-count // BLOCK)
        cut = [_in_blocks(a, blocks) for a, varies in zip(arrays, by_row, strict=True) if varies]

        def add(total: Any, block: tuple[Any, ...]) -> tuple[Any, None]:
            block_weights, *pieces = block
            piece = iter(pieces)
            each = zip(arrays, by_row, strict=True)
            here = [next(piece) if varies else array for array, varies in each]
            part = _to_second_order(lambda t: self._nll(t, block_weights, *here), theta)
            return jax.tree.map(jnp.add, total, part), None

        cut_weights = _in_blocks(weights, blocks).at[-1].multiply(_inside(count, blocks))
        return jax.lax.scan(add, penalty, (cut_weights, *cut))[0]


def _in_blocks(array: Any, blocks: int) -> Any:
    """The rows in blocks of equal length, the last filled up with copies of the last row."""
    length = -(-array.shape[0] // blocks)
    missing = blocks * length - array.shape[0]
    filled = jnp.concatenate([array, jnp.repeat(array[-1:], missing, axis=0)])
    return filled.reshape((blocks, length, *array.shape[1:]))


def _inside(count: int, blocks: int) -> np.ndarray:
    """One for each row of the last block that is no filling."""
    length = -(-count // blocks)
    return (np.arange((blocks - 1) * length, blocks * length) < count).astype(float)


def _to_second_order(function: Function, theta: Any) -> tuple[Any, Any, Any]:
    """(value, gradient, Hessian) of a scalar function in one pass."""

    def gradient(t: Any) -> tuple[Any, tuple[Any, Any]]:
        value, slope = jax.value_and_grad(function)(t)
        return slope, (value, slope)

    curvature, (value, slope) = jax.jacfwd(gradient, has_aux=True)(theta)
    return value, slope, curvature


def _leaves(out: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in out]


def _pair(out: Any) -> tuple[float, np.ndarray]:
    return float(np.asarray(out[0])), np.asarray(out[1])


def _triple(out: Any) -> tuple[float, np.ndarray, np.ndarray]:
    return float(np.asarray(out[0])), np.asarray(out[1]), np.asarray(out[2])
