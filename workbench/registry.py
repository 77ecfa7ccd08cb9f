"""Definitions by name: `counts:poisson`, `package.module:function`, `my_models.py:growth`."""

import importlib
import importlib.util
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench.errors import ModelError, nearest

GROUP = "workbench.models"
# What code that is not ours may raise while it is loaded or called.
FOREIGN_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def definition_named(name: str, folder: Path) -> Callable[..., Any]:
    """The definition that a study calls `name`; paths are taken from `folder`.

    Raises ModelError: no such file, module or function, or one that cannot be loaded.
    """
    home, colon, function = name.rpartition(":")
    if not colon or not home or not function:
        raise ModelError(
            f"'{name}' does not name a definition; write file and function, such as 'counts:poisson' "
            "or 'my_models.py:growth'"
        )
    module = _from_file(folder / home) if home.endswith(".py") else _from_package(home)
    found = getattr(module, function, None)
    if not callable(found):
        offered = definitions_in(module)
        raise ModelError(
            f"{home} has no definition '{function}'{nearest(function, offered)} "
            f"(it has {', '.join(offered) or 'none'})"
        )
    return found  # type: ignore[no-any-return]


def definitions_in(module: ModuleType) -> list[str]:
    """Public callables that the module itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(getattr(value, "declare", value), "__module__", None) == module.__name__
    ]


def _from_package(home: str) -> ModuleType:
    registered = {point.name: point for point in entry_points(group=GROUP)}
    where = registered[home].value if home in registered else home
    try:
        module = importlib.import_module(where)
    except ImportError as reason:
        known = sorted(registered)
        raise ModelError(
            f"no models are called '{home}'{nearest(home, known)}; registered are "
            f"{', '.join(known) or 'none'}{_shadow(where)} ({reason})"
        ) from reason
    except FOREIGN_ERRORS as reason:
        raise ModelError(f"{home} cannot be loaded: {type(reason).__name__}: {reason}") from reason
    return module


def _shadow(where: str) -> str:
    """Say so if some other package of the same name stands in front of ours."""
    package = where.split(".", maxsplit=1)[0]
    found = importlib.util.find_spec(package)
    ours = Path(__file__).resolve().parent.parent / package
    if package != "models" or found is None or found.origin is None:
        return ""
    there = Path(found.origin).resolve().parent
    return "" if there == ours else f"; the package 'models' at {there} hides the workbench's own"


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        beside = [other.name for other in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise ModelError(f"there is no file {path}{nearest(path.name, beside)}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except FOREIGN_ERRORS as reason:
        raise ModelError(f"{path} cannot be loaded: {type(reason).__name__}: {reason}") from reason
    return module
