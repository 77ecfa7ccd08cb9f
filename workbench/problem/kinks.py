"""Kinks: where a log density bends at once, as |x| does at zero, and the same density rounded.

A kink's gap is what is zero on it and changes sign across it: x itself. Rounded over a width, |x|
becomes the root of x^2 + width^2, which is as convex, and what else chooses by a sign follows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors, toposort
from pytensor.scalar.basic import (
    Abs,
    Add,
    Cast,
    Clip,
    Exp,
    Log,
    Maximum,
    Minimum,
    Mul,
    Neg,
    Pow,
    Sign,
    TrueDiv,
)
from pytensor.scalar.math import Sigmoid, Softplus
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.shape import Reshape
from pytensor.tensor.subtensor import Subtensor


@dataclass(frozen=True)
class Rounding:
    """`outputs` with their kinks rounded over `widths`, a vector: one for each of `gaps`."""

    outputs: tuple[Variable, ...]
    gaps: tuple[Variable, ...]
    by_row: tuple[bool, ...]  # whether a gap reads the rows, and has a value or more for each
    widths: Variable


def rounding(
    outputs: Sequence[Variable], theta: Variable, rows: Sequence[Variable]
) -> Rounding | None:
    """The outputs rounded at their kinks in theta; None where they have none.

    rows
        The inputs that vary by row.
    """
    kinks, poles = Kinks(), _poles(outputs)
    found = {node.outputs[0]: ROUNDED[_scalar(node)](kinks, node) for node in _moved(outputs, theta)
             if _scalar(node) in ROUNDED and node.outputs[0] not in poles}  # fmt: skip
    replaced = {old: new for old, new in found.items() if new is not None}
    if not replaced:
        return None
    smooth = graph_replace(list(outputs), replaced, strict=False)
    gaps = tuple(kinks.gaps.values())
    by_row = tuple(not set(rows).isdisjoint(ancestors([gap])) for gap in gaps)
    return Rounding(tuple(smooth), gaps, by_row, kinks.widths)


class Kinks:
    """The gaps that were met, and |gap| rounded, each over a width of its own."""

    def __init__(self) -> None:
        self.widths = pt.vector("widths")
        self.gaps: dict[tuple[Variable, ...], Variable] = {}

    def size(self, x: Variable, *y: Variable) -> Variable:
        """|x|, or |x - y|."""
        gap = self.gaps.setdefault((x, *y), x - y[0] if y else x)
        width = self.widths[list(self.gaps).index((x, *y))]
        return pt.sqrt(gap**2 + width**2)


def _abs(kinks: Kinks, node: Apply) -> Variable | None:
    [x] = node.inputs
    return None if _positive(x) else kinks.size(x)


def _sign(kinks: Kinks, node: Apply) -> Variable | None:
    [x] = node.inputs
    return None if _positive(x) else x / kinks.size(x)


def _asymmetric(kinks: Kinks, node: Apply) -> Variable | None:
    """x s a^s = x (a - 1/a) / 2 + |x| (a + 1/a) / 2, of the sign s of x, and with a = 1 x s = |x|.

    Among the factors of a product, as in PyMC's AsymmetricLaplace.
    """
    factors = _factors(node)
    for sign in (one for one in factors if _of(one, Sign)):
        [x] = sign.owner.inputs
        itself = [
            one for one in factors if one is x or (_of(one, Neg) and one.owner.inputs[0] is x)
        ]
        powers = [one for one in factors if _of(one, Pow) and _sign_of(one.owner.inputs[1], x)]
        if itself and len(powers) < 2:
            a = powers[0].owner.inputs[0] if powers else pt.ones(())
            used = (sign, itself[0], *powers)
            others = [one for one in factors if all(one is not other for other in used)]
            turned = 1.0 if itself[0] is x else -1.0
            return pt.mul(turned, *others, 0.5 * ((a - 1 / a) * x + (a + 1 / a) * kinks.size(x)))
    return None


def _sign_of(variable: Variable, x: Variable) -> bool:
    return _of(variable, Sign) and variable.owner.inputs[0] is x


def _maximum(kinks: Kinks, node: Apply) -> Variable:
    a, b = node.inputs
    return 0.5 * (a + b + kinks.size(a, b))


def _minimum(kinks: Kinks, node: Apply) -> Variable:
    a, b = node.inputs
    return 0.5 * (a + b - kinks.size(a, b))


def _clip(kinks: Kinks, node: Apply) -> Variable:
    x, low, high = node.inputs
    return 0.5 * (low + high + kinks.size(x, low) - kinks.size(x, high))


ROUNDED: dict[type | None, Callable[[Kinks, Apply], Variable | None]] = {
    Abs: _abs,
    Sign: _sign,
    Mul: _asymmetric,
    Maximum: _maximum,
    Minimum: _minimum,
    Clip: _clip,
}


def _moved(outputs: Sequence[Variable], theta: Variable) -> Iterator[Apply]:
    """The nodes by whose values theta moves the outputs: not by a length or a condition."""
    moved, nodes = {theta}, list(toposort(outputs))
    for node in nodes:
        if not moved.isdisjoint(node.inputs):
            moved.update(filter(_real, node.outputs))
    read = set(outputs)
    for node in reversed(nodes):
        if not read.isdisjoint(node.outputs):
            read.update(filter(_real, node.inputs))
    return (node for node in nodes if node.outputs[0] in moved and node.outputs[0] in read)


def _poles(outputs: Sequence[Variable]) -> set[Variable]:
    """Absolute values that logarithms alone read, as a determinant's: at zero they have no kink."""
    nodes = toposort(outputs)
    uses = [(one, _scalar(node) is Log) for node in nodes for one in node.inputs if _of(one, Abs)]
    return {one for one, log in uses if log} - {one for one, log in uses if not log} - {*outputs}


def _real(variable: Variable) -> bool:
    return getattr(variable.type, "dtype", "").startswith("float")


def _scalar(node: Apply) -> type | None:
    return type(node.op.scalar_op) if isinstance(node.op, Elemwise) else None


def _of(variable: Variable, operation: type) -> bool:
    return variable.owner is not None and _scalar(variable.owner) is operation


def _factors(node: Apply) -> list[Variable]:
    """Those of a product of products."""
    return [
        factor
        for one in node.inputs
        for factor in (_factors(one.owner) if _of(one, Mul) else [one])
    ]


def _positive(variable: Variable) -> bool:
    """Whether it is above zero whatever theta: PyMC takes the sign of a scale."""
    if isinstance(variable, Constant):
        return bool(np.all(variable.data > 0))
    node = variable.owner
    if node is None:
        return False
    if isinstance(node.op, DimShuffle | Reshape | Subtensor):
        return _positive(node.inputs[0])
    if _scalar(node) in (Add, Cast, Mul, TrueDiv):
        return all(map(_positive, node.inputs))
    return _scalar(node) in (Exp, Sigmoid, Softplus)
