"""Rewrites that make PyMC's graphs differentiable twice in JAX, each an exact identity."""

from collections.abc import Sequence

import pytensor.tensor as pt
from pymc.logprob.utils import local_check_parameter_to_ninf_switch
from pytensor.compile import mode
from pytensor.graph import FunctionGraph
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.rewriting.basic import in2out, node_rewriter
from pytensor.scalar.math import BetaInc
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
    if any(_is_betainc(node) for node in graph.apply_nodes):
        in2out(betainc_of_one).rewrite(graph)
        mode.JAX.optimizer.rewrite(graph)
    return graph


def _is_betainc(node: Apply) -> bool:
    return isinstance(node.op, Elemwise) and isinstance(node.op.scalar_op, BetaInc)


@node_rewriter([Elemwise])
def betainc_of_one(graph: FunctionGraph, node: Apply) -> list[Variable] | None:
    """I_x(a, 1) = x^a (DLMF 8.17.7), as exp(a log x) so that a log around it cancels."""
    if not _is_betainc(node):
        return None
    a, b, x = node.inputs
    try:
        second = get_underlying_scalar_constant_value(b)
    except NotScalarConstantError:
        return None
    return [pt.exp(a * pt.log(x)).astype(node.outputs[0].dtype)] if second == 1 else None
