"""An outcome's random draw as it stands in the graph: PyMC's own forward sampling, given theta."""

from collections.abc import Mapping
from dataclasses import dataclass

from pytensor.graph.basic import Constant, Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors, walk
from pytensor.tensor.random.type import RandomType
from pytensor.tensor.shape import Shape, Shape_i


@dataclass(frozen=True)
class SymbolicDraw:
    """One draw of the outcome, a function of theta, the rows' arrays and `generators`."""

    outcome: Variable
    generators: tuple[Variable, ...]  # inputs: one random generator for each random variable
    fed_back: bool  # whether the outcome's own values stand among its parameters


def read_draw(
    outcome: Variable, observed: Variable, inputs: Mapping[Variable, Variable]
) -> SymbolicDraw:
    """The draw of a random variable, given theta, that PyMC observes as `observed`.

    `inputs` puts the rows' arrays in the place of the model's data.
    """
    fed_back = bool(_read_by(outcome) & _sources(observed))
    [drawn] = graph_replace([outcome], dict(inputs), strict=False)
    leaves = [leaf for leaf in ancestors([drawn]) if leaf.owner is None]
    generators = {leaf: leaf.type() for leaf in leaves if isinstance(leaf.type, RandomType)}
    [drawn] = graph_replace([drawn], generators, strict=False)
    return SymbolicDraw(drawn, tuple(generators.values()), fed_back)


def _sources(observed: Variable) -> set[Variable]:
    """The data that observed values are made of; a constant only where it is they themselves."""
    leaves = {leaf for leaf in ancestors([observed]) if leaf.owner is None}
    made = {leaf for leaf in leaves if not isinstance(leaf, Constant)}
    return made or leaves


def _read_by(outcome: Variable) -> set[Variable]:
    """What a draw reads the values of, and not the lengths alone."""

    def inputs(variable: Variable) -> list[Variable]:
        node = variable.owner
        return [] if node is None or isinstance(node.op, Shape | Shape_i) else list(node.inputs)

    return set(walk([outcome], inputs))
