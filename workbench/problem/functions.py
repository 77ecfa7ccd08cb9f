"""A problem's functions, each compiled at first use by the first engine that can, and kept."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np
import pytensor

from workbench.errors import ModelError
from workbench.problem import jax_engine, pytensor_engine
from workbench.problem.graph import Graph, rounded

ENGINES = {"jax": jax_engine, "pytensor": pytensor_engine}
DIFFERENCES = "differences of PyTensor's gradient"

Function = Callable[..., Any]
Derivatives = tuple[float, np.ndarray, np.ndarray]


class Functions:
    """Compiled functions by name, and the engine behind each: a cache, shared by all rows.

    `engine` is "auto", or the one to use. `independent` says that rows may be taken apart.
    """

    def __init__(self, graph: Graph, engine: str, independent: bool) -> None:
        self.graph, self.engine, self.independent = graph, engine, independent
        self.engines: dict[str, str] = {}
        self._kept: dict[str, Function] = {}
        self._draws_by = pytensor_engine.Engine(graph, independent)
        self._made_by = {
            key: module.Engine(graph, independent)
            for key, module in ENGINES.items()
            if engine in ("auto", key)
        }

    def __call__(self, name: str, *arguments: Any) -> Any:
        if name not in self._kept:
            self.engines[name], self._kept[name] = self._compile(name, arguments)
        return self._kept[name](*arguments)

    @cached_property
    def rounded(self) -> "Functions":
        """The same with the graph's kinks rounded."""
        return Functions(rounded(self.graph), self.engine, self.independent)

    def put(self, arrays: Sequence[np.ndarray]) -> tuple[Any, ...]:
        """The arrays as the first engine wants them."""
        return ENGINES[next(iter(self._made_by))].put(arrays)

    def _compile(self, name: str, example: tuple[Any, ...]) -> tuple[str, Function]:
        reasons = []
        for label, make, unsupported in self._ways(name, example):
            try:
                with pytensor.config.change_flags(traceback__limit=0):  # traces cost time
                    return label, make()
            except unsupported as reason:
                reasons.append(f"{label}: {str(reason).partition(chr(10))[0]}")
        raise ModelError(f"no engine can compile this model's {name} ({'; '.join(reasons)})")

    def _ways(
        self, name: str, example: tuple[Any, ...]
    ) -> Iterator[tuple[str, Callable[[], Function], tuple[type[Exception], ...]]]:
        """Ways to make one function, best first."""
        if name == "outcome":  # drawn at random, and by PyMC's own operations whatever the engine
            draw = partial(self._draws_by.make, name, example)
            yield pytensor_engine.NAME, draw, pytensor_engine.UNSUPPORTED
            return
        what = name.removeprefix("prior_")
        prior = name.removesuffix(what)
        apart = partial(self._apart, prior)
        for key, engine in self._made_by.items():
            module = ENGINES[key]
            if what == "hessian" and key == "jax":
                continue  # asked for only where JAX has no second derivatives
            if what == "derivatives" and key == "pytensor":
                yield f"see {prior}value_and_gradient and {prior}hessian", lambda: apart, ()
                return
            yield module.NAME, partial(engine.make, name, example), module.UNSUPPORTED
        if what == "hessian" and "pytensor" in self._made_by:
            differences = partial(self._made_by["pytensor"].hessian_by_differences, prior)
            yield DIFFERENCES, differences, pytensor_engine.UNSUPPORTED

    def _apart(self, prefix: str, *arguments: Any) -> Derivatives:
        """The derivatives by two functions, each by the engine that can."""
        value, gradient = self(f"{prefix}value_and_gradient", *arguments)
        return value, gradient, self(f"{prefix}hessian", *arguments)
