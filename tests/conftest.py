"""The same arithmetic everywhere, slow tests on request, a browser or a loud word."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # before JAX is imported: a GPU rounds otherwise
os.environ.setdefault("MPLBACKEND", "Agg")
# What one test has compiled, others, and the next run, need not: most of the tests' time.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "compiled")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESELECTED = pytest.StashKey[int]()
NO_BROWSER = f"no browser found (looked for {', '.join(BROWSERS)})"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if not item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    config.stash[DESELECTED] = len(slow)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """The tests are chosen in worker processes, all of which choose the same; one may be killed."""
    known = getattr(node, "workeroutput", {})
    node.config.stash[DESELECTED] = known.get("deselected", node.config.stash.get(DESELECTED, 0))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["deselected"] = session.config.stash.get(DESELECTED, 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly what did not run."""
    slow = terminalreporter.config.stash.get(DESELECTED, 0)
    if slow:
        terminalreporter.write_line(f"Slow tests not run: {slow} (--slow runs them too).")
    skipped = terminalreporter.getreports("skipped")
    browserless = sum(NO_BROWSER in report.longreprtext for report in skipped)
    if browserless:
        message = f"Tests of the pages not run: {browserless} ({NO_BROWSER})."
        terminalreporter.write_line(message, yellow=True, bold=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's executable. In CI its absence is a failure, elsewhere a loud skip."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        absent = pytest.fail if os.environ.get("CI") else pytest.skip
        absent(NO_BROWSER)
    return found


@pytest.fixture
def workbench_command(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Runs a command in this process: (exit code, stdout, stderr). A traceback fails the test."""

    from workbench import cli

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        return code, written.out, written.err

    return call
