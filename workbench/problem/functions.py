"""A problem's functions, each compiled at first use by the first engine that can, and kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pytensor.graph.basic import Variable

from workbench.errors import ModelError
from workbench.problem import jax_engine, pytensor_engine
from workbench.problem.graph import Graph

Maker = Callable[..., Callable[..., Any]]
ENGINES = {"jax": jax_engine, "pytensor": pytensor_engine}


@dataclass
class Functions:
    """Compiled functions of (theta, arrays, weights) by name, and the engine behind each.

    `engine` is "auto", or the one to use. This is the one mutable value of a problem: a cache.
    """

    graph: Graph
    engine: str = "auto"
    engines: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def __call__(self, name: str, *arguments: Any) -> Any:
        if name not in self.kept:
            self.engines[name], self.kept[name] = self._compile(name, arguments)
        return self.kept[name](*arguments)

    def _compile(self, name: str, example: tuple[Any, ...]) -> tuple[str, Callable[..., Any]]:
        inputs, output = self._symbols(name)
        reasons = []
        for label, make, unsupported in _makers(name, self.engine):
            try:
                return label, make(inputs, output, example)
            except unsupported as reason:
                reasons.append(f"{label}: {str(reason).splitlines()[0]}")
        raise ModelError(f"no engine can compile this model's {name} ({'; '.join(reasons)})")

    def _symbols(self, name: str) -> tuple[list[Variable], Any]:
        graph = self.graph
        arrays = [row.variable for row in graph.inputs]
        return {
            "objective": ([graph.theta, graph.prior, graph.weights, *arrays], graph.objective),
            "hessian": ([graph.theta, graph.prior, graph.weights, *arrays], graph.objective),
            "pointwise": ([graph.theta, *arrays], [graph.pointwise]),
            "scores": ([graph.theta, *arrays], graph.pointwise),
            "log_prior": ([graph.theta, *arrays], [graph.log_prior]),
            "natural": ([graph.theta, *arrays], [graph.natural]),
            "natural_jacobian": ([graph.theta, *arrays], graph.natural),
            "unconstrained": ([graph.naturals, *arrays], [graph.unconstrained]),
            "distribution": (
                [graph.theta, *arrays],
                list(graph.distribution.leaves) if graph.distribution else [],
            ),
        }[name]


KINDS = {
    "objective": "value_and_gradient",
    "hessian": "hessian",
    "scores": "jacobian",
    "natural_jacobian": "jacobian",
}


def _makers(name: str, engine: str) -> Sequence[tuple[str, Maker, tuple[type[Exception], ...]]]:
    """Ways to compile one function, best first."""
    kind = KINDS.get(name, "values")
    ways: list[tuple[str, Maker, tuple[type[Exception], ...]]] = []
    for key, module in ENGINES.items():
        if engine in ("auto", key):
            ways.append((module.NAME, getattr(module, kind), module.UNSUPPORTED))
    if kind == "hessian":
        differences = pytensor_engine.hessian_by_differences
        ways.append(
            ("differences of PyTensor's gradient", differences, pytensor_engine.UNSUPPORTED)
        )
    return ways


def put(functions: Functions, array: np.ndarray) -> Any:
    """The array as the problem's first engine wants it."""
    return ENGINES["jax" if functions.engine == "auto" else functions.engine].put(array)
