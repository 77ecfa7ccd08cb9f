"""Definitions are found by name, and whatever is wrong with a name or a file is one sentence."""

import sys
from importlib.metadata import EntryPoint

import pytest

import workbench.registry
from models import counts
from workbench.errors import ModelError
from workbench.registry import definition_named

BLANK = "def growth(data):\n    return data\n"


def refusal(name, folder):
    with pytest.raises(ModelError) as told:
        definition_named(name, folder)
    return str(told.value)


def test_a_registered_name_is_the_library_itself(tmp_path):
    assert definition_named("counts:poisson", tmp_path) is counts.poisson


def test_a_dotted_name_needs_no_registration(tmp_path):
    assert definition_named("models.counts:poisson", tmp_path) is counts.poisson


def test_a_file_is_sought_from_the_study_not_from_where_one_stands(tmp_path, monkeypatch):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "mine.py").write_text(BLANK)
    monkeypatch.chdir(tmp_path)
    assert definition_named("mine.py:growth", tmp_path / "study")(3) == 3
    assert "there is no file mine.py" in refusal("mine.py:growth", tmp_path.relative_to(tmp_path))


@pytest.mark.parametrize("name", ["poisson", "counts:", ":poisson", "", ":"])
def test_a_name_without_its_two_halves_is_refused_with_an_example(name, tmp_path):
    assert refusal(name, tmp_path) == (
        f"'{name}' does not name a definition; write file and function, such as "
        "'counts:poisson' or 'my_models.py:growth'"
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("counts:poison", "counts has no definition 'poison', did you mean 'poisson'?"),
        ("cuonts:poisson", "no models are called 'cuonts', did you mean 'counts'?"),
        ("qqq:poisson", "no models are called 'qqq'; registered are binary, "),
        ("models.nothing:f", "no models are called 'models.nothing'; registered are binary, "),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest(name, sentence, tmp_path):
    assert refusal(name, tmp_path).startswith(sentence)


def test_a_missing_file_is_told_with_the_nearest(tmp_path):
    (tmp_path / "mine.py").write_text(BLANK)
    sentence = f"there is no file {tmp_path / 'mien.py'}, did you mean 'mine.py'?"
    assert refusal("mien.py:growth", tmp_path) == sentence


def test_what_a_module_only_imports_is_not_offered(tmp_path):
    (tmp_path / "mine.py").write_text("from math import sqrt\nfrom pathlib import Path\n" + BLANK)
    assert refusal("mine.py:zzz", tmp_path).endswith("has no definition 'zzz'; it has growth")


def test_a_value_is_not_a_definition(tmp_path):
    (tmp_path / "mine.py").write_text("growth = 3\n")
    assert refusal("mine.py:growth", tmp_path).endswith("no definition 'growth'; it has none")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("def growth(data:\n    pass\n", "SyntaxError: '(' was never closed (mine.py, line 1)"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("class Own(Exception): pass\nraise Own('no luck')\n", "Own: no luck"),
        ("import no_such_package\n", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit(5)\n", "SystemExit: 5"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_why(content, reason, tmp_path):
    (tmp_path / "mine.py").write_text(content)
    assert (
        refusal("mine.py:growth", tmp_path) == f"{tmp_path / 'mine.py'} cannot be loaded: {reason}"
    )


def test_an_interrupt_is_not_a_files_mistake(tmp_path):
    (tmp_path / "mine.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        definition_named("mine.py:growth", tmp_path)


def test_a_package_that_lacks_something_itself_is_there_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "lacking.py").write_text("import no_such_package\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert refusal("lacking:f", tmp_path) == (
        "lacking cannot be loaded: ModuleNotFoundError: No module named 'no_such_package'"
    )


def test_a_models_package_that_hides_ours_is_named_with_its_path(tmp_path, monkeypatch):
    (tmp_path / "models.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("models", "models.counts"):
        monkeypatch.delitem(sys.modules, name)
    told = refusal("counts:poisson", tmp_path)
    assert told.startswith("the models 'counts' should be in models.counts, which is not there")
    assert f"the package 'models' at {tmp_path} hides the workbench's own" in told


def test_any_package_may_register_its_models(tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text(BLANK)
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint(name="theirs", value="elsewhere", group="workbench.models")
    monkeypatch.setattr(workbench.registry, "entry_points", lambda group: [point])
    assert definition_named("theirs:growth", tmp_path)(3) == 3
