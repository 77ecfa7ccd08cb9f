"""Rewrites that make PyMC's graphs differentiable twice in JAX, each an exact identity."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytensor.tensor as pt
from pymc.distributions.dist_math import normal_lcdf
from pymc.logprob.utils import CheckParameterValue
from pytensor.compile import mode
from pytensor.graph import FunctionGraph
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.link.jax.dispatch import jax_funcify
from pytensor.raise_op import Assert
from pytensor.scalar.basic import Add, Log, ScalarOp, Sub, Switch
from pytensor.scalar.math import BetaInc, Erf, Erfcx, GammaLn, Sigmoid, Softplus
from pytensor.tensor.basic import get_underlying_scalar_constant_value
from pytensor.tensor.elemwise import Elemwise
from pytensor.tensor.exceptions import NotScalarConstantError


def made_safe(outputs: Sequence[Variable]) -> list[Variable]:
    """The same log densities, but -inf where PyMC would raise on a parameter out of range.

    JAX drops such checks silently, and a wrong finite value would be left. And one minus a
    sigmoid keeps its digits where the sigmoid is near one, as does a normal tail's logarithm.
    """
    graph = FunctionGraph(outputs=list(outputs), clone=False)
    for rewrite in (check_by_switch, one_less_sigmoid, log_of_a_tail):
        in2out(rewrite).rewrite(graph)
    return list(graph.outputs)


@node_rewriter([CheckParameterValue])
def check_by_switch(graph: FunctionGraph, node: Apply) -> list[Variable]:
    """-inf unless every condition holds; PyMC's own rewrite leaves out those on given bounds."""
    value, *conditions = node.inputs
    holds = pt.all(pt.stack(conditions))
    return [pt.switch(holds, value, -np.inf).astype(node.outputs[0].dtype)]


@node_rewriter([Elemwise])
def one_less_sigmoid(graph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """1 - 1 / (1 + exp(-x)) = 1 / (1 + exp(x)): the first is zero from x = 37 on."""
    if not _is(node, Sub):
        return None
    first, second = node.inputs
    if second.owner is None or not _is(second.owner, Sigmoid) or _constant(first) != 1:
        return None
    return [pt.sigmoid(-second.owner.inputs[0]).astype(node.outputs[0].dtype)]


@node_rewriter([Elemwise])
def log_of_a_tail(graph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """log(1 + erf(x)) = log 2 + log Phi(sqrt(2) x): the first is -inf from x = -6 down."""
    if not _is(node, Log) or node.inputs[0].owner is None or not _is(node.inputs[0].owner, Add):
        return None
    terms = node.inputs[0].owner.inputs
    functions = [term for term in terms if term.owner is not None and _is(term.owner, Erf)]
    if len(terms) != 2 or len(functions) != 1 or 1 not in map(_constant, terms):
        return None
    x = functions[0].owner.inputs[0]
    tail = np.log(2.0) + normal_lcdf(0.0, 1.0, np.sqrt(2.0) * x)
    return [tail.astype(node.outputs[0].dtype)]


def _constant(variable: Variable) -> float | None:
    """The number that a variable is everywhere, if it is one."""
    try:
        return float(get_underlying_scalar_constant_value(variable))
    except NotScalarConstantError:
        return None


def for_jax(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> FunctionGraph:
    """The graph rewritten for JAX, with what JAX cannot differentiate replaced."""
    graph = FunctionGraph(inputs=list(inputs), outputs=list(outputs), clone=True)
    mode.JAX.optimizer.rewrite(graph)
    if any(_is(node, BetaInc) for node in graph.apply_nodes):
        in2out(betainc_of_one).rewrite(graph)
        mode.JAX.optimizer.rewrite(graph)
    in2out(choice_first).rewrite(graph)
    in2out(with_derivatives).rewrite(graph)
    in2out(length_as_it_is).rewrite(graph)
    return graph


def _is(node: Apply, operation: type[ScalarOp]) -> bool:
    return isinstance(node.op, Elemwise) and type(node.op.scalar_op) is operation


@node_rewriter([Elemwise])
def betainc_of_one(graph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """I_x(a, 1) = x^a (DLMF 8.17.7), as exp(a log x) so that a log around it cancels."""
    if not _is(node, BetaInc):
        return None
    a, b, x = node.inputs
    if _constant(b) != 1:
        return None
    return [pt.exp(a * pt.log(x)).astype(node.outputs[0].dtype)]


@node_rewriter([Elemwise])
def choice_first(graph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """switch(c, f(a), f(b)) = f(switch(c, a, b)), so that f is computed once.

    Both sides of a choice are, and are differentiated: of a logit's softplus, one too many.
    """
    if not _is(node, Switch):
        return None
    condition, *sides = node.inputs
    if any(side.owner is None or not isinstance(side.owner.op, Elemwise) for side in sides):
        return None
    first, second = (side.owner for side in sides)
    alike = first.op == second.op and len(first.inputs) == len(second.inputs) == 1
    if not alike or first is second:
        return None
    chosen = pt.switch(condition, first.inputs[0], second.inputs[0])
    inner = choice_first.transform(graph, chosen.owner)
    return [first.op(inner[0] if inner else chosen).astype(node.outputs[0].dtype)]


@node_rewriter([Assert])
def length_as_it_is(graph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """A length without the check that it equals another, which JAX would drop with a warning.

    Lengths are known when JAX traces, and arrays that do not agree are refused there.
    """
    return [node.inputs[0]] if node.outputs[0].dtype.startswith("int") else None


class DifferentiableErfcx(Erfcx):  # type: ignore[misc]
    """exp(x^2) erfc(x), with a derivative that JAX can differentiate again."""


class DifferentiableSoftplus(Softplus):  # type: ignore[misc]
    """log(1 + exp(x)), with a gradient that is finite where exp(x) is not."""


class QuickGammaLn(GammaLn):  # type: ignore[misc]
    """log gamma(x) for x >= 0 with two derivatives, in few operations: JAX's compile for long."""


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


# gamma(x + 8) = gamma(x) x (x + 1) ... (x + 7), a product that is a polynomial in u = x (x + 7):
# (u + 0) (u + 6) (u + 10) (u + 12), its factors in pairs from both ends (DLMF 5.5.1).
RISEN = 8
RISING = (1.0, 28.0, 252.0, 720.0, 0.0)  # highest power first, as are its derivatives in u
RISING_1 = (4.0, 84.0, 504.0, 720.0)
RISING_2 = (12.0, 168.0, 504.0)
# From x + 8 on, eight terms of the asymptotic series in B_2k (DLMF 5.11.1) leave less than
# rounding.
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
SERIES = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI, 1))[::-1]
SERIES_1 = tuple(b / (2 * k) for k, b in enumerate(BERNOULLI, 1))[::-1]
SERIES_2 = BERNOULLI[::-1]
FAR = 1e30  # where x + 8 is x, and the product would overflow


def _polynomial(coefficients: Sequence[Any], x: jax.Array) -> Any:
    """Horner's rule, highest power first."""
    return reduce(lambda total, coefficient: total * x + coefficient, coefficients)


@jax.custom_jvp
def _gammaln(x: jax.Array) -> jax.Array:
    """log gamma(x); NaN below zero."""
    z, w, near = x + RISEN, 1 / (x + RISEN), jnp.clip(x, 0.0, FAR)
    stirling = (z - 0.5) * jnp.log(z) - z + 0.5 * np.log(2 * np.pi)
    stirling += w * _polynomial(SERIES, w * w)
    risen = jnp.log(_polynomial(RISING, near * (near + 7)))
    return jnp.where(x >= 0, stirling - risen, jnp.nan)


@_gammaln.defjvp
def _gammaln_slope(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (tangent,) = primals, tangents
    return _gammaln(x), _digamma(x) * tangent


@jax.custom_jvp
def _digamma(x: jax.Array) -> jax.Array:
    """The derivative of log gamma for x > 0; NaN elsewhere."""
    w, near = 1 / (x + RISEN), jnp.clip(x, 0.0, FAR)
    stirling = -jnp.log(w) - w / 2 - w * w * _polynomial(SERIES_1, w * w)
    u, slope = near * (near + 7), 2 * near + 7
    risen = _polynomial(RISING_1, u) * slope / _polynomial(RISING, u)
    return jnp.where(x > 0, stirling - risen, jnp.nan)


@_digamma.defjvp
def _digamma_slope(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    (x,), (tangent,) = primals, tangents
    return _digamma(x), _trigamma(x) * tangent


def _trigamma(x: jax.Array) -> jax.Array:
    """The derivative of digamma for x > 0; NaN elsewhere."""
    w, near = 1 / (x + RISEN), jnp.clip(x, 0.0, FAR)
    stirling = w + w * w / 2 + w**3 * _polynomial(SERIES_2, w * w)
    u, slope = near * (near + 7), 2 * near + 7
    inverse = 1 / _polynomial(RISING, u)
    first, second = (_polynomial(c, u) * inverse for c in (RISING_1, RISING_2))
    risen = (second - first**2) * slope**2 + 2 * first
    return jnp.where(x > 0, stirling - jnp.where(x < FAR, risen, 0.0), jnp.nan)


@jax_funcify.register(QuickGammaLn)
def _lower_gammaln(operation: QuickGammaLn, **_: object) -> Callable[[jax.Array], jax.Array]:
    return lambda x: _gammaln(jnp.asarray(x, float))  # of counts, too
