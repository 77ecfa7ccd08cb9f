"""The definitions that a study can name, and what each takes and estimates."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from workbench.errors import ModelError
from workbench.examples import KINDS, example
from workbench.problem import Parameter, bind
from workbench.registry import GROUP, definition_named, definitions_in, module_named


@dataclass(frozen=True)
class Entry:
    """A definition by the name that a study gives it, and its docstring's first line."""

    name: str
    line: str
    outcome: str
    definition: Callable[..., Any]


@dataclass(frozen=True)
class Description:
    """One definition: what it is, what data it takes, and what it estimates.

    `reason` says why the parameters are not known, where they are not.
    """

    name: str
    documentation: str
    expects: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    reason: str


def listed() -> tuple[Entry, ...]:
    """Every definition of the registered files, by file and in the order in which they stand."""
    files = sorted({point.name for point in entry_points(group=GROUP)})
    return tuple(
        _entry(f"{file}:{name}", getattr(module, name))
        for file in files
        for module in [module_named(file)]
        for name in definitions_in(module)
    )


def _entry(name: str, definition: Callable[..., Any]) -> Entry:
    line = (definition.__doc__ or "").strip().partition("\n")[0]
    return Entry(name, line, getattr(definition, "outcome", ""), definition)


def described(name: str, folder: Path) -> Description:
    """What a definition is. Raises ModelError where there is none of that name."""
    definition = definition_named(name, folder)
    parameters: tuple[Parameter, ...] = ()
    reason = ""
    try:
        parameters = bind(definition, example(definition)).parameters
    except ModelError as refusal:
        reason = str(refusal)
    return Description(
        name, _unindented(definition.__doc__ or ""), _expected(definition), parameters, reason
    )


def _unindented(documentation: str) -> str:
    first, *others = documentation.strip().splitlines() or [""]
    return "\n".join([first, *(line.strip() for line in others)])


def _expected(definition: Any) -> tuple[str, ...]:
    """The data that the definition takes, one line a column."""
    kind = getattr(definition, "outcome", "")
    told = [f"y: {KINDS[kind]}"] if kind in KINDS else ["y: see its docstring"]
    told.append("X: the terms of the formula")
    told += [f"X_{one}: the terms of the formula '{one}', else the main ones"
             for one in getattr(definition, "predictors", ())]  # fmt: skip
    told += [f"{one}: needed" for one in getattr(definition, "needs", ())]
    told += [f"{one}: read where it is declared" for one in getattr(definition, "takes", ())]
    if getattr(definition, "unit", "row") == "group":
        told.append("group: needed; the rows of a group are one unit of the likelihood")
    return tuple(told)
