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

NAME = "PyTensor"
# What PyTensor raises when an operation has no (second) derivative.
UNSUPPORTED = (MethodNotDefined, NotImplementedError, NullTypeGradError, TypeError, ValueError)
# Above this many numbers in the arrays, numba's minute of compilation is repaid by the search.
LARGE = 2_000_000
STEP = 5e-3

Arrays = tuple[Any, ...]


def put(array: np.ndarray) -> np.ndarray:
    """The array itself, aligned: PyTensor refuses others."""
    return np.require(array, requirements=["A", "W"])


def values(
    inputs: Sequence[Variable], outputs: Sequence[Variable], example: Arrays
) -> Callable[..., list[np.ndarray]]:
    """The outputs as a function of the inputs."""
    function = _function(inputs, outputs, example)
    return lambda *arguments: [np.asarray(out) for out in function(*arguments)]


def value_and_gradient(
    inputs: Sequence[Variable], scalar: Variable, example: Arrays
) -> Callable[..., tuple[float, np.ndarray]]:
    """A scalar and its gradient in the first input."""
    function = _function(inputs, [scalar, _gradient(scalar, inputs[0])], example)

    def call(*arguments: Any) -> tuple[float, np.ndarray]:
        value, gradient = function(*arguments)
        return float(value), np.asarray(gradient)

    return call


def hessian(
    inputs: Sequence[Variable], scalar: Variable, example: Arrays
) -> Callable[..., np.ndarray]:
    """The second derivatives of a scalar in the first input, shape (k, k)."""
    gradient = _gradient(scalar, inputs[0])
    direction = pt.vector("direction")
    product = _gradient((gradient * direction).sum(), inputs[0])
    function = _function([*inputs, direction], [product], example)

    def call(theta: np.ndarray, *others: Any) -> np.ndarray:
        columns = [function(theta, *others, unit)[0] for unit in np.eye(len(theta))]
        stacked = np.array(columns)
        return np.asarray((stacked + stacked.T) / 2)

    return call


def hessian_by_differences(
    inputs: Sequence[Variable], scalar: Variable, example: Arrays
) -> Callable[..., np.ndarray]:
    """Central differences of the exact gradient, of fourth order.

    Gradients without a derivative of their own come from series cut at 1e-9 or so: with this step
    that leaves some 1e-7 of the second derivatives, and the truncation less.
    """
    exact = value_and_gradient(inputs, scalar, example)

    def call(theta: np.ndarray, *others: Any) -> np.ndarray:
        def slope(step: np.ndarray) -> np.ndarray:
            return exact(theta + step, *others)[1] - exact(theta - step, *others)[1]

        steps = STEP * np.maximum(np.abs(theta), 1.0)
        columns = [
            (8 * slope(step) - slope(2 * step)) / (12 * step.max()) for step in np.diag(steps)
        ]
        stacked = np.array(columns)
        return np.asarray((stacked + stacked.T) / 2)

    return call


def jacobian(
    inputs: Sequence[Variable], vector: Variable, example: Arrays
) -> Callable[..., np.ndarray]:
    """The derivatives of a vector (n,) in the first input (k,), shape (n, k)."""
    direction = pt.vector("direction")
    tangent = pushforward(vector, inputs[0], direction)
    function = _function([*inputs, direction], [tangent], example)

    def call(theta: np.ndarray, *others: Any) -> np.ndarray:
        return np.column_stack([function(theta, *others, unit)[0] for unit in np.eye(len(theta))])

    return call


def _gradient(scalar: Variable, theta: Variable) -> Variable:
    gradient = grad(scalar, theta, disconnected_inputs="ignore", return_disconnected="zero")
    return pt.zeros_like(theta) if isinstance(gradient.type, DisconnectedType) else gradient


def _function(
    inputs: Sequence[Variable], outputs: Sequence[Variable], example: Arrays
) -> Callable[..., Any]:
    """Python thunks over the stable rewrites for small work, the default backend for large."""
    if sum(np.size(array) for array in example) > LARGE:
        return pytensor.function(inputs, outputs, on_unused_input="ignore")
    # FAST_COMPILE would drop the rewrites that keep log(sigmoid(x)) finite.
    mode = Mode(linker="py", optimizer="fast_run").excluding("fusion", "inplace", "BlasOpt")
    return pytensor.function(inputs, outputs, mode=mode, on_unused_input="ignore")
