"""The engine: PyTensor's graph of a value handed to JAX, which differentiates and compiles it."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from pytensor.graph.basic import Variable
from pytensor.link.jax.dispatch import jax_funcify

from workbench.problem.lowerings import for_jax

NAME = "JAX"
# What JAX and PyTensor's dispatch to it raise when an operation or its derivative is missing.
UNSUPPORTED = (NotImplementedError, ValueError, TypeError)

Arrays = tuple[Any, ...]


def put(array: np.ndarray) -> Any:
    """The array where the compiled functions read it, once for many calls."""
    return jnp.asarray(array)


def _traceable(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> Callable[..., Any]:
    return jax_funcify(for_jax(inputs, outputs))


def values(
    inputs: Sequence[Variable], outputs: Sequence[Variable], example: Arrays
) -> Callable[..., list[np.ndarray]]:
    """The outputs as a function of the inputs, compiled for the shapes of `example`."""
    return _compiled(_traceable(inputs, outputs), example, lambda out: [np.asarray(o) for o in out])


def value_and_gradient(
    inputs: Sequence[Variable], scalar: Variable, example: Arrays
) -> Callable[..., tuple[float, np.ndarray]]:
    """A scalar and its gradient in the first input."""
    function = _scalar(inputs, scalar)
    return _compiled(
        jax.value_and_grad(function), example, lambda out: (float(out[0]), np.asarray(out[1]))
    )


def hessian(
    inputs: Sequence[Variable], scalar: Variable, example: Arrays
) -> Callable[..., np.ndarray]:
    """The second derivatives of a scalar in the first input, shape (k, k)."""
    return _compiled(jax.hessian(_scalar(inputs, scalar)), example, np.asarray)


def jacobian(
    inputs: Sequence[Variable], vector: Variable, example: Arrays
) -> Callable[..., np.ndarray]:
    """The derivatives of a vector (n,) in the first input (k,), shape (n, k)."""
    return _compiled(jax.jacfwd(_scalar(inputs, vector)), example, np.asarray)


def _scalar(inputs: Sequence[Variable], output: Variable) -> Callable[..., Any]:
    function = _traceable(inputs, [output])
    return lambda *arguments: function(*arguments)[0]


def _compiled(
    function: Callable[..., Any], example: Arrays, finish: Callable[[Any], Any]
) -> Callable[..., Any]:
    """Traced now, so that what JAX cannot do is known here; compiled again for other shapes."""
    jitted = jax.jit(function)
    jax.eval_shape(jitted, *example)
    return lambda *arguments: finish(jitted(*arguments))
