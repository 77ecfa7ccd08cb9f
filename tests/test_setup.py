"""The checkout sets itself up in one command, and the wheel works without the checkout."""

import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 60  # seconds after which a wrapper that should take one is taken to hang

# Plays Python for the wrapper: makes "environments" whose python is this script again, writes down
# what it was asked to install, and echoes what it was asked to run.
STUB = """#!/bin/sh
case "$1 $2" in
"-c "*) exec "{python}" "$@" ;;
"-m venv")
    echo "$@" >>"{journal}"
    for folder; do :; done
    mkdir -p "$folder/bin" && cp "$0" "$folder/bin/python" ;;
"-m uv")
    exec "{python}" -c "{install}" "{journal}" "$*" ;;
"-m pip")
    echo "chatter of the installer"
    case "$*" in *--editable*) echo "$@" >>"{journal}"; exit "${{STUB_EXIT:-0}}" ;; esac ;;
*) echo "ran $*" ;;
esac
"""


# Not shell: dash can lose an interrupt that comes while it starts a command.
# SIGINT ends it at once: as an exception it can be lost in the closing of a file.
INSTALL = """import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
print('chatter of the installer', flush=True)
print(sys.argv[2], file=open(sys.argv[1], 'a'), flush=True)
time.sleep(float(os.environ.get('STUB_SECONDS', 0)))
sys.exit(int(os.environ.get('STUB_EXIT', 0)))"""


@dataclass(frozen=True)
class Checkout:
    """A checkout of the wrapper alone, in a path with spaces, and a stub in Python's place."""

    folder: Path
    python: Path
    environment: dict[str, str]

    @property
    def wrapper(self) -> Path:
        return self.folder / "wb"

    @property
    def installs(self) -> list[str]:
        journal = self.python.with_name("journal")
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [line for line in lines if "--editable" in line]

    def start(self, *arguments, wrapper=None, cwd=None, **environment) -> subprocess.Popen[str]:
        # What a shell without job control starts ignores Ctrl-C: ask for it back.
        heeding = (
            "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL);"
            "os.execv(sys.argv[1], sys.argv[1:])"
        )
        return subprocess.Popen(
            [sys.executable, "-c", heeding, str(wrapper or self.wrapper), *arguments],
            cwd=cwd or self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments, **options) -> subprocess.CompletedProcess[str]:
        return finish(self.start(*arguments, **options))


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    with process:
        out, err = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture
def checkout(tmp_path) -> Checkout:
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("wb", "pyproject.toml", "constraints.txt", ".python-version"):
        shutil.copy(ROOT / name, folder)
    python = tmp_path / "stub" / "python"
    python.parent.mkdir()
    journal = python.with_name("journal")
    python.write_text(STUB.format(python=sys.executable, journal=journal, install=INSTALL))
    python.chmod(0o755)
    ours = {name: text for name, text in os.environ.items() if not name.startswith("WORKBENCH_")}
    return Checkout(folder, python, ours | {"WORKBENCH_PYTHON": str(python)})


def test_set_up_leaves_stdout_to_the_command(checkout):
    run = checkout.run("run", "my study.toml")
    assert (run.returncode, run.stdout) == (0, "ran -P -m workbench run my study.toml\n")
    assert len(run.stderr.splitlines()) == 1
    assert "Setting up" in run.stderr


def test_set_up_compiles_bytecode_and_keeps_to_the_constraints(checkout):
    checkout.run()
    (install,) = checkout.installs
    assert "--compile-bytecode" in install
    assert "--constraints constraints.txt" in install
    assert "--group dev" in install


def test_a_second_run_sets_nothing_up(checkout):
    checkout.run()
    run = checkout.run("models")
    assert (run.stdout, run.stderr) == ("ran -P -m workbench models\n", "")
    assert len(checkout.installs) == 1


def test_test_runs_pytest(checkout):
    assert checkout.run("test", "--slow", "-k", "a b").stdout == "ran -m pytest --slow -k a b\n"


def test_the_wrapper_works_through_symlinks_and_from_elsewhere(checkout, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "near").symlink_to("../a checkout/wb")
    (elsewhere / "far").symlink_to(elsewhere / "near")
    run = checkout.run("models", wrapper=elsewhere / "far", cwd=elsewhere)
    assert run.returncode == 0
    assert (checkout.folder / ".venv" / "bin" / "python").exists()
    assert not (elsewhere / ".venv").exists()


def test_changed_constraints_are_installed_into_the_same_environment(checkout):
    checkout.run()
    kept = checkout.folder / ".venv" / "kept"
    kept.touch()
    with (checkout.folder / "constraints.txt").open("a") as constraints:
        constraints.write("another==1.0\n")
    checkout.run()
    assert len(checkout.installs) == 2
    assert "--clear" not in checkout.python.with_name("journal").read_text().splitlines()[2]


@pytest.mark.parametrize("stamp", [None, "", "rubbish\n", "1 2\n3\n4\n"])
def test_an_environment_without_a_good_stamp_is_made_anew(checkout, stamp):
    checkout.run()
    path = checkout.folder / ".venv" / ".workbench"
    path.unlink()
    if stamp is not None:
        path.write_text(stamp)
    assert checkout.run().returncode == 0
    assert len(checkout.installs) == 2
    assert "--clear" in checkout.python.with_name("journal").read_text().splitlines()[2]


def test_a_moved_checkout_is_set_up_again(checkout, tmp_path):
    checkout.run()
    moved = checkout.folder.rename(tmp_path / "moved checkout")
    assert checkout.run(wrapper=moved / "wb", cwd=moved).returncode == 0
    assert len(checkout.installs) == 2


def test_two_first_runs_install_once(checkout):
    runs = [checkout.start("models", STUB_SECONDS="1") for _ in range(2)]
    for run in map(finish, runs):
        assert (run.returncode, run.stdout) == (0, "ran -P -m workbench models\n")
    assert len(checkout.installs) == 1


def test_pip_installs_where_uv_fails(checkout):
    stub = checkout.python.read_text()
    checkout.python.write_text(stub.replace("'STUB_EXIT', 0", "'STUB_EXIT', 1"))
    assert checkout.run().returncode == 0
    by_uv, by_pip = checkout.installs
    assert by_uv.startswith("-m uv")
    assert by_pip.startswith("-m pip")
    assert "--compile --constraint constraints.txt --group dev" in by_pip


def test_a_failed_set_up_shows_the_log_and_is_tried_again(checkout):
    run = checkout.run(STUB_EXIT="1")
    assert (run.returncode, run.stdout) == (3, "")
    assert "chatter of the installer" in run.stderr
    assert "could not be set up" in run.stderr.splitlines()[-1]
    assert checkout.run().returncode == 0


def test_control_c_during_set_up_leaves_130_and_the_next_run_repairs(checkout):
    process = checkout.start(STUB_SECONDS=str(PATIENCE))
    assert "Setting up" in process.stderr.readline()
    while not checkout.installs:  # until the installer is at work
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    assert finish(process).returncode == 130
    assert checkout.run().returncode == 0


def tools_alone(folder: Path) -> str:
    """A PATH with what the wrapper calls and no Python."""
    folder.mkdir()
    for tool in (
        "sh",
        "dirname",
        "cat",
        "cksum",
        "readlink",
        "grep",
        "mktemp",
        "mkdir",
        "rm",
        "cp",
    ):
        (folder / tool).symlink_to(shutil.which(tool))
    for tool in ("tail", "sed", "sleep"):
        (folder / tool).symlink_to(shutil.which(tool))
    return str(folder)


def without_python(checkout: Checkout, folder: Path) -> dict[str, str]:
    path = tools_alone(folder)
    return {"WORKBENCH_PYTHON": "", "PATH": path, "PYENV_ROOT": str(folder), "HOME": str(folder)}


def test_no_python_is_one_sentence_and_exit_3(checkout, tmp_path):
    run = checkout.run(**without_python(checkout, tmp_path / "bin"))
    assert (run.returncode, run.stdout) == (3, "")
    assert re.fullmatch(
        r"wb: No working Python 3\.12, 3\.13 or 3\.14 .*WORKBENCH_PYTHON\.\n", run.stderr
    )


def test_a_shim_that_does_not_run_is_passed_over(checkout, tmp_path):
    environment = without_python(checkout, tmp_path / "bin")
    shim = tmp_path / "bin" / "python3"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    assert checkout.run(**environment).returncode == 3
    version = "{}.{}".format(*sys.version_info)
    real = tmp_path / "bin" / "versions" / f"{version}.99" / "bin" / "python3"
    real.parent.mkdir(parents=True)
    real.symlink_to(checkout.python)
    run = checkout.run("models", **environment)
    assert (run.returncode, run.stdout) == (0, "ran -P -m workbench models\n")


def test_a_forced_python_that_will_not_do_is_named(checkout):
    run = checkout.run(WORKBENCH_PYTHON="/nowhere/python")
    assert (run.returncode, run.stdout) == (3, "")
    assert "WORKBENCH_PYTHON=/nowhere/python does not run" in run.stderr


def test_constraints_pin_every_dependency_and_name_no_host():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [re.fullmatch(r"([a-z0-9.-]+)==[\w.]+( ; .+)?", line) for line in lines]
    assert all(pinned), [line for line, pin in zip(lines, pinned, strict=True) if not pin]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {re.match(r"[\w.-]+", requirement)[0].lower() for requirement in asked}
    assert names <= {pin[1] for pin in pinned}


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == project["version"]
    assert re.search(r"^license: (.+)$", citation, re.MULTILINE)[1] == project["license"]


# The wheel, outside the checkout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The scripts of a fresh environment with the wheel in it, which borrows our dependencies.

    A .pth file inside a folder that a .pth file named is not read: so the editable install of the
    checkout, which is such a file, stays out of sight.
    """
    folder = tmp_path_factory.mktemp("installed") / "environment"
    venv.create(folder)
    python = folder / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    found = subprocess.run([str(python), "-c", ask], check=True, capture_output=True, text=True)
    borrowed = Path(found.stdout.strip()) / "borrowed.pth"
    borrowed.write_text(sysconfig.get_path("purelib") + "\n")
    return python.parent


def outside(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_the_wheel_holds_models_templates_and_style(wheel):
    inside = set(ZipFile(wheel).namelist())
    beside = [path for path in (ROOT / "workbench" / "report").rglob("*") if path.is_file()]
    shown = {
        str(path.relative_to(ROOT)) for path in beside if path.suffix in {".html", ".css", ".js"}
    }
    assert any(name.startswith("workbench/report/templates/") for name in shown)
    assert any(name.endswith(".css") for name in shown)
    assert shown <= inside
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "models").glob("*.py")} <= inside
    assert not any(name.startswith("tests/") for name in inside)


@pytest.mark.slow
def test_the_installed_command_needs_no_checkout(installed, tmp_path):
    python = str(installed / "python")
    where = outside([python, "-c", "import models, workbench; print(workbench.__file__)"], tmp_path)
    assert where.stdout.startswith(str(installed.parent)), where.stderr
    for command in ([str(installed / "workbench")], [python, "-m", "workbench"]):
        run = outside([*command, "--help"], tmp_path)
        assert run.returncode == 0, run.stderr
        assert "validate" in run.stdout


STUDY = """
title = "Tiny"
question = "Does the installed command draw a page?"
seed = 1
[data]
file = "tiny.csv"
[split]
heldout = 0.25
[defaults]
formula = "y ~ x"
[models.Poisson]
define = "counts:poisson"
[report]
reference = "Poisson"
"""


@pytest.mark.slow
def test_the_installed_command_runs_a_study(installed, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=120)
    rows = [f"{a:.6f},{y}" for a, y in zip(x, rng.poisson(np.exp(0.5 + 0.3 * x)), strict=True)]
    (tmp_path / "tiny.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    (tmp_path / "study.toml").write_text(STUDY)
    run = outside([str(installed / "workbench"), "run", "study.toml"], tmp_path)
    assert run.returncode == 0, run.stderr
    assert "Poisson" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "findings.json").exists()
