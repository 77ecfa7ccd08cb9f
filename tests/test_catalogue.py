"""The list of definitions, a look at one, and a study file to start from."""

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.library import DEFINITIONS
from workbench import catalogue, proposal
from workbench.errors import DataError, ModelError, StudyError

RNG = np.random.default_rng(2)
ROWS = 120


def test_every_definition_is_listed_once():
    entries = catalogue.listed()
    assert {entry.name for entry in entries} == set(DEFINITIONS)
    assert len(entries) == len(DEFINITIONS)


def test_a_definition_is_described_by_what_it_takes_and_estimates():
    told = catalogue.described("counts:zero_inflated_negative_binomial", Path())
    assert told.documentation.startswith("NB2 mixed with structural zeros")
    assert told.expects[0] == "y: a whole number 0, 1, 2, ..."
    assert any(line.startswith("X_zero") for line in told.expects)
    assert any(line.startswith("exposure") for line in told.expects)
    supports = {parameter.name: parameter.support for parameter in told.parameters}
    assert supports == {"beta": "(-∞, ∞)", "gamma": "(-∞, ∞)", "alpha": "(0, ∞)"}


@pytest.mark.parametrize("name", ["categorical:conditional_logit", "binary:beta_binomial"])
def test_what_a_definition_cannot_do_without_is_told(name):
    assert any("needed" in line for line in catalogue.described(name, Path()).expects)


def test_a_definition_of_ones_own_is_described_too(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import pymc as pm\n"
        "def growth(data):\n"
        '    """Growth, by me."""\n'
        "    with pm.Model() as model:\n"
        '        x = pm.Data("time_of_day", data["time_of_day"])\n'
        "    return model\n"
    )
    told = catalogue.described("mine.py:growth", tmp_path)
    assert told.documentation == "Growth, by me."
    assert told.parameters == ()
    assert "time_of_day" in told.reason


def test_an_unknown_definition_is_told_with_the_nearest():
    with pytest.raises(ModelError, match="did you mean 'poisson'"):
        catalogue.described("counts:poison", Path())


# ---- a study file to start from

COLUMNS = {
    "visits": RNG.poisson(2.0, ROWS),
    "cases": 1 + RNG.poisson(2.0, ROWS),
    "price": RNG.lognormal(size=ROWS),
    "change": RNG.normal(size=ROWS),
    "share": RNG.beta(2, 3, ROWS),
    "part": np.where(np.arange(ROWS) % 7 == 0, 0.0, RNG.beta(2, 3, ROWS)),
    "ill": RNG.integers(0, 2, ROWS),
    "answer": np.where(RNG.uniform(size=ROWS) < 0.5, "yes", "no"),
    "town": np.array(["Bern", "Basel", "Chur"])[np.arange(ROWS) % 3],
    "person": np.arange(ROWS) // 3,
    "odd name": RNG.normal(size=ROWS),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "rows.csv"
    pd.DataFrame(COLUMNS).to_csv(path, index=False)
    return path


KINDS = {
    "visits": ("counts:poisson", "counts:negative_binomial"),
    "cases": ("counts:poisson", "counts:truncated_poisson"),
    "price": ("positive:gamma", "positive:lognormal", "continuous:normal"),
    "change": ("continuous:normal", "continuous:student_t"),
    "share": ("proportions:beta",),
    "part": ("proportions:zero_one_inflated_beta",),
    "ill": ("binary:logit", "binary:probit"),
    "answer": ("binary:logit",),
    "town": ("categorical:multinomial_logit",),
}


@pytest.mark.parametrize("outcome", KINDS)
def test_families_are_proposed_that_fit_the_outcome(outcome, table):
    study = tomllib.loads(proposal.proposed(table, outcome, table.parent))
    defined = [model["define"] for model in study["models"].values()]
    assert set(KINDS[outcome]) <= set(defined)
    fitting = {DEFINITIONS[name].outcome for name in defined}
    allowed = {"price": {"positive", "real"}, "cases": {"count", "positive count"}}
    assert fitting <= allowed.get(outcome, fitting)
    assert len(fitting) <= 2
    assert study["data"]["file"] == "rows.csv"
    assert study["defaults"]["formula"].startswith(f"{outcome} ~ ")


def test_names_that_are_no_identifiers_are_quoted(table):
    formula = tomllib.loads(proposal.proposed(table, "visits", table.parent))["defaults"]["formula"]
    assert "`odd name`" in formula


def test_a_proposed_study_is_valid(table, workbench_command):
    out = table.parent / "study.toml"
    code, written, _ = workbench_command("new", table, "visits", "--out", out)
    assert (code, written.strip()) == (0, str(out))
    code, said, err = workbench_command("validate", out)
    assert (code, err.splitlines()[2:]) == (0, [])
    assert "nothing to complain of" in said
    code, _, err = workbench_command("new", table, "visits", "--out", out)
    assert code == 2
    assert "is there already; name another with --out" in err


def test_a_column_that_is_not_there_is_told_with_the_nearest(table):
    with pytest.raises(DataError, match="did you mean 'visits'"):
        proposal.proposed(table, "visit", table.parent)


def test_a_column_without_values_is_told(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n,1\n,2\n")
    with pytest.raises(DataError, match="column 'a' has no values"):
        proposal.proposed(path, "a", tmp_path)


def test_a_file_that_is_there_is_left_alone(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("mine")
    with pytest.raises(StudyError):
        proposal.written(path, "other")
    assert path.read_text() == "mine"


def test_the_commands_list_and_describe(workbench_command):
    code, out, _ = workbench_command("models")
    assert code == 0
    assert len(out.splitlines()) == len(DEFINITIONS)
    code, out, _ = workbench_command("models", "positive:gamma")
    assert "beta[term]  (-∞, ∞)  prior Normal(0, 10)" in out
    assert "alpha       (0, ∞)   prior HalfNormal(0, 20)" in out
    code, _, err = workbench_command("models", "positive:gama")
    assert (code, "did you mean 'gamma'" in err) == (2, True)
