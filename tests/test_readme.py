"""What the README and the guides show is run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.library import DEFINITIONS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDES = sorted((ROOT / "docs").glob("*.md"))


def blocks(language, text=TEXT):
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands():
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith("./wb test")]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The reports, where the README's paths find them, so that no page lands in the checkout."""
    folder = tmp_path_factory.mktemp("readme")
    ignore = shutil.ignore_patterns("out")
    shutil.copytree(ROOT / "reports", folder / "reports", ignore=ignore)
    return folder


def run(arguments, folder):
    return subprocess.run(arguments, capture_output=True, text=True, cwd=folder)


def test_the_readme_has_the_two_commands():
    assert "./wb run reports/doctor-visits/study.toml" in commands()
    assert "./wb test" in TEXT


def test_the_readme_counts_the_definitions():
    count = len(DEFINITIONS)
    assert f"one of the {count} in" in TEXT
    assert f"A library of {count} definitions" in (ROOT / "CHANGELOG.md").read_text()


def test_the_python_examples_run(checkout):
    example = "\n".join(blocks("python"))
    done = run([sys.executable, "-W", "error", "-c", example], checkout)
    assert done.returncode == 0, done.stderr
    for words in ("negative_binomial: a minimum", "log-likelihood", "separated", "1 / alpha",
                  "Wald test of beta[lncoins] = 0"):  # fmt: skip
        assert words in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES, ids=[guide.stem for guide in GUIDES])
def test_the_guides_examples_run(guide, tmp_path):
    example = "\n".join(blocks("python", guide.read_text(encoding="utf-8")))
    done = run([sys.executable, "-W", "error", "-c", example], tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a minimum" in done.stdout


@pytest.mark.slow
def test_every_command_runs(checkout):
    # The wrapper has its own tests; here it stands for the package it starts.
    programs = {"./wb": [sys.executable, "-P", "-m", "workbench"],
                ".venv/bin/python": [sys.executable]}  # fmt: skip
    for line in commands():
        program, *arguments = shlex.split(line)
        done = run([*programs[program], *arguments], checkout)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    for page in ("doctor-visits/out/index.html", "likelihood-cross-entropy-kl/out/argument.html"):
        assert (checkout / "reports" / page).stat().st_size < 2_000_000


def test_every_link_leads_somewhere():
    for page in (ROOT / "README.md", *GUIDES):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), target
