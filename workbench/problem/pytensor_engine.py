"""The fallback: PyTensor's own derivatives, for what JAX has no rule for.

Second derivatives come as Hessian-vector products, and where PyTensor has none as central
differences of the exact gradient.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.compile.mode import Mode
from pytensor.gradient import DisconnectedType, NullTypeGradError, grad, pushforward
from pytensor.graph.basic import Variable
from pytensor.graph.utils import MethodNotDefined

from workbench.problem.deterministics import ENGINE_NAME
from workbench.problem.graph import Graph

NAME = "PyTensor"
# The first and the third: an operation without a derivative, or one that is declared undefined.
# NotImplementedError: PyTensor's word for a derivative that nobody has written yet.
# TypeError, ValueError: a derivative's graph whose types or shapes do not fit, as of some loops.
UNSUPPORTED = (MethodNotDefined, NotImplementedError, NullTypeGradError, TypeError, ValueError)
# Above this many numbers in the arrays, numba's minute of compilation is repaid by the search.
LARGE = 2_000_000
STEP = 5e-3

Function = Callable[..., Any]


def put(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The arrays themselves, aligned: PyTensor refuses others."""
    return tuple(np.require(array, requirements=["A", "W"]) for array in arrays)


def plain(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Function:
    """The outputs by plain Python, without any rewrite: quick to build, for a call or two."""
    mode = Mode(linker="py", optimizer=None)
    return pytensor.function(inputs, outputs, mode=mode, on_unused_input="ignore")


class Engine:
    """Functions by name: of theta and blocks of rows, added up, or of theta and the arrays."""

    def __init__(self, graph: Graph, independent: bool) -> None:
        self.graph = graph
        self.arrays = [row.variable for row in graph.inputs]
        self.weights = pt.vector("weights")

    def make(self, name: str, example: tuple[Any, ...]) -> Function:
        """The function of that name; `example` tells how large the work is."""
        graph, large = self.graph, _size(example) > LARGE
        if name.startswith(ENGINE_NAME):
            return self._deterministic(name.removeprefix(ENGINE_NAME), large)
        if name.removeprefix("prior_") in OF_A_SCALAR:
            return self._of_a_scalar(name, large)
        simple = {
            "pointwise": (graph.theta, graph.pointwise),
            "log_prior": (graph.theta, graph.log_prior),
            "natural": (graph.theta, graph.natural),
            "unconstrained": (graph.naturals, graph.unconstrained),
        }
        if name in simple:
            vector, output = simple[name]
            function = _function([vector, *self.arrays], [output], large)
            return lambda *arguments: np.asarray(function(*arguments)[0])
        leaves = list(graph.distribution.leaves) if graph.distribution else []
        if name == "distribution":
            return _function([graph.theta, *self.arrays], leaves, large)
        if name == "distribution_jacobian":
            return self._jacobians(leaves, large)
        if name in ("scores", "natural_jacobian"):
            jacobians = self._jacobians(
                [graph.pointwise if name == "scores" else graph.natural], large
            )
            return lambda *arguments: jacobians(*arguments)[0]
        return getattr(self, f"_{name}")(large)

    def hessian_by_differences(self, prior: str) -> Function:
        """Central differences of the exact gradient, of fourth order.

        Gradients without a derivative of their own come from series cut at 1e-9 or so: with this
        step that leaves some 1e-7 of the second derivatives, and the truncation less.
        """
        exact = self._of_a_scalar(f"{prior}value_and_gradient", large=False)

        return lambda theta, *others: _bend(lambda there: exact(there, *others)[1], theta)

    def _of_a_scalar(self, name: str, large: bool) -> Function:
        """A function of the rows' NLL, added up over blocks, or of minus the log prior."""
        what = name.removeprefix("prior_")
        if what != name:
            return OF_A_SCALAR[what](self._penalty(), self.graph.theta, self.arrays, large)
        inputs = [self.weights, *self.arrays]
        function = OF_A_SCALAR[what](self._nll(), self.graph.theta, inputs, large)
        return lambda *arguments: _added(function, *arguments)

    def _row_hessians(self, large: bool) -> Function:
        """By differences of the exact scores."""
        scores = self._jacobians([self.graph.pointwise], large)
        return lambda theta, *arrays: _bend(lambda there: scores(there, *arrays)[0], theta)

    def _pointwise_apart(self, large: bool) -> Function:
        """Each row's term at a theta of its own (n, k)."""
        function = _function([self.graph.theta, *self.arrays], [self.graph.pointwise], large)

        def call(thetas: np.ndarray, *arrays: Any) -> np.ndarray:
            return np.array([function(theta, *arrays)[0][row] for row, theta in enumerate(thetas)])

        return call

    def _log_jacobians(self, large: bool) -> Function:
        return _values(self.graph.log_jacobian, self.graph.theta, self.arrays, large)

    def _log_jacobian_derivatives(self, large: bool) -> Function:
        scalar = (self.graph.log_jacobian, self.graph.theta, self.arrays, large)
        first, second = _value_and_gradient(*scalar), _hessian(*scalar)
        return lambda *arguments: (*first(*arguments), second(*arguments))

    def _deterministic(self, name: str, large: bool) -> Function:
        symbolic = self.graph.deterministics[name]
        further = [row.variable for row in symbolic.further]
        return self._with_slopes([symbolic.variable], large, further)

    def _gaps(self, large: bool) -> Function:
        return self._with_slopes(self.graph.gaps, large)

    def _with_slopes(
        self, outputs: Sequence[Variable], large: bool, further: Sequence[Variable] = ()
    ) -> Function:
        """The outputs, and then the slopes of each, theta along a new last axis."""
        values = _function([self.graph.theta, *self.arrays, *further], outputs, large)
        slopes = self._jacobians(outputs, large, further)
        return lambda *arguments: [*map(np.asarray, values(*arguments)), *slopes(*arguments)]

    def _jacobians(
        self, outputs: Sequence[Variable], large: bool, further: Sequence[Variable] = ()
    ) -> Function:
        """d output / d theta of each output, theta along a new last axis."""
        direction = pt.vector("direction")
        tangents = pushforward(outputs, self.graph.theta, direction, disconnected_outputs="ignore")
        inputs = [self.graph.theta, *self.arrays, *further, direction]
        function = _function(inputs, tangents, large)

        def call(theta: np.ndarray, *others: Any) -> list[np.ndarray]:
            columns = [function(theta, *others, unit) for unit in np.eye(len(theta))]
            return [np.stack(pieces, axis=-1) for pieces in zip(*columns, strict=True)]

        return call

    def _outcome(self, large: bool) -> Function:
        """One draw, of theta, the generators and the arrays; NumPy draws whole arrays quickly."""
        draw = self.graph.draw
        generators, outputs = (draw.generators, [draw.outcome]) if draw else ((), [])
        inputs = [self.graph.theta, *generators, *self.arrays]
        function = _function(inputs, outputs, large=False)
        return lambda *arguments: np.asarray(function(*arguments)[0])

    def _nll(self) -> Variable:
        """Of the rows; infinite outside the priors' support."""
        terms = pt.switch(self.weights > 0, self.weights * self.graph.pointwise, 0.0)
        return pt.switch(self._outside(), np.inf, -terms.sum())

    def _penalty(self) -> Variable:
        """Minus the log prior, infinite outside its support."""
        outside = self._outside()
        return pt.switch(outside, np.inf, -pt.switch(outside, 0.0, self.graph.log_prior))

    def _outside(self) -> Variable:
        return pt.isinf(self.graph.log_prior) & (self.graph.log_prior < 0)


def _values(scalar: Variable, theta: Variable, inputs: Sequence[Variable], large: bool) -> Function:
    function = _function([theta, *inputs], [scalar], large)
    return lambda thetas, *others: np.array([function(t, *others)[0] for t in thetas])


def _value_and_gradient(
    scalar: Variable, theta: Variable, inputs: Sequence[Variable], large: bool
) -> Function:
    function = _function([theta, *inputs], [scalar, _gradient(scalar, theta)], large)

    def call(*arguments: Any) -> tuple[float, np.ndarray]:
        value, gradient = function(*arguments)
        return float(value), np.asarray(gradient)

    return call


def _hessian_product(
    scalar: Variable, theta: Variable, inputs: Sequence[Variable], large: bool
) -> Function:
    gradient, direction = _gradient(scalar, theta), pt.vector("direction")
    product = _gradient((gradient * direction).sum(), theta)
    function = _function([theta, direction, *inputs], [product], large)
    return lambda *arguments: np.asarray(function(*arguments)[0])


def _hessian(
    scalar: Variable, theta: Variable, inputs: Sequence[Variable], large: bool
) -> Function:
    product = _hessian_product(scalar, theta, inputs, large)
    return lambda point, *others: _symmetric(
        [product(point, unit, *others) for unit in np.eye(len(point))]
    )


# What can be asked of a scalar function of theta.
OF_A_SCALAR = {
    "values": _values,
    "value_and_gradient": _value_and_gradient,
    "hessian_product": _hessian_product,
    "hessian": _hessian,
}


def _added(function: Function, *arguments: Any) -> Any:
    """A function's sum over blocks of rows, one after the other: PyTensor's share their storage."""
    *at, blocks = arguments
    found = [function(*at, *block) for block in blocks]
    if isinstance(found[0], tuple):
        return tuple(sum(parts) for parts in zip(*found, strict=True))
    return sum(found)


def _size(example: Sequence[Any]) -> int:
    """How many numbers the arrays have, those in blocks included."""
    return sum(
        _size([part for block in one for part in block]) if isinstance(one, tuple) else np.size(one)
        for one in example
    )


def _bend(slope: Callable[[np.ndarray], np.ndarray], theta: np.ndarray) -> np.ndarray:
    """Second derivatives, symmetric, by central differences of fourth order of a slope (..., k)."""

    def across(step: np.ndarray) -> np.ndarray:
        return np.asarray(slope(theta + step) - slope(theta - step))

    steps = np.diag(STEP * np.maximum(np.abs(theta), 1.0))
    columns = [(8 * across(step) - across(2 * step)) / (12 * step.max()) for step in steps]
    bent = np.stack(columns, axis=-1)
    return np.asarray((bent + np.swapaxes(bent, -1, -2)) / 2)


def _symmetric(columns: Sequence[np.ndarray]) -> np.ndarray:
    stacked = np.array(columns)
    return np.asarray((stacked + stacked.T) / 2)


def _gradient(scalar: Variable, theta: Variable) -> Variable:
    gradient = grad(scalar, theta, disconnected_inputs="ignore", return_disconnected="zero")
    return pt.zeros_like(theta) if isinstance(gradient.type, DisconnectedType) else gradient


def _function(inputs: Sequence[Variable], outputs: Sequence[Variable], large: bool) -> Function:
    """The default backend for large work."""
    if large:
        return pytensor.function(inputs, outputs, on_unused_input="ignore")
    return small(inputs, outputs)


def small(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Function:
    """Python thunks over the stable rewrites, for small work."""
    # FAST_COMPILE would drop the rewrites that keep log(sigmoid(x)) finite.
    mode = Mode(linker="py", optimizer="fast_run").excluding("fusion", "inplace", "BlasOpt")
    return pytensor.function(inputs, outputs, mode=mode, on_unused_input="ignore")
