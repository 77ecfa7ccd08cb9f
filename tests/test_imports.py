"""Imports run against the arrow of the pipeline only, and the light paths stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import workbench

ROOT = Path(__file__).parent.parent
# A module may import those before it. errors, information, density and registry are leaves.
ARROW = [
    "errors", "information", "density", "functionals", "fisher", "table", "formula", "problem",
    "optimum", "uncertainty", "resampling", "estimate", "explained", "agreement", "recorded",
    "divergences", "evaluation", "leverage", "leaving_out", "reweighting", "learning",
    "cross_validation", "predictive", "implied", "comparison", "findings", "plots", "report",
    "registry", "examples", "catalogue", "study_file", "training", "recording", "study",
    "proposal", "cli",
]  # fmt: skip
ONLY = {
    "errors": set(),
    "information": {"errors"},
    "density": {"errors"},
    "divergences": {"density", "information", "errors"},
    "fisher": {"density", "errors"},
    "functionals": {"density", "errors"},
    "findings": {"information", "errors"},
    "plots": {"findings", "information", "errors"},
    "report": {"findings", "information", "errors", "plots"},
    "optimum": set(),
    "uncertainty": {"optimum"},
    "resampling": {"optimum"},
    "registry": {"errors"},
    "examples": set(),
    "explained": set(),
    "study_file": {"errors", "table", "formula"},
}
HOMES = {  # foreign packages and the only modules that may import them
    "pymc": {"problem"},
    "pytensor": {"problem"},
    "jax": {"problem"},
    "statsmodels": {"agreement"},
    "matplotlib": {"plots", "report"},
    "jinja2": {"report"},
    "click": {"cli"},
    "formulaic": {"formula"},
}


def modules():
    for path in sorted((ROOT / "workbench").rglob("*.py")):
        name = path.relative_to(ROOT / "workbench").parts[0].removesuffix(".py")
        if name not in ("__init__", "__main__"):
            yield name, path


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "workbench":
                yield from (f"workbench.{alias.name}" for alias in node.names)
            else:
                yield node.module


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda value: str(value)[-40:])
def test_imports_run_against_the_arrow(name, path):
    assert name in ARROW, f"{name} has no place in the pipeline yet"
    for target in imported(path):
        package, *rest = target.split(".")
        if package == "workbench" and rest and rest[0] != name:
            assert ARROW.index(rest[0]) < ARROW.index(name), f"{path} imports {target}"
            assert rest[0] in ONLY.get(name, ARROW), f"{path} imports {target}"
        assert name in HOMES.get(package, {name}), f"{path} imports {package}"
        assert package != "models", f"{path} imports models"


def test_models_never_import_workbench():
    for path in (ROOT / "models").rglob("*.py"):
        packages = {target.split(".")[0] for target in imported(path)}
        assert packages <= {
            "collections",
            "dataclasses",
            "typing",
            "models",
            "numpy",
            "pymc",
            "xarray",
        }


def test_no_module_bears_the_name_of_a_public_function():
    names = {path.stem for path in (ROOT / "workbench").iterdir()}
    assert not names & set(workbench.__all__)


def test_every_public_name_resolves():
    for name in workbench.__all__:
        assert getattr(workbench, name) is not None
    assert set(workbench.__all__) == set(workbench._HOME)
    with pytest.raises(AttributeError, match="no attribute 'chekc'"):
        _ = workbench.chekc


def loaded_by(statement):
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    ["import workbench", "import workbench.cli", "import workbench.report, workbench.findings"],
)
def test_light_paths_load_no_pymc(statement):
    assert not loaded_by(statement) & {"pymc", "pytensor", "jax", "statsmodels", "numba"}
