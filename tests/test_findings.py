"""Findings are plain data: saved whole or not at all, and read again as they were."""

import json
import subprocess
import sys

import pytest
import xarray as xr

from tests.fixtures_report import count_findings
from workbench import findings
from workbench.errors import StudyError
from workbench.findings import Findings, Quantity
from workbench.information import Mean


@pytest.fixture(scope="module")
def made():
    return count_findings(rows=200)


@pytest.fixture
def folder(made, tmp_path):
    return made.save(tmp_path / "out")


def refusal(folder):
    with pytest.raises(StudyError) as told:
        Findings.read(folder)
    return str(told.value)


def edit(folder, **changes):
    path = folder / "findings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_findings_saved_and_read_are_equal(made, folder):
    read = Findings.read(folder)
    bare = {"trees": {}}
    assert read.model_copy(update=bare) == made.model_copy(update=bare)


def test_trees_make_the_round_trip(made, folder):
    read = Findings.read(folder)
    assert read.trees.keys() == made.trees.keys()
    for name, tree in made.trees.items():
        xr.testing.assert_identical(read.trees[name], tree)


def test_the_same_findings_make_the_same_json(made, folder, tmp_path):
    again = made.save(tmp_path / "again")
    names = [f / "findings.json" for f in (folder, again)]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_json_holds_no_nan_but_null(made, tmp_path):
    nowhere = Quantity.of(Mean(float("nan"), float("inf"), 0))
    fit = made.fits[0]
    heldout = fit.heldout.model_copy(update={"gain": nowhere})
    fits = (fit.model_copy(update={"heldout": heldout}), *made.fits[1:])
    folder = made.model_copy(update={"fits": fits}).save(tmp_path)

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = (folder / "findings.json").read_text(encoding="utf-8")
    stored = json.loads(text, parse_constant=refuse)["fits"][0]["heldout"]["gain"]
    assert (stored["value"], stored["se"]) == (None, None)


def test_null_comes_back_as_nan():
    mean = Quantity(value=None, se=None, count=0, unit="nats per row").mean()
    assert mean.value != mean.value
    assert mean.se != mean.se


def test_a_write_that_fails_leaves_the_old_file(made, folder, monkeypatch):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def half(tree, path):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(findings, "_write", half)
    with pytest.raises(OSError, match="No space left"):
        made.save(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_json_is_replaced_last(made, folder, monkeypatch):
    order = []
    replace = findings._replace
    monkeypatch.setattr(
        findings, "_replace", lambda path, write: (order.append(path.name), replace(path, write))
    )
    made.save(folder)
    assert order[-1] == "findings.json"


def test_others_may_read_what_was_written(folder):
    ordinary = folder / "ordinary"
    ordinary.touch()
    modes = {path.stat().st_mode for path in folder.rglob("*") if path.is_file()}
    assert modes == {ordinary.stat().st_mode}


def test_names_from_the_data_stay_as_they_are(folder):
    assert "<script>alert(1)</script>" in Findings.read(folder).title


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_a_folder_without_findings_is_told(name, tmp_path):
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / name) == (
        f"{tmp_path / name} holds no findings.json; run the study first, then report it"
    )


def test_an_unknown_key_is_named(folder):
    edit(folder, colour="red")
    told = refusal(folder)
    assert told.startswith(f"{folder / 'findings.json'} cannot be read (colour: Extra inputs")
    assert told.endswith("version of the workbench: run the study again")


def test_another_format_is_refused(folder):
    edit(folder, format=2)
    assert "(format: Input should be 1)" in refusal(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"NaN"])
def test_a_damaged_file_is_one_sentence(content, folder):
    (folder / "findings.json").write_bytes(content)
    told = refusal(folder)
    assert told.startswith(f"{folder / 'findings.json'} cannot be read (")
    assert "\n" not in told


def test_a_missing_tree_is_named(made, folder):
    path = folder / "fits" / made.fits[0].tree
    path.unlink()
    assert refusal(folder) == f"{path} is missing; run the study again"


def test_a_damaged_tree_is_named(made, folder):
    path = folder / "fits" / made.fits[0].tree
    path.write_bytes(b"not NetCDF")
    assert refusal(folder) == f"{path} is not a readable NetCDF file; run the study again"


def test_reading_findings_imports_no_pymc(folder):
    script = (
        "import sys, workbench as wb; wb.Findings.read(sys.argv[1]); "
        "print({'pymc', 'pytensor', 'jax', 'statsmodels'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, folder], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")
