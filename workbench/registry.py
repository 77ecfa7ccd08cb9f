"""Definitions by name: `counts:poisson`, `package.module:function`, `my_models.py:growth`."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from workbench.errors import ModelError, foreign_code, nearest

GROUP = "workbench.models"


def definition_named(name: str, folder: Path) -> Callable[..., Any]:
    """The definition that a study calls `name`; paths are taken from `folder`.

    Raises ModelError: no such file, module or function, or one that cannot be loaded.
    """
    home, colon, function = name.rpartition(":")
    if not colon or not home or not function:
        raise ModelError(
            f"'{name}' does not name a definition; write file and function, such as "
            "'counts:poisson' or 'my_models.py:growth'"
        )
    module = _from_file(folder / home) if home.endswith(".py") else module_named(home)
    found = getattr(module, function, None)
    if not callable(found):
        offered = definitions_in(module)
        hint = nearest(function, offered) or f"; it has {', '.join(offered) or 'none'}"
        raise ModelError(f"{home} has no definition '{function}'{hint}")
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


def module_named(home: str) -> ModuleType:
    """A registered file of definitions, or any importable one. Raises ModelError."""
    registered = {point.name: point.value for point in entry_points(group=GROUP)}
    where = registered.get(home, home)
    with foreign_code(home, "cannot be loaded:"):
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as reason:
            if not f"{where}.".startswith(f"{reason.name}."):  # a module that `where` itself wants
                raise
            raise ModelError(_not_found(home, registered)) from reason


def _not_found(home: str, registered: Mapping[str, str]) -> str:
    if home in registered:
        where = registered[home]
        return f"the models '{home}' should be in {where}, which is not there{_shadow(where)}"
    known = ", ".join(sorted(registered)) or "none"
    return (
        f"no models are called '{home}'{nearest(home, registered) or f'; registered are {known}'}"
    )


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
    with foreign_code(str(path), "cannot be loaded:"):
        spec.loader.exec_module(module)
    return module
