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

from workbench.problem.deterministics import ENGINE_NAME
from workbench.problem.forward import first_order, second_order, with_forward
from workbench.problem.graph import Graph
from workbench.problem.lowerings import for_jax
from workbench.problem.predictors import split
from workbench.problem.second_order import TOGETHER, Structured, directly, in_blocks

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
    """Functions by name: of theta, of the prior's share and weights where they count, of arrays."""

    def __init__(self, graph: Graph, independent: bool) -> None:
        self.graph, self.independent = graph, independent

    def make(self, name: str, example: tuple[Any, ...]) -> Function:
        """Traced now, so that what JAX cannot do is known here; compiled again for other shapes."""
        if name.startswith(ENGINE_NAME):
            function, finish = self._deterministic(name.removeprefix(ENGINE_NAME))
        else:
            function, finish = self._ways(example)[name]()
        jitted = jax.jit(function)
        jax.eval_shape(jitted, *example)
        call = _finished(jitted, finish)
        if name == "value_and_gradient":
            alone = jax.jit(first_order(self._objective))
            return with_forward(call, _finished(alone, _pair), UNSUPPORTED)
        if name == "derivatives":
            alone = jax.jit(second_order(self._likelihood))
            return with_forward(call, _finished(alone, _triple), UNSUPPORTED)
        return call

    def _ways(self, example: tuple[Any, ...]) -> dict[str, Callable[[], tuple[Function, Function]]]:
        """What to trace, and what to make of its output, by name."""
        return {
            "values": lambda: (self._values, np.asarray),
            "value_and_gradient": lambda: (jax.value_and_grad(self._objective), _pair),
            "derivatives": lambda: self._derivatives(example[0], len(example[1])),
            "hessian_product": lambda: (self._hessian_product, np.asarray),
            "prior_derivatives": lambda: (self._prior_derivatives, _triple),
            "pointwise": lambda: (self._rows, np.asarray),
            "scores": lambda: (jax.jacfwd(self._rows), np.asarray),
            "log_prior": lambda: (self._prior, float),
            "log_jacobians": lambda: (self._log_jacobians, np.asarray),
            "log_jacobian_derivatives": lambda: (self._log_jacobian_derivatives, _triple),
            "natural": lambda: (self._natural, np.asarray),
            "natural_jacobian": lambda: (jax.jacfwd(self._natural), np.asarray),
            "unconstrained": lambda: (self._unconstrained, np.asarray),
            "distribution": lambda: (self._distribution, _leaves),
            "distribution_jacobian": lambda: (jax.jacfwd(self._real_distribution), _leaves),
        }

    @cached_property
    def _rows(self) -> Function:
        function = _translated(self._rows_graph)
        return lambda *arguments: function(*arguments)[0]

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
        further = [row.variable for row in symbolic.further]
        function = self._all_traced(self.graph.theta, [symbolic.variable], further)

        def twice(*arguments: Any) -> tuple[Any, Any]:
            value = function(*arguments)[0]
            return value, value

        def apart(out: tuple[Any, Any]) -> list[np.ndarray]:
            slope, value = _leaves(out)
            return [value, slope]

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

    def _objective(self, theta: Any, prior: Any, weights: Any, *arrays: Any) -> Any:
        """NLL less `prior` log priors; infinite outside the priors' support."""
        return self._nll(theta, weights, *arrays) + self._penalty(theta, prior, *arrays)

    def _likelihood(self, theta: Any, weights: Any, *arrays: Any) -> Any:
        return self._objective(theta, 0.0, weights, *arrays)

    def _hessian_product(self, theta: Any, direction: Any, *others: Any) -> Any:
        return jax.jvp(lambda t: jax.grad(self._objective)(t, *others), (theta,), (direction,))[1]

    def _nll(self, theta: Any, weights: Any, *arrays: Any) -> Any:
        return -jnp.where(weights > 0, weights * self._rows(theta, *arrays), 0.0).sum()

    def _penalty(self, theta: Any, prior: Any, *arrays: Any) -> Any:
        value = self._prior(theta, *arrays)
        outside = jnp.isneginf(value)
        return jnp.where(outside, jnp.inf, -prior * jnp.where(outside, 0.0, value))

    def _values(self, thetas: Any, *arguments: Any) -> Any:
        """The objective at each theta: one after the other, or some at once where they are long."""
        together = BATCH if thetas.shape[1] > TOGETHER else None
        return jax.lax.map(lambda t: self._objective(t, *arguments), thetas, batch_size=together)

    def _log_jacobians(self, thetas: Any, *arrays: Any) -> Any:
        return jax.lax.map(lambda theta: self._log_jacobian(theta, *arrays), thetas)

    def _log_jacobian_derivatives(self, theta: Any, *arrays: Any) -> Any:
        return directly(lambda t: self._log_jacobian(t, *arrays), theta)

    def _derivatives(self, start: np.ndarray, rows: int) -> tuple[Function, Function]:
        """NLL, gradient and Hessian, by the linear predictors where that is less work."""
        form = self._by_predictors

        def part(theta: Any, weights: Any, *arrays: Any) -> Any:
            return directly(lambda t: self._nll(t, weights, *arrays), theta)

        if form is None or not form.pays(start, rows):
            return partial(self._inside_support, part), _triple

        def reduced(theta: Any, *others: Any) -> Any:
            return theta, *self._inside_support(form.reduced, theta, *others)

        return reduced, lambda out: form.by_theta(np.asarray(out[0]), *out[1:])

    def _inside_support(self, part: Function, theta: Any, weights: Any, *arrays: Any) -> Any:
        """A sum over rows, its value infinite outside the priors' support."""
        value, *others = self._added(partial(part, theta), weights, arrays)
        outside = jnp.isneginf(self._prior(theta, *arrays))
        return jnp.where(outside, jnp.inf, value), *others

    def _prior_derivatives(self, theta: Any, weights: Any, *arrays: Any) -> Any:
        """Minus the log prior, its gradient and its Hessian; no row counts."""
        return directly(lambda t: self._penalty(t, 1.0, *arrays), theta)

    def _added(self, function: Function, weights: Any, arrays: Sequence[Any]) -> Any:
        """A sum over rows, a function of weights and arrays, block by block if they are apart."""
        by_row = [row.varies_by_row for row in self.graph.inputs]
        if self.independent and any(by_row):
            return in_blocks(function, by_row, weights, arrays)
        return function(weights, *arrays)

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
        )


def _funcified(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Function:
    """A graph that stands rewritten, as a function for JAX."""
    return _translated(FunctionGraph(inputs=list(inputs), outputs=list(outputs), clone=True))


def _translated(graph: FunctionGraph) -> Function:
    with jax.ensure_compile_time_eval():  # its constants outlive the trace that asks for it
        return jax_funcify(graph)


def _finished(function: Function, finish: Function) -> Function:
    return lambda *arguments: finish(function(*arguments))


def _leaves(out: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in out]


def _pair(out: Any) -> tuple[float, np.ndarray]:
    return float(np.asarray(out[0])), np.asarray(out[1])


def _triple(out: Any) -> tuple[float, np.ndarray, np.ndarray]:
    return float(np.asarray(out[0])), np.asarray(out[1]), np.asarray(out[2])
