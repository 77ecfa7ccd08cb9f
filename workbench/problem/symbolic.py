"""An outcome's distribution as it stands in the graph: its name, parameters and components."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pytensor.graph.basic import Variable

from workbench.density import Distribution

# The symbolic distributions whose inputs are themselves distributions.
COMPOSITES = {"MixtureRV": "Mixture", "_HurdleRV": "Hurdle", "CensoredRV": "Censored"}
# Those whose own parameter is a probability for each component or category.
SPREAD = {"Mixture", "Hurdle", "Categorical"}


@dataclass(frozen=True)
class SymbolicDistribution:
    """`density.Distribution` before there are numbers: `parameters` are PyTensor variables."""

    name: str
    parameters: tuple[Variable, ...]
    components: tuple["SymbolicDistribution", ...] = ()

    @property
    def leaves(self) -> tuple[Variable, ...]:
        """All parameters, depth first: this node's own, then its components'."""
        below = (leaf for component in self.components for leaf in component.leaves)
        return (*self.parameters, *below)

    @property
    def spread(self) -> tuple[bool, ...]:
        """Whether each leaf holds one number for each component or category, on its last axis."""
        below = (flag for component in self.components for flag in component.spread)
        return (*(self.name in SPREAD for _ in self.parameters), *below)

    def with_leaves(self, leaves: Sequence[Variable]) -> "SymbolicDistribution":
        """The same tree over other variables, in the order of `leaves`."""
        return self._take(iter(leaves))

    def _take(self, leaves: Iterator[Variable]) -> "SymbolicDistribution":
        parameters = tuple(next(leaves) for _ in self.parameters)
        components = tuple(component._take(leaves) for component in self.components)
        return replace(self, parameters=parameters, components=components)

    def numbers(self, leaves: Sequence[np.ndarray]) -> Distribution:
        """The tree with an array in each leaf's place."""
        return _numbers(self, iter(leaves))


def _numbers(tree: SymbolicDistribution, leaves: Iterator[np.ndarray]) -> Distribution:
    parameters = tuple(next(leaves) for _ in tree.parameters)
    return Distribution(
        tree.name, parameters, tuple(_numbers(component, leaves) for component in tree.components)
    )


def read_distribution(rv: Variable) -> SymbolicDistribution:
    """The tree of one random variable of a PyMC model."""
    operation = rv.owner.op
    kind = type(operation).__name__
    if kind == "TruncatedRV":  # it alone stores its base as an operation and that one's inputs
        *base, lower, upper = rv.owner.inputs
        component = operation.base_rv_op.make_node(*base).default_output()
        return SymbolicDistribution("Truncated", (lower, upper), (read_distribution(component),))
    inputs = tuple(operation.dist_params(rv.owner))
    if kind not in COMPOSITES:
        return SymbolicDistribution(_printed_name(rv), inputs)
    # Told by place: weights may be a random variable, too, as a Dirichlet's are.
    first = inputs[:1]
    if COMPOSITES[kind] == "Censored":
        return SymbolicDistribution("Censored", inputs[1:], tuple(map(read_distribution, first)))
    components = tuple(map(read_distribution, inputs[1:]))
    return SymbolicDistribution(COMPOSITES[kind], first, components)


def _printed_name(rv: Variable) -> str:
    printed = getattr(rv.owner.op, "_print_name", None)
    return str(printed[0]) if printed else type(rv.owner.op).__name__.removesuffix("RV")
