"""Rewrites that make PyMC's graphs differentiable twice in JAX, each an exact identity."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytensor.tensor as pt
from pymc.logprob.utils import local_check_parameter_to_ninf_switch
from pytensor.compile import mode
from pytensor.graph import FunctionGraph
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.link.jax.dispatch import jax_funcify
from pytensor.scalar.basic import ScalarOp
from pytensor.scalar.math import BetaInc, Erfcx, GammaLn, Softplus
from pytensor.tensor.basic import get_underlying_scalar_constant_value
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.exceptions import NotScalarConstantError


def without_checks(outputs: Sequence[Variable]) -> list[Variable]:
    """The same log densities, but -inf where PyMC would raise on a parameter out of range.

    JAX drops such checks silently, and a wrong finite value would be left.
    """
    graph = FunctionGraph(outputs=list(outputs), clone=False)
    in2out(local_check_parameter_to_ninf_switch).rewrite(graph)
    return list(graph.outputs)


def for_jax(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> FunctionGraph:
    """The graph rewritten for JAX, with what JAX cannot differentiate replaced."""
    graph = FunctionGraph(inputs=list(inputs), outputs=list(outputs), clone=True)
    mode.JAX.optimizer.rewrite(graph)
    if any(_is(node, BetaInc) for node in graph.apply_nodes):
        in2out(betainc_of_one).rewrite(graph)
        mode.JAX.optimizer.rewrite(graph)
    in2out(with_derivatives).rewrite(graph)
    return graph


def _is(node: Apply, operation: type[ScalarOp]) -> bool:
    return isinstance(node.op, Elemwise) and type(node.op.scalar_op) is operation


@node_rewriter([Elemwise])
def betainc_of_one(graph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """I_x(a, 1) = x^a (DLMF 8.17.7), as exp(a log x) so that a log around it cancels."""
    if not _is(node, BetaInc):
        return None
    a, b, x = node.inputs
    try:
        second = get_underlying_scalar_constant_value(b)
    except NotScalarConstantError:
        return None
    return [pt.exp(a * pt.log(x)).astype(node.outputs[0].dtype)] if second == 1 else None


class DifferentiableErfcx(Erfcx):  # type: ignore[misc]
    """exp(x^2) erfc(x), with a derivative that JAX can differentiate again."""


class DifferentiableSoftplus(Softplus):  # type: ignore[misc]
    """log(1 + exp(x)), with a gradient that is finite where exp(x) is not."""


class QuickGammaLn(GammaLn):  # type: ignore[misc]
    """log gamma(x) for x > 0, with its first two derivatives written down: JAX's are zeta sums."""


REPLACED = {
    Erfcx: DifferentiableErfcx,
    GammaLn: QuickGammaLn,
    Softplus: DifferentiableSoftplus,
}


@node_rewriter([Elemwise])
def with_derivatives(graph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """Operations whose derivatives fail in PyTensor's translation to JAX, by ones of our own."""
    scalar = node.op.scalar_op
    if type(scalar) not in REPLACED:
        return None
    own = REPLACED[type(scalar)](scalar.output_types_preference, name=scalar.name)
    return [Elemwise(own)(*node.inputs)]


@jax.custom_jvp
def _erfcx(x: jax.Array) -> jax.Array:
    return jax.scipy.special.erfcx(x)


@_erfcx.defjvp
def _erfcx_slope(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (tangent,) = primals, tangents
    value = _erfcx(x)
    return value, (2 * x * value - 2 / np.sqrt(np.pi)) * tangent  # DLMF 7.10.2


@jax_funcify.register(DifferentiableErfcx)
def _lower_erfcx(operation: DifferentiableErfcx, **_: object) -> Callable[[jax.Array], jax.Array]:
    return _erfcx


@jax_funcify.register(DifferentiableSoftplus)
def _lower_softplus(
    operation: DifferentiableSoftplus, **_: object
) -> Callable[[jax.Array], jax.Array]:
    return jax.nn.softplus


@jax.custom_jvp
def _gammaln(x: jax.Array) -> jax.Array:
    return jax.lax.lgamma(x)


@_gammaln.defjvp
def _gammaln_slope(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (tangent,) = primals, tangents
    return _gammaln(x), _digamma(x) * tangent


@jax.custom_jvp
def _digamma(x: jax.Array) -> jax.Array:
    return jax.lax.digamma(x)


@_digamma.defjvp
def _digamma_slope(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (tangent,) = primals, tangents
    return _digamma(x), _trigamma(x) * tangent


# B_2k of the asymptotic series sum of B_2k / z^(2k+1) (DLMF 5.15.8), k = 1 to 8.
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
SHIFT = 8  # from there on eight terms leave less than rounding


def _trigamma(x: jax.Array) -> jax.Array:
    """The derivative of digamma for x > 0: recurrence (DLMF 5.15.5), then the series; else NaN."""
    positive = jnp.where(x > 0, x, jnp.nan)
    near = sum(1.0 / (positive + step) ** 2 for step in range(SHIFT))
    z = 1.0 / (positive + SHIFT)
    series = jnp.polyval(jnp.array([*BERNOULLI[::-1], 1.0]), z * z) * z
    return near + z * z / 2 + series


@jax_funcify.register(QuickGammaLn)
def _lower_gammaln(operation: QuickGammaLn, **_: object) -> Callable[[jax.Array], jax.Array]:
    return lambda x: _gammaln(jnp.asarray(x, float))  # of counts, too
