"""The engine: PyTensor's graph of a value handed to JAX, which differentiates and compiles it."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.graph import FunctionGraph
from pytensor.graph.basic import Variable
from pytensor.link.jax.dispatch import jax_funcify

from workbench.problem.blocks import added
from workbench.problem.deterministics import ENGINE_NAME
from workbench.problem.forward import first_order, second_order, with_forward
from workbench.problem.graph import Graph
from workbench.problem.lowerings import for_jax
from workbench.problem.predictors import split
from workbench.problem.second_order import TOGETHER, Structured, directly, packed, unpacked

NAME = "JAX"
# NotImplementedError: an operation without a translation, or a derivative without a rule.
# TypeError, IndexError: a shape or an index that depends on values, of which a trace knows none.
# ValueError: a loop without a reverse mode, and second derivatives whose shapes do not agree.
# All are raised while the declaration's own graph is traced; the other engine is tried then.
UNSUPPORTED = (IndexError, NotImplementedError, TypeError, ValueError)

BATCH = 8  # long thetas at once: a product of matrices for as many of matrix and vector

Function = Callable[..., Any]

# A fit is many small calls, each waited for: handing them to another thread doubles their cost.
# Heard only by a process that has not computed with JAX before; results are the same.
jax.config.update("jax_cpu_enable_async_dispatch", False)


def put(arrays: Sequence[np.ndarray]) -> tuple[Any, ...]:
    """The arrays where the compiled functions read them, once for many calls."""
    return tuple(jax.device_put(list(arrays)))


class Engine:
    """Functions by name: of theta and blocks of rows, added up, or of theta and the arrays."""

    def __init__(self, graph: Graph, independent: bool) -> None:
        self.graph, self.independent = graph, independent

    def make(self, name: str, example: tuple[Any, ...]) -> Function:
        """Traced now, so that what JAX cannot do is known here; compiled again for other shapes."""
        if name in self._sums:
            return self._sums[name](example)
        if name.startswith(ENGINE_NAME):
            function, finish = self._deterministic(name.removeprefix(ENGINE_NAME))
        else:
            function, finish = self._ways[name]()
        jitted = jax.jit(function)
        jax.eval_shape(jitted, *example)
        return lambda *arguments: finish(jitted(*arguments))

    @property
    def _sums(self) -> dict[str, Callable[[tuple[Any, ...]], Function]]:
        """Functions of theta (or several), what else they take, and blocks of rows."""
        return {
            "values": partial(_over_blocks, self._values),
            "hessian_product": partial(_over_blocks, partial(_curved, self._nll)),
            "value_and_gradient": self._value_and_gradient,
            "derivatives": self._derivatives,
        }

    @property
    def _ways(self) -> dict[str, Callable[[], tuple[Function, Function]]]:
        """What to trace of theta and the arrays, and what to make of its output, by name."""
        return {
            "prior_values": lambda: (self._prior_values, np.asarray),
            "prior_value_and_gradient": lambda: (jax.value_and_grad(self._penalty), _numbers),
            "prior_derivatives": lambda: (self._prior_derivatives, _numbers),
            "prior_hessian_product": lambda: (partial(_curved, self._penalty), np.asarray),
            "pointwise": lambda: (self._rows, np.asarray),
            "scores": lambda: (jax.jacfwd(self._rows), np.asarray),
            "row_hessians": lambda: (jax.jacfwd(jax.jacfwd(self._rows)), np.asarray),
            "pointwise_apart": lambda: (self._rows_apart, np.asarray),
            "log_prior": lambda: (self._prior, float),
            "log_jacobians": lambda: (self._log_jacobians, np.asarray),
            "log_jacobian_derivatives": lambda: (self._log_jacobian_derivatives, _numbers),
            "natural": lambda: (self._natural, np.asarray),
            "natural_jacobian": lambda: (jax.jacfwd(self._natural), np.asarray),
            "unconstrained": lambda: (self._unconstrained, np.asarray),
            "distribution": lambda: (self._distribution, _leaves),
            "distribution_jacobian": lambda: (jax.jacfwd(self._real_distribution), _leaves),
            "gaps": lambda: self._with_slopes(self.graph.gaps),
        }

    @cached_property
    def _rows(self) -> Function:
        function = _translated(self._rows_graph)
        return lambda *arguments: function(*arguments)[0]

    def _rows_apart(self, thetas: Any, *arrays: Any) -> Any:
        """Each row's term at a theta of its own (n, k)."""
        axes = tuple(0 if row.varies_by_row else None for row in self.graph.inputs)

        def one(theta: Any, *row: Any) -> Any:
            alone = [part if axis is None else part[None]
                     for part, axis in zip(row, axes, strict=True)]  # fmt: skip
            return self._rows(theta, *alone)[0]

        return jax.vmap(one, in_axes=(0, *axes))(thetas, *arrays)

    @cached_property
    def _prior(self) -> Function:
        return self._traced(self.graph.theta, self.graph.log_prior)

    @cached_property
    def _log_jacobian(self) -> Function:
        return self._traced(self.graph.theta, self.graph.log_jacobian)

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

    def _deterministic(self, name: str) -> tuple[Function, Function]:
        symbolic = self.graph.deterministics[name]
        return self._with_slopes([symbolic.variable], [row.variable for row in symbolic.further])

    def _with_slopes(
        self, outputs: Sequence[Variable], further: Sequence[Variable] = ()
    ) -> tuple[Function, Function]:
        """The outputs, and then the slopes of each, theta along a new last axis."""
        function = self._all_traced(self.graph.theta, outputs, further)

        def twice(*arguments: Any) -> tuple[Any, Any]:
            values = function(*arguments)
            return values, values

        def apart(out: tuple[Any, Any]) -> list[np.ndarray]:
            slopes, values = out
            return [*_leaves(values), *_leaves(slopes)]

        return jax.jacfwd(twice, has_aux=True), apart

    def _traced(self, vector: Variable, output: Variable) -> Function:
        function = self._all_traced(vector, [output])
        return lambda *arguments: function(*arguments)[0]

    def _all_traced(
        self, vector: Variable, outputs: Sequence[Variable], further: Sequence[Variable] = ()
    ) -> Function:
        return _translated(for_jax([*self._inputs(vector), *further], outputs))

    def _inputs(self, vector: Variable) -> list[Variable]:
        return [vector, *(row.variable for row in self.graph.inputs)]

    def _nll(self, theta: Any, weights: Any, *arrays: Any) -> Any:
        """Of these rows; infinite outside the priors' support."""
        terms = jnp.where(weights > 0, weights * self._rows(theta, *arrays), 0.0)
        return jnp.where(self._outside(theta, *arrays), jnp.inf, -terms.sum())

    def _penalty(self, theta: Any, *arrays: Any) -> Any:
        """Minus the log prior, infinite outside its support."""
        outside = self._outside(theta, *arrays)
        return jnp.where(outside, jnp.inf, -jnp.where(outside, 0.0, self._prior(theta, *arrays)))

    def _outside(self, theta: Any, *arrays: Any) -> Any:
        return jnp.isneginf(self._prior(theta, *arrays))

    def _values(self, thetas: Any, *others: Any) -> Any:
        """At each theta: one after the other, or some at once where they are long."""
        together = BATCH if thetas.shape[1] > TOGETHER else None
        return jax.lax.map(lambda t: self._nll(t, *others), thetas, batch_size=together)

    def _prior_values(self, thetas: Any, *arrays: Any) -> Any:
        return jax.lax.map(lambda theta: self._penalty(theta, *arrays), thetas)

    def _prior_derivatives(self, theta: Any, *arrays: Any) -> Any:
        return directly(lambda t: self._penalty(t, *arrays), theta)

    def _log_jacobians(self, thetas: Any, *arrays: Any) -> Any:
        return jax.lax.map(lambda theta: self._log_jacobian(theta, *arrays), thetas)

    def _log_jacobian_derivatives(self, theta: Any, *arrays: Any) -> Any:
        return directly(lambda t: self._log_jacobian(t, *arrays), theta)

    def _value_and_gradient(self, example: tuple[Any, ...]) -> Function:
        reverse = _over_blocks(_packing(jax.value_and_grad(self._nll)), example)
        forward = _over_blocks(_packing(first_order(self._nll)))
        return with_forward((reverse, _pair), (forward, _pair), UNSUPPORTED)

    def _derivatives(self, example: tuple[Any, ...]) -> Function:
        """Value, gradient and Hessian, by the linear predictors where that is less work."""
        form, block = self._by_predictors, example[-1][0]

        def direct(theta: Any, *others: Any) -> Any:
            return directly(lambda t: self._nll(t, *others), theta)

        def reduced(form: Structured, theta: Any, weights: Any, *arrays: Any) -> Any:
            value, *others = form.reduced(theta, weights, *arrays)
            return jnp.where(self._outside(theta, *arrays), jnp.inf, value), *others

        if form is not None and form.pays(*block):
            reverse = _over_blocks(_packing(partial(reduced, form)), example), form.by_theta
        else:
            reverse = _over_blocks(_packing(direct), example), unpacked
        forward = _over_blocks(_packing(second_order(self._nll))), unpacked
        return with_forward(reverse, forward, UNSUPPORTED)

    @cached_property
    def _rows_graph(self) -> FunctionGraph:
        return for_jax(self._inputs(self.graph.theta), [self.graph.pointwise])

    @cached_property
    def _by_predictors(self) -> Structured | None:
        """The rows' terms by their linear predictors, where rows are apart and have some."""
        graph, by_row = self._rows_graph, [row.varies_by_row for row in self.graph.inputs]
        theta, *arrays = graph.inputs
        parts = split(graph, [a for a, varies in zip(arrays, by_row, strict=True) if varies])
        if parts is None or not self.independent:
            return None
        products = [one.product for one in parts.predictors]
        terms = _funcified([theta, *products, *arrays], [parts.terms])
        return Structured(
            terms=lambda *arguments: terms(*arguments)[0],
            designs=_funcified(arrays, [one.design for one in parts.predictors]),
            coefficients=_funcified([theta], [one.coefficients for one in parts.predictors]),
            places=tuple(one.places for one in parts.predictors),
            direct=parts.direct,
            count=theta.type.shape[0],
        )


def _funcified(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Function:
    """A graph that stands rewritten, as a function for JAX."""
    return _translated(FunctionGraph(inputs=list(inputs), outputs=list(outputs), clone=True))


def _translated(graph: FunctionGraph) -> Function:
    with jax.ensure_compile_time_eval():  # its constants outlive the trace that asks for it
        return jax_funcify(graph)


def _over_blocks(function: Function, example: tuple[Any, ...] | None = None) -> Function:
    """A function of weights and arrays, its results vectors, added up over blocks of rows.

    It is traced where an example is given.
    """
    jitted = jax.jit(function)
    if example is not None:
        jax.eval_shape(jitted, *example[:-1], *example[-1][0])

    def call(*arguments: Any) -> np.ndarray:
        *at, blocks = arguments
        return added(lambda block: np.asarray(jitted(*at, *block)), blocks)

    return call


def _packing(function: Function) -> Function:
    return lambda *arguments: packed(*function(*arguments))


def _curved(function: Function, theta: Any, direction: Any, *others: Any) -> Any:
    """The Hessian of a scalar function of theta times a direction."""
    return jax.jvp(lambda t: jax.grad(function)(t, *others), (theta,), (direction,))[1]


def _pair(theta: np.ndarray, vector: np.ndarray) -> tuple[float, np.ndarray]:
    return float(vector[0]), vector[1:]


def _leaves(out: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in out]


def _numbers(out: Any) -> tuple[Any, ...]:
    """A value, and arrays."""
    value, *others = out
    return float(value), *_leaves(others)
