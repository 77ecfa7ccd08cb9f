"""The commands as a demanding user tries them: what is printed where, and the exit code."""

import contextlib
import json
import logging
import os
import pty
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import workbench.study
from tests.test_study import DEFINITION, STUDY, columns, put, write
from workbench import cli
from workbench.agreement import Checks
from workbench.explained import CHECKS

DONE, CHECK_FAILED, MISUSE, ENVIRONMENT, NOT_FITTED, INTERRUPTED = 0, 1, 2, 3, 4, 130
QUICK = STUDY + "[checks]\nbudget = 20\n"


def alone(*arguments, cwd, **environment):
    """The command in a process of its own, as `./wb` starts it."""
    command = [sys.executable, "-P", "-m", "workbench", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study run by a real process from another folder: (its folder, code, stdout, stderr)."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "study").mkdir()
    write(folder / "study", QUICK)
    process = alone("run", "study/study.toml", cwd=folder)
    out, err = process.communicate(timeout=120)
    return folder, process.returncode, out, err


@pytest.fixture
def saved(finished, tmp_path):
    """A copy of the finished study's folder of findings."""
    return Path(shutil.copytree(finished[0] / "study" / "out", tmp_path / "saved"))


# A run that goes well


def test_stdout_is_the_path_of_the_page_and_nothing_else(finished):
    folder, code, out, _ = finished
    assert (code, out) == (DONE, f"{Path('study/out/index.html')}\n")
    assert (folder / out.strip()).is_file()


def test_stderr_is_progress_and_nothing_else(finished):
    *steps, last = finished[3].splitlines()
    assert steps == [
        "Loading PyMC",
        "Reading visits.csv",
        "Poisson: binding",
        "Poisson: maximum likelihood",
        "Poisson: maximum a posteriori",
        "Poisson: held-out rows",
        "Poisson: training rows left out",
        "Poisson: checking against statsmodels (up to 20 s)",
        "Comparing",
        "Drawing the page",
    ]
    assert last.startswith("  Poisson: held-out cross-entropy ")
    assert last.endswith(" nats per row")


def test_paths_in_a_study_are_taken_from_its_file(finished):
    folder = finished[0]
    assert (folder / "study" / "out" / "findings.json").is_file()
    assert {path.name for path in folder.iterdir()} == {"study"}


def test_the_findings_say_which_command_made_them(finished):
    folder = finished[0]
    findings = json.loads((folder / "study" / "out" / "findings.json").read_text())
    assert findings["provenance"]["command"] == "wb run study/study.toml"


def test_a_report_is_drawn_again_and_is_the_same(saved, workbench_command):
    page = saved / "index.html"
    before = page.read_bytes()
    page.unlink()
    code, out, err = workbench_command("report", saved)
    assert (code, out, err) == (DONE, f"{page}\n", "")
    assert page.read_bytes() == before


def test_a_report_needs_no_pymc(saved):
    script = (
        "import sys; sys.modules.update(dict.fromkeys(['pymc', 'pytensor', 'jax', 'statsmodels']));"
        "from workbench.cli import main; main()"
    )
    command = [sys.executable, "-c", script, "report", str(saved)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (DONE, "")


def test_json_is_one_document(tmp_path, workbench_command):
    study = write(tmp_path, QUICK)
    code, out, _ = workbench_command("run", study, "--json", "--out", tmp_path / "elsewhere")
    assert code == DONE
    assert out.count("\n") == 1
    assert json.loads(out) == json.loads((tmp_path / "elsewhere" / "findings.json").read_text())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [pytest.param([], DONE, marks=pytest.mark.slow), (["--fail-on", "look"], CHECK_FAILED)],
)
def test_a_check_to_look_at_fails_only_where_asked(arguments, code, tmp_path, workbench_command):
    out_of_time = STUDY + "[checks]\nbudget = 1e-9\n"
    assert workbench_command("run", write(tmp_path, out_of_time), *arguments)[0] == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [([], CHECK_FAILED), pytest.param(["--fail-on", "never"], DONE, marks=pytest.mark.slow)],
)
def test_a_failed_check_is_an_exit_code(arguments, code, tmp_path, workbench_command, monkeypatch):
    check = workbench.study.check

    def failing(fit, **options):
        checks = check(fit, **options)
        bad = [vars(agreement) | {"outcome": "fail"} for agreement in checks]
        return Checks(tuple(type(checks[0])(**agreement) for agreement in bad))

    monkeypatch.setattr(workbench.study, "check", failing)
    assert workbench_command("run", write(tmp_path, QUICK), *arguments)[0] == code


def test_what_a_definition_prints_or_warns_is_kept_off_the_result(tmp_path, workbench_command):
    noise = (
        "import logging, warnings\n"
        "def poisson(data):\n"
        "    print('printed')\n"
        "    warnings.warn('warned')\n"
        "    logging.getLogger('library').warning('logged')\n"
        "    return quiet(data)\n"
    )
    (tmp_path / "mine.py").write_text(DEFINITION.replace("def poisson", "def quiet") + noise)
    study = write(tmp_path, STUDY.replace("counts:poisson", "mine.py:poisson"))
    code, out, err = workbench_command("validate", study)
    assert (code, out) == (DONE, f"{study}: one model, nothing to complain of\n")
    assert "printed" in err
    assert "warned" not in err
    assert "logged" not in err


def test_quiet_ends_with_the_command():
    with cli._quiet():
        pass
    assert logging.root.manager.disable == logging.NOTSET
    with pytest.raises(UserWarning, match="after"):
        warnings.warn("after", UserWarning, stacklevel=1)


# A user's mistakes


@pytest.mark.parametrize("command", ["run", "validate"])
def test_a_mistake_in_a_study_file_is_told_on_stderr_with_code_2(
    command, tmp_path, workbench_command
):
    study = write(tmp_path, STUDY.replace("title", "titel"))
    code, out, err = workbench_command(command, study)
    assert (code, out) == (MISUSE, "")
    assert f"Error: {study} has 2 mistakes:\n  title: is missing\n  titel: unknown key" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"study": STUDY.replace("visits.csv", "visit.csv")}, "did you mean 'visits.csv'?"),
        ({"study": STUDY.replace("0.25", "0.0001")}, "leaves the held-out part without rows"),
        ({"study": STUDY.replace('.csv"', '.csv"\ngroup = "persn"')}, "did you mean 'person'?"),
        ({"study": "x = = 3"}, "is not valid TOML"),
    ],
)
def test_a_run_that_cannot_begin_ends_with_code_2(changed, sentence, tmp_path, workbench_command):
    code, out, err = workbench_command("run", write(tmp_path, **changed))
    assert (code, out) == (MISUSE, "")
    *_, last = err.splitlines()
    assert last.startswith("Error: ")
    assert sentence in last


def test_validate_tells_every_models_mistakes(tmp_path, workbench_command):
    other = '[models.Other]\ndefine = "counts:poison"\n'
    code, out, err = workbench_command(
        "validate", write(tmp_path, STUDY + other, age=put("age", 5, ""))
    )
    assert (code, out) == (MISUSE, "")
    told = [line for line in err.splitlines() if line.startswith("models.")]
    assert [line.partition(": ")[0] for line in told] == ["models.Poisson", "models.Other"]


def test_a_model_that_fails_is_told_on_the_page_with_code_4(tmp_path, workbench_command):
    (tmp_path / "mine.py").write_text("def f(data): raise RuntimeError('<script>no luck')")
    study = write(tmp_path, QUICK + '[models.Mine]\ndefine = "mine.py:f"\n')
    code, out, err = workbench_command("run", study)
    assert code == NOT_FITTED
    assert err.splitlines()[-1].startswith("  Mine: failed, ")
    page = Path(out.strip()).read_text(encoding="utf-8")
    assert "&lt;script&gt;no luck" in page
    assert "<script>no luck" not in page
    assert "Poisson" in page


def test_a_study_without_any_maximum_says_so_with_code_4(tmp_path, workbench_command):
    study = write(tmp_path, QUICK, visits=[0] * len(columns()["visits"]))
    code, out, err = workbench_command("run", study)
    assert code == NOT_FITTED
    assert Path(out.strip()).is_file()
    assert err.splitlines()[-1].startswith("  Poisson: not ranked, running away: ")


def test_a_study_in_which_nothing_can_be_bound_has_a_page_too(tmp_path, workbench_command):
    code, out, _ = workbench_command(
        "run", write(tmp_path, STUDY.replace("counts:poisson", "counts:poison"))
    )
    assert code == NOT_FITTED
    assert "did you mean" in Path(out.strip()).read_text(encoding="utf-8")


def test_a_column_called_like_a_script_shows_as_text(tmp_path, workbench_command):
    name = "<script>alert(1)</script>"
    study = QUICK.replace("visits ~ age", f"visits ~ `{name}`")
    code, out, _ = workbench_command("run", write(tmp_path, study, **{name: columns()["age"]}))
    assert code == DONE
    page = Path(out.strip()).read_text(encoding="utf-8")
    assert name not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["rnu"], "No such command 'rnu'"),
        (["run"], "Missing argument 'STUDY'"),
        (["run", "a.toml", "--fail-on", "maybe"], "is not one of 'fail', 'look', 'never'"),
        (["run", "a.toml", "--colour"], "No such option"),
        (["run", "nowhere/a.toml"], "there is no study file nowhere/a.toml"),
        (["report", "nowhere"], "nowhere holds no findings.json; run the study first"),
    ],
)
def test_misuse_is_a_sentence_and_code_2(
    arguments, sentence, tmp_path, monkeypatch, workbench_command
):
    monkeypatch.chdir(tmp_path)
    code, out, err = workbench_command(*arguments)
    assert (code, out) == (MISUSE, "")
    assert sentence in err


def test_a_file_where_the_folder_should_be_is_refused_before_any_work(tmp_path, workbench_command):
    study = write(tmp_path)
    code, _, err = workbench_command("run", study, "--out", study)
    assert code == MISUSE
    assert "is a file" in err
    assert "Loading" not in err


def test_a_damaged_folder_is_a_sentence(saved, workbench_command):
    (saved / "findings.json").write_text("{")
    code, out, err = workbench_command("report", saved)
    assert (code, out) == (MISUSE, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


# The environment, and an impatient user


def test_a_missing_package_is_the_environments_fault(tmp_path, workbench_command, monkeypatch):
    monkeypatch.setitem(sys.modules, "workbench.study", None)
    code, out, err = workbench_command("validate", write(tmp_path))
    assert (code, out) == (ENVIRONMENT, "")
    assert "workbench.study cannot be imported" in err
    assert "set up again" in err


def test_a_full_disk_is_the_environments_fault(saved, workbench_command, monkeypatch):
    def full(findings, folder):
        raise OSError(28, "No space left on device", str(folder / "index.html"))

    monkeypatch.setattr("workbench.report.write_pages", full)
    code, out, err = workbench_command("report", saved)
    assert (code, out) == (ENVIRONMENT, "")
    assert err == f"Error: {saved / 'index.html'}: No space left on device\n"


def test_an_interrupted_run_leaves_the_old_findings(saved, finished):
    study = finished[0] / "study" / "study.toml"
    before = {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()}
    # A child of a job in the background may have inherited that interrupts are ignored.
    before_us = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = alone("run", study, "--out", saved, cwd=finished[0])
    signal.signal(signal.SIGINT, before_us)
    for line in process.stderr:
        if "maximum likelihood" in line:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (INTERRUPTED, "")
    assert err.splitlines()[-1] == "Interrupted."
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in saved.rglob("*") if path.is_file()} == before


def on_a_terminal(script, **environment):
    """What a script writes to a terminal's stderr, control codes and all."""
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    with subprocess.Popen([sys.executable, "-c", script], env=plain | environment, stderr=theirs):
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # Linux says EIO where a terminal has ended
            while piece := os.read(ours, 4096):
                written += piece
    os.close(ours)
    return written


@pytest.mark.parametrize(("wish", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_honoured(wish, coloured):
    script = "from workbench import cli\nwith cli._progress() as note: note('Fitting [x]')"
    written = on_a_terminal(script, TERM="xterm-256color", **wish)
    assert b"Fitting [x]" in written
    assert (b"\x1b[3" in written) == coloured  # \x1b[2K, which clears the line, is no colour


def test_help_imports_nothing_heavy():
    script = (
        "import sys; sys.argv = ['workbench', '--help']\n"
        "from workbench.cli import main\n"
        "main()\n"
        "heavy = {'pymc', 'jax', 'pandas', 'numpy', 'pydantic', 'rich', 'matplotlib'}\n"
        "print(heavy & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == "set()\n"
    for command in ("run", "validate", "report"):
        assert command in done.stdout


def test_every_check_is_explained(workbench_command):
    code, out, _ = workbench_command("explain")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(CHECKS)
    for check in CHECKS:
        code, out, _ = workbench_command("explain", check)
        assert code == 0
        assert out.splitlines()[0] == check
        for part in ("what it compares", "what it would catch", "limit", "usual causes"):
            assert part in out
    code, _, err = workbench_command("explain", "densty")
    assert code == 2
    assert "there is no check 'densty', did you mean 'density'?" in err
