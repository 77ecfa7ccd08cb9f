"""Linear predictors: where rows meet parameters in a product of a design with coefficients.

A row's term reads them as a few numbers, so its second derivatives are few, whatever the number
of columns; those by coefficients follow by products of the design with itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pytensor.graph import FunctionGraph
from pytensor.graph.basic import Apply, Constant, Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.math import Dot
from pytensor.tensor.shape import Reshape
from pytensor.tensor.subtensor import Subtensor, indices_from_subtensor


@dataclass(frozen=True)
class Predictor:
    """`product` (n, m), that of `design` (n, p), of the rows alone, and `coefficients` (p, m)."""

    product: Variable
    design: Variable
    coefficients: Variable
    places: np.ndarray | None  # the coordinates of theta that the coefficients are, in C order


@dataclass(frozen=True)
class Split:
    """The rows' terms as a function of theta, the predictors' products, and the data."""

    predictors: tuple[Predictor, ...]
    terms: Variable
    direct: np.ndarray  # the coordinates of theta that the terms read otherwise, ascending


def split(graph: FunctionGraph, rows: Sequence[Variable]) -> Split | None:
    """A graph of rows' terms, its first input theta, by its linear predictors; None without any.

    rows
        Those of its inputs that vary by row.
    """
    theta, count = graph.inputs[0], graph.inputs[0].type.shape[0]
    products = [node for node in graph.toposort() if _is_predictor(node, theta, rows)]
    if not products or count is None:
        return None
    predictors = tuple(_predictor(node, theta, count) for node in products)
    replaced = {
        node.outputs[0]: one.product for node, one in zip(products, predictors, strict=True)
    }
    terms = graph_replace([graph.outputs[0]], replaced)[0]
    return Split(predictors, terms, _read(terms, theta, count))


def _predictor(node: Apply, theta: Variable, count: int) -> Predictor:
    design, coefficients = node.inputs
    return Predictor(
        node.outputs[0].type(), design, coefficients, _places(coefficients, theta, count)
    )


def _is_predictor(node: Apply, theta: Variable, rows: Sequence[Variable]) -> bool:
    if not isinstance(node.op, Dot) or any(factor.ndim != 2 for factor in node.inputs):
        return False
    design, coefficients = (set(ancestors([factor])) for factor in node.inputs)
    return (
        theta in coefficients
        and theta not in design
        and coefficients.isdisjoint(rows)
        and not design.isdisjoint(rows)
    )


def _places(coefficients: Variable, theta: Variable, count: int) -> np.ndarray | None:
    """The coordinates of theta behind reshapings; None for any other function of theta."""
    node = coefficients.owner
    while node is not None and (isinstance(node.op, Reshape) or _adds_axes(node)):
        coefficients, node = node.inputs[0], node.inputs[0].owner
    if coefficients is theta:
        return np.arange(count)
    return _taken(node, theta, count) if node is not None else None


def _adds_axes(node: Apply) -> bool:
    if not isinstance(node.op, DimShuffle):
        return False
    kept = [axis for axis in node.op.new_order if axis != "x"]
    return kept == sorted(kept)


def _taken(node: Apply, theta: Variable, count: int) -> np.ndarray | None:
    """The coordinates that a piece cut from theta takes; None where it is no such piece."""
    cut = isinstance(node.op, Subtensor) and node.inputs[0] is theta
    if not cut or not all(isinstance(place, Constant) for place in node.inputs[1:]):
        return None
    taken = indices_from_subtensor([int(place.data) for place in node.inputs[1:]], node.op.idx_list)
    return np.atleast_1d(np.arange(count)[taken])


def _read(terms: Variable, theta: Variable, count: int) -> np.ndarray:
    """The coordinates of theta that a graph reads."""
    read = np.zeros(count, dtype=bool)
    for variable in ancestors([terms]):
        if variable.owner is not None and theta in variable.owner.inputs:
            places = _taken(variable.owner, theta, count)
            read[slice(None) if places is None else places] = True
    return np.flatnonzero(read)
