"""The `pm.Deterministic`s of a model as functions of theta and the data, read when asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pymc as pm
import pytensor
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.random.type import RandomType

from workbench.errors import DataError, ModelError, nearest

if TYPE_CHECKING:
    from workbench.problem.graph import RowInput
    from workbench.problem.rows import Rows

# Any expression of the model -> a function of theta and the data, and what it reads beyond the
# likelihood.
Rewriting = Callable[[Variable], tuple[Variable, tuple["RowInput", ...]]]
ENGINE_NAME = "deterministic "  # with the Deterministic's own, the compiled function's


@dataclass(frozen=True, eq=False)
class SymbolicDeterministic:
    """One Deterministic: `variable` is a function of theta, the likelihood's data and `further`."""

    name: str
    variable: Variable
    further: tuple["RowInput", ...]  # data that the likelihood does not read
    axes: tuple[tuple[Any, ...] | None, ...]  # coordinates; None where an axis may be the rows
    by_row: tuple[bool, ...]  # whether an axis is declared to be the rows
    steps: bool  # of whole numbers or truth values: it moves with theta in steps

    def labels(self, shape: tuple[int, ...], rows: np.ndarray) -> tuple[str, ...]:
        """`name[coordinate]` of each value; `rows` are the rows' labels.

        An axis without declared dims counts as the rows' if its length is not written into the
        model and is theirs.
        """
        if not shape:
            return (self.name,)
        axes = []
        for axis, length in enumerate(shape):
            open_length = self.variable.type.shape[axis] is None and self.axes[axis] is None
            if self.by_row[axis] or (open_length and length == len(rows)):
                axes.append(tuple(rows))
            else:
                known = self.axes[axis] or ()
                axes.append(known if len(known) == length else tuple(range(length)))
        return tuple(f"{self.name}[{', '.join(map(str, point))}]" for point in product(*axes))


@dataclass(frozen=True, eq=False)
class DeterministicValues:
    """Values (m,) by label, and d value / d theta (m, k); NaN for what moves in steps."""

    labels: tuple[str, ...]
    values: np.ndarray
    jacobian: np.ndarray


class Deterministics(Mapping[str, SymbolicDeterministic]):
    """Those of a model that are functions of its parameters, by name; each read at first use."""

    def __init__(self, model: pm.Model, rewriting: Rewriting, row_dims: set[str]) -> None:
        self._model, self._rewriting, self._row_dims = model, rewriting, row_dims
        self._read: dict[str, SymbolicDeterministic] = {}

    def __getitem__(self, name: str) -> SymbolicDeterministic:
        if name not in self._read:
            self._read[name] = self._made(self._declared[name])
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._declared if not self._reasons[name])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def chosen(self, names: Sequence[str]) -> tuple[str, ...]:
        """These names, or all; ModelError for one that is no function of the parameters."""
        if not self._declared:
            raise ModelError("the model declares no pm.Deterministic")
        for name in names or (() if len(self) else self._declared):
            if name not in self._declared:
                known = ", ".join(f"'{one}'" for one in self._declared)
                raise ModelError(
                    f"there is no Deterministic '{name}'{nearest(name, self._declared)}; the "
                    f"model declares {known}"
                )
            if self._reasons[name]:
                raise ModelError(f"the Deterministic '{name}' {self._reasons[name]}, so it is no "
                                 "function of the parameters")  # fmt: skip
        return tuple(names) or tuple(self)

    @cached_property
    def _declared(self) -> dict[str, Variable]:
        return {variable.name: variable for variable in self._model.deterministics}

    @cached_property
    def _reasons(self) -> dict[str, str]:
        """Why a Deterministic is no function of the parameters; empty for those that are."""
        return {name: self._reason(variable) for name, variable in self._declared.items()}

    def _reason(self, variable: Variable) -> str:
        free = set(self._model.free_RVs)
        read = set(ancestors([variable], blockers=free))
        for observed in self._model.observed_RVs:
            if observed in read:
                return f"depends on the observed '{observed.name}'"
        if any(isinstance(one.type, RandomType) for one in read):
            return "is drawn at random even if the parameters are known"
        return "" if read & free else "depends on no parameter"

    def _made(self, variable: Variable) -> SymbolicDeterministic:
        with pytensor.config.change_flags(cast_policy="numpy+floatX"):
            output, further = self._rewriting(variable)
        dims = self._model.named_vars_to_dims.get(variable.name) or (None,) * output.ndim
        coordinates = [self._model.coords.get(dim) if dim else None for dim in dims]
        axes = tuple(None if one is None else tuple(one) for one in coordinates)
        by_row = tuple(dim in self._row_dims for dim in dims)
        steps = np.dtype(variable.dtype).kind in "iub"
        return SymbolicDeterministic(variable.name, output, further, axes, by_row, steps)


def read_further(
    symbolic: SymbolicDeterministic, rows: "Rows", movable: bool, name: str
) -> list[np.ndarray]:
    """The arrays that a Deterministic reads and the likelihood does not, on these rows.

    `movable` says that the problem may stand on other rows than those it was bound to. Raises
    ModelError for an array as long as the rows that is written into the model, DataError where
    other rows do not bring what it reads.
    """
    arrays = []
    for row in symbolic.further:
        if row.constant and movable:
            raise ModelError(
                f"the Deterministic '{symbolic.name}' of {name} reads {row.name}, which stands in "
                "the model as a constant and would not follow the rows; wrap it in pm.Data"
            )
        if row.name not in rows.unread and row.varies_by_row and not row.constant:
            raise DataError(
                f"the Deterministic '{symbolic.name}' needs '{row.name}', which these rows do not "
                f"bring; they bring {', '.join(rows.unread) or 'nothing beyond the likelihood'}"
            )
        array = row.value if row.constant else rows.unread.get(row.name, row.value)
        arrays.append(np.asarray(array, dtype=row.value.dtype))
    return arrays
