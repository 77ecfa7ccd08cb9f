"""A study: its file is judged whole, and one model's failure is that model's alone."""

import math
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.special import logsumexp

import workbench as wb
from tests import declarations
from workbench.errors import DataError, StudyError
from workbench.report import headline, write_pages
from workbench.study import Study
from workbench.study_file import StudyFile

ROWS = 120
STUDY = """
title = "Visits"
seed = 3
[data]
file = "visits.csv"
[split]
heldout = 0.25
[defaults]
formula = "visits ~ age"
[models.Poisson]
define = "counts:poisson"
"""
DEFINITION = """
import pymc as pm

def poisson(data):
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        pm.Poisson("outcome", mu=pm.math.exp(X @ beta), observed=y, dims="row")
    return model
"""

LOGISTIC = DEFINITION.replace(
    'pm.Poisson("outcome", mu=pm.math.exp(X @ beta)', 'pm.Bernoulli("outcome", logit_p=X @ beta'
)
OFFSET_DEFINITION = """
import pymc as pm
from models.definition import definition

@definition(predictors=("zero",))
def zero_inflated(data):
    coords = {"term": data["term"].values, "term_zero": data["term_zero"].values}
    with pm.Model(coords=coords) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        Z = pm.Data("X_zero", data["X_zero"], dims=("row", "term_zero"))
        offset = pm.Data("offset", data["offset"], dims="row")
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        gamma = pm.Normal("gamma", 0.0, 10.0, dims="term_zero")
        mu, psi = pm.math.exp(X @ beta + offset), pm.math.sigmoid(Z @ gamma)
        pm.ZeroInflatedPoisson("outcome", psi=psi, mu=mu, observed=y, dims="row")
    return model
"""


def columns():
    rng = np.random.default_rng(1)
    age = rng.normal(size=ROWS).round(3)
    return {
        "visits": rng.poisson(np.exp(0.5 + 0.3 * age)),
        "age": age,
        "never": np.zeros(ROWS, int),
        "town": np.where(np.arange(ROWS) % 2, "north", "south"),
        "person": np.arange(ROWS) // 2,
        "held": (np.arange(ROWS) % 4 == 0).astype(int),
    }


def write(folder, study=STUDY, **changed):
    """A study in a folder: its file, and its data with some columns changed."""
    table = columns() | changed
    lines = [",".join(map(str, row)) for row in zip(*table.values(), strict=True)]
    (folder / "visits.csv").write_text("\n".join([",".join(table), *lines]) + "\n")
    (folder / "study.toml").write_text(study, encoding="utf-8")
    return folder / "study.toml"


def put(column, row, value):
    """The column as text with one cell replaced."""
    cells = [str(cell) for cell in columns()[column]]
    cells[row] = value
    return cells


def mistakes(folder, study):
    """The lines that tell of mistakes in a study file, less the place of the file."""
    path = write(folder, study)
    with pytest.raises(StudyError) as told:
        Study.read(path)
    first, *lines = str(told.value).splitlines()
    count = "one mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    assert first == f"{path} has {count}:"
    return [line.removeprefix("  ") for line in lines]


# The file


def test_a_study_file_is_read_with_its_defaults(tmp_path):
    study = Study.read(write(tmp_path))
    assert (study.title, study.question, study.seed) == ("Visits", "", 3)
    assert study.reference == "Poisson"
    assert study.formula("Poisson") == "visits ~ age"
    assert wb.Study is Study


def test_a_missing_study_file_is_told_with_the_nearest(tmp_path):
    write(tmp_path)
    with pytest.raises(StudyError) as told:
        Study.read(tmp_path / "stduy.toml")
    sentence = f"there is no study file {tmp_path / 'stduy.toml'}, did you mean 'study.toml'?"
    assert str(told.value) == sentence
    with pytest.raises(StudyError, match="there is no study file"):
        Study.read(tmp_path / "nowhere" / "study.toml")


def test_all_mistakes_are_told_at_once_with_their_places(tmp_path):
    study = """
titel = "Visits"
seed = -3
[data]
fiel = "visits.csv"
[split]
heldout = 2.5
after = "1978"
[models.Poisson]
defien = "counts:poisson"
[models."Zero inflated"]
define = 3
formula = "visits ~ age"
predictors.zero = 1
[checks]
budget = "long"
[reprot]
[report]
reference = "Poison"
"""
    assert sorted(mistakes(tmp_path, study)) == sorted(
        [
            "titel: unknown key, did you mean 'title'?",
            "title: is missing",
            "seed: must be at least 0",
            "data.fiel: unknown key, did you mean 'file'?",
            "data.file: is missing",
            "split.heldout: must be less than 1",
            "split: needs one of heldout, last, after and column, and has heldout and after",
            "models.Poisson.defien: unknown key, did you mean 'define'?",
            "models.Poisson.define: is missing",
            "models.Poisson: has no formula, [defaults] gives none, and [data] names no outcome",
            'models."Zero inflated".define: must be text, in quotes: "..."',
            'models."Zero inflated".predictors.zero: must be text, in quotes: "..."',
            "checks.budget: must be a number",
            "reprot: unknown key, did you mean 'report'?",
            "report.reference: no model is called 'Poison', did you mean 'Poisson'?",
        ]
    )


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("heldout = 0.25", "", "split: needs one of heldout, last, after and column, and has none"),
        ("heldout = 0.25", "last = 1", "split.last: must be less than 1"),
        ("heldout = 0.25", 'after = 3\nstratify = "town"', "split.stratify: goes with heldout"),
        ("heldout = 0.25", "last = 0.5\nblocks = 9", "split.blocks: goes with heldout"),
        ("0.25", "0.25\nblocks = 1", "split.blocks: must be at least 2"),
        ("0.25", '0.25\nblocks = 9\nstratify = "town"',
         "split: draws either from strata or whole blocks, and has stratify and blocks"),
        ("heldout = 0.25", "after = true", "split.after: must be a number, a date or text"),
        ("heldout = 0.25", 'heldout = "0.25"', "split.heldout: must be a number"),
        ("heldout = 0.25", "heldout = nan", "split.heldout: must be a finite number"),
        ("seed = 3", "seed = 1.5", "seed: must be a whole number"),
        ("seed = 3", "seed = true", "seed: must be a whole number"),
        ("[split]", '[report]\nlearning_curve = "yes"\n[split]',
         "report.learning_curve: must be true or false"),
        ("seed = 3", 'folder = "/"', "folder: unknown key"),
        ("seed = 3", "checks = 3", "checks: must be a table"),
        ('.csv"', '.csv"\nnotes = ""', 'data.notes: must be a list of texts: ["..."]'),
        ('define = "counts:poisson"', "", "models.Poisson.define: is missing"),
        ("[models.Poisson]\ndefine", '[models]\n"a b"', 'models."a b": must be a table'),
        (STUDY[STUDY.index("[models") :], "[models]", "models: must name at least one"),
        ('.csv"', '.csv"\nwidth = -1', "data.width: must be greater than 0"),
        ('age"\n', 'age"\ncollinear = true\n', "defaults.collinear: must be 'refuse' or 'keep'"),
        ('.csv"', '.csv"\nmissing = "keep"', "data.missing: must be 'refuse' or 'drop'"),
        ('.csv"', '.csv"\nunit = 3', 'data.unit: must be text, in quotes: "..."'),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_words_of_the_file(old, new, mistake, tmp_path):
    assert mistakes(tmp_path, STUDY.replace(old, new)) == [mistake]


def test_models_of_different_outcomes_are_not_compared(tmp_path):
    other = '[models.Other]\ndefine = "counts:poisson"\nformula = "person ~ age"\n'
    assert mistakes(tmp_path, STUDY + other) == [
        "models.Other.formula: the outcome is 'person', but 'Poisson' explains 'visits'; models "
        "are compared on one outcome"
    ]


def test_the_outcome_may_stand_with_the_data(tmp_path):
    study = STUDY.replace('.csv"', '.csv"\noutcome = "visits"')
    assert Study.read(write(tmp_path, study)).formula("Poisson") == "visits ~ age"
    bare = Study.read(write(tmp_path, study.replace("visits ~ age", "~ age")))
    assert bare.formula("Poisson") == "visits ~ age"
    alone = study.replace('[defaults]\nformula = "visits ~ age"\n', "")
    assert Study.read(write(tmp_path, alone)).formula("Poisson") == "visits ~ 1"
    odd = alone.replace('"visits"', '"doctor visits"')
    assert Study.read(write(tmp_path, odd)).formula("Poisson") == "`doctor visits` ~ 1"
    assert mistakes(tmp_path, study.replace('= "visits"', '= "age"')) == [
        "models.Poisson.formula: the outcome is 'visits', but [data] names 'age'; models are "
        "compared on one outcome"
    ]


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ('trials = "person"', "not a whole number of at least 1 in row 0 (line 2 of visits.csv)"),
        ('unit = ""', "unit is text, such as 'visits per year', but got ''."),
    ],
)
def test_what_cannot_be_declared_of_the_data_is_refused(declared, told, tmp_path):
    with pytest.raises(DataError) as refused:
        complaints(tmp_path, STUDY.replace('.csv"', f'.csv"\n{declared}'))
    assert told in str(refused.value)


def test_trials_and_width_are_held_against_the_outcome(tmp_path):
    study = STUDY.replace('.csv"', '.csv"\ntrials = "most"')
    assert complaints(tmp_path, study, most=np.full(ROWS, 99)) == [
        "models.Poisson: the data bring 'trials', which poisson never reads through pm.Data; "
        "leave it out of the study, or let the definition use it"
    ]
    (told,) = complaints(tmp_path, STUDY.replace('.csv"', '.csv"\nwidth = 2'))
    assert "no multiple of the declared width 2" in told


GAPPY = (
    STUDY.replace('.csv"', '.csv"\ngroup = "person"\nmissing = "drop"').replace(
        'age"\n', 'age"\npredictors.zero = "~ town"\n'
    )
    + """
[models.Other]
define = "counts:poisson"
formula = "visits ~ bmi"
[models.Unreadable]
define = "counts:poisson"
formula = "visits ~ ("
"""
)


def test_rows_with_a_gap_in_any_used_column_are_dropped_for_all_models(tmp_path):
    changed = {"unused": put("age", 9, ""), "bmi": put("age", 3, ""), "town": put("town", 7, "")}
    changed |= {"visits": put("visits", 3, ""), "person": put("person", 1, "")}
    training, heldout = Study.read(write(tmp_path, GAPPY, **changed)).tables()
    labels = [*training.frame.index, *heldout.frame.index]
    assert sorted(labels) == [row for row in range(ROWS) if row not in (1, 3, 7)]
    assert training.dropped == heldout.dropped
    assert training.dropped.counts == {"person": 1, "visits": 1, "town": 1, "bmi": 1}
    assert (training.dropped.rows, training.dropped.kept) == (3, ROWS - 3)


def test_a_row_without_its_mark_is_dropped_too(tmp_path):
    for split in ('column = "held"', 'heldout = 0.25\nstratify = "held"'):
        study = GAPPY.replace("heldout = 0.25", split).replace('group = "person"', "")
        training, _ = Study.read(write(tmp_path, study, held=put("held", 4, ""))).tables()
        assert dict(training.dropped.counts) == {"held": 1}


def test_an_empty_file_lacks_everything(tmp_path):
    assert mistakes(tmp_path, "") == [
        f"{key}: is missing" for key in ("title", "data", "split", "models")
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = = 3", "is not valid TOML: Invalid value (at line 1, column 5)"),
        (b"\xff\xfe", "is not UTF-8 text; save it in that encoding"),
    ],
)
def test_a_file_that_is_not_toml_says_where(content, reason, tmp_path):
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(StudyError) as told:
        Study.read(path)
    assert str(told.value) == f"{path} {reason}"


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    path = write(tmp_path)
    path.write_text(STUDY, encoding="utf-8-sig")
    assert Study.read(path).title == "Visits"


def test_a_date_needs_no_quotes(tmp_path):
    study = Study.read(write(tmp_path, STUDY.replace("heldout = 0.25", "after = 1978-12-31")))
    assert study.split.after == date(1978, 12, 31)
    assert study.split.words(None, None, 0) == "rows after 1978-12-31 held out"


@pytest.mark.parametrize("after", ["1978", '"1978"', "1978-12-31"])
def test_what_is_later_than_a_time_is_held_out(after, tmp_path):
    study = STUDY.replace("heldout = 0.25", f"after = {after}").replace(
        '.csv"', '.csv"\ntime = "day"'
    )
    days = [f"19{70 + row // 10}-03-0{1 + row % 9}" for row in range(ROWS)]
    training, heldout = Study.read(write(tmp_path, study, day=days)).tables()
    assert (len(training), len(heldout)) == (90, 30)


def test_a_share_is_told_to_its_last_digit(tmp_path):
    study = Study.read(write(tmp_path, STUDY.replace("0.25", "0.125")))
    assert study.split.words("person", None, 3) == (
        "12.5% of the rows held out at random (seed 3), whole groups of 'person' at a time"
    )


@pytest.mark.parametrize(
    ("split", "roles", "told", "share"),
    [
        ('stratify = "town"', "", ", the same share in each stratum of 'town'", 30),
        ('stratify = "half"', 'group = "person"',
         ", whole groups of 'person' at a time, the same share in each stratum of 'half'", 30),
        ("blocks = 8", "", ", whole blocks of 8 that are contiguous in the order of the rows", 30),
        ("blocks = 8", 'time = "age"', ", whole blocks of 8 that are contiguous in time ('age')",
         30),
    ],
)  # fmt: skip
def test_a_refined_draw_is_told(split, roles, told, share, tmp_path):
    study = STUDY.replace("0.25", f"0.25\n{split}").replace('.csv"', f'.csv"\n{roles}')
    read = Study.read(write(tmp_path, study, half=np.arange(ROWS) // 2 % 2))
    words = read.split.words(read.data.group, read.data.time, 3)
    assert words == f"25% of the rows held out at random (seed 3){told}"
    assert len(read.tables()[1]) == share


def test_the_latest_rows_are_held_out(tmp_path):
    study = STUDY.replace("heldout", "last").replace('.csv"', '.csv"\ntime = "person"')
    read = Study.read(write(tmp_path, study))
    assert read.split.words(None, "person", 3) == "the latest 25% of the rows by 'person' held out"
    assert list(read.tables()[1].frame.index) == list(range(90, ROWS))


def test_a_study_made_in_python_is_held_to_the_same_rules():
    content = {
        "title": "Visits",
        "data": {"file": "visits.csv"},
        "split": {"heldout": 0.25},
        "models": {"Poisson": {"define": "counts:poisson"}},
    }
    with pytest.raises(ValueError, match=r"models\.Poisson: has no formula"):
        StudyFile.model_validate(content)


# Validation: everything is read, nothing is fitted


def complaints(folder, study=STUDY, files=None, **changed):
    for name, content in (files or {}).items():
        (folder / name).write_text(content)
    return Study.read(write(folder, study, **changed)).validate_all()


def test_a_study_without_mistakes_passes(tmp_path):
    assert complaints(tmp_path) == []


def test_validation_fits_nothing(tmp_path, monkeypatch):
    for name in ("maximum_likelihood", "maximum_a_posteriori", "check"):
        monkeypatch.setattr(f"workbench.study.{name}", None)
    assert complaints(tmp_path) == []


@pytest.mark.parametrize(
    ("formula", "complaint"),
    [
        ("visits ~ agee", "visits.csv has no column 'agee', did you mean 'age'?"),
        ("~ age", "has no outcome"),
        ("visits ~ (", "cannot be read"),
        ("visits ~ __import__('os').system('touch hacked')", "cannot be read"),
        ("visits ~ I(open('hacked', 'w'))", "is not allowed in a formula"),
        ("visits ~ {open('hacked', 'w')}", "is not allowed in a formula"),
        ("visits ~ age.__class__", "has no column 'age.__class__'"),
    ],
)
def test_a_formula_is_read_not_run(formula, complaint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (told,) = complaints(tmp_path, STUDY.replace("visits ~ age", formula))
    assert told.startswith("models.Poisson: ")
    assert complaint in told
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("column", "value", "parts"),
    [
        ("age", "abc", ["column 'age'", "'abc'", "row 5 (line 7 of visits.csv)", "make all of it"]),
        ("visits", "abc", ["column 'visits'", "'abc'", "row 5 (line 7 of visits.csv)", "correct"]),
        ("age", "", ["missing values in age", "row 5 (line 7 of visits.csv)", "drop"]),
        ("visits", "-3", ["-3", "row 5", "negative", "counts 0, 1, 2"]),
        ("visits", "1.5", ["1.5", "row 5", "not a whole number", "counts 0, 1, 2"]),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named_by_row_and_column_with_what_to_do(column, value, parts, tmp_path):
    (told,) = complaints(tmp_path, **{column: put(column, 5, value)})
    for part in parts:
        assert part in told


def test_collinear_terms_are_refused_unless_the_study_keeps_them(tmp_path):
    study = STUDY.replace("visits ~ age", "visits ~ age + never")
    (told,) = complaints(tmp_path, study)
    assert "'never' is 0 in the training rows" in told
    for section in ("[models.Poisson]", "[defaults]"):
        assert complaints(tmp_path, study.replace(section, f'{section}\ncollinear = "keep"')) == []
    own = study.replace("[defaults]", '[defaults]\ncollinear = "keep"').replace(
        "[models.Poisson]", '[models.Poisson]\ncollinear = "refuse"'
    )
    assert len(complaints(tmp_path, own)) == 1


HELD = """fixed = {alpha = 1.0}
[models.Free]
define = "counts:negative_binomial"
"""


@pytest.mark.slow
def test_a_held_parameter_stays_at_its_value_and_counts_for_nothing(tmp_path):
    declared = STUDY.replace("counts:poisson", "counts:negative_binomial") + HELD
    study = Study.read(write(tmp_path, declared))
    held = study.run().fit("Poisson")
    training, _ = study.tables()
    X = np.column_stack([np.ones(len(training)), training.frame["age"]])
    geometric = sm.GLM(
        training.frame["visits"].to_numpy(), X, family=sm.families.NegativeBinomial(alpha=1.0)
    ).fit(tol=1e-12)
    found = {one.label: one for one in held.parameters}
    np.testing.assert_allclose(
        [found["beta[Intercept]"].estimate, found["beta[age]"].estimate],
        geometric.params,
        atol=1e-6 * geometric.bse.min(),  # a millionth of a standard error
    )
    assert (found["alpha"].estimate, found["alpha"].map_estimate, held.k) == (1.0, 1.0, 2)
    assert held.held == {"alpha": 1.0}


def test_what_cannot_be_held_is_named_before_any_fit(tmp_path):
    study = STUDY.replace("counts:poisson", "counts:negative_binomial")
    (told,) = complaints(tmp_path, study + "fixed = {alhpa = 1.0}\n")
    assert told == "models.Poisson: there is no parameter 'alhpa', did you mean 'alpha'?"
    (told,) = complaints(tmp_path, study + "fixed = {alpha = -1.0}\n")
    assert told.startswith("models.Poisson: ")
    assert "alpha" in told
    assert "-1" in told


def test_a_level_that_training_never_saw_is_named(tmp_path):
    study = STUDY.replace("visits ~ age", "visits ~ town").replace(
        "heldout = 0.25", 'column="held"'
    )
    (told,) = complaints(tmp_path, study, town=put("town", 8, "west"))
    assert told == (
        "models.Poisson: column 'town' holds 'west' in row 8 (line 10 of visits.csv), a level "
        "never seen in training."
    )


@pytest.mark.parametrize(
    ("split", "part"), [("column = 'never'", "held-out"), ("heldout = 0.0001", "held-out")]
)
def test_an_empty_split_is_refused(split, part, tmp_path):
    with pytest.raises(DataError, match=f"leaves the {part} part without rows"):
        complaints(tmp_path, STUDY.replace("heldout = 0.25", split))


def test_a_missing_data_file_is_told_with_the_nearest(tmp_path):
    with pytest.raises(
        DataError, match=r"there is no file .*visit\.csv, did you mean 'visits\.csv'"
    ):
        complaints(tmp_path, STUDY.replace('"visits.csv"', '"visit.csv"'))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("1 / 0", "raised ZeroDivisionError: division by zero"),
        ("data['nope']", "reads 'nope', which the data do not have"),
        ("raise Own('no luck')", "raised Own: no luck"),
        ("raise Exception('first\\nsecond')", "raised Exception: first"),
        ("raise StopIteration", "raised StopIteration"),
        ("open('nowhere')", "raised FileNotFoundError: "),
        ("raise SystemExit(0)", "raised SystemExit: 0"),
        ("import pytensor.tensor as pt; pt.zeros(2).dot(pt.zeros(3)).eval()", "raised "),
        ("return 3", "returned int; a definition returns a pm.Model"),
        ("pass", "returned NoneType; a definition returns a pm.Model"),
    ],
)
def test_whatever_a_definition_raises_is_one_sentence(body, reason, tmp_path):
    own = f"class Own(Exception): pass\ndef growth(data):\n    {body}\n"
    study = STUDY.replace("counts:poisson", "mine.py:growth")
    (told,) = complaints(tmp_path, study, {"mine.py": own})
    assert told.startswith("models.Poisson: ")
    assert reason in told
    assert "\n" not in told


def test_shapes_that_do_not_fit_are_the_definitions_mistake(tmp_path):
    study = STUDY.replace("counts:poisson", "mine.py:poisson")
    wrong = DEFINITION.replace("X @ beta", "X.T @ beta")
    (told,) = complaints(tmp_path, study, {"mine.py": wrong})
    assert told.startswith("models.Poisson: ")
    assert "cannot be evaluated: ValueError" in told
    assert "\n" not in told


def test_an_interrupt_is_nobodys_mistake(tmp_path):
    own = "def growth(data):\n    raise KeyboardInterrupt\n"
    with pytest.raises(KeyboardInterrupt):
        complaints(tmp_path, STUDY.replace("counts:poisson", "mine.py:growth"), {"mine.py": own})


def test_every_model_and_the_baseline_are_complained_of(tmp_path):
    study = f"""{STUDY}
[models.Misspelt]
define = "counts:poison"
[models."No such column"]
define = "counts:poisson"
formula = "visits ~ agee"
[models.Extra]
define = "counts:poisson"
predictors.zero = "~ age"
[report]
baseline = "counts:negativ_binomial"
"""
    places = [complaint.partition(": ")[0] for complaint in complaints(tmp_path, study)]
    assert places == [
        "models.Misspelt", "models.No such column", "models.Extra", "report.baseline",
    ]  # fmt: skip


# The run


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A study of which one model is good, one has no maximum, and two fail; and what it said."""
    folder = tmp_path_factory.mktemp("mixed")
    (folder / "mine.py").write_text("class Own(Exception): pass\ndef f(data): raise Own('no luck')")
    study = f"""{STUDY}
[models."Runs away"]
define = "counts:poisson"
formula = "visits ~ age + never"
collinear = "keep"
[models.Own]
define = "mine.py:f"
[models.Nowhere]
define = "counts:poison"
[checks]
budget = 20
[report]
learning_curve = true
"""
    said = []
    declared = 'unit = "visits a year"\nwidth = 1\nmissing = "drop"'
    study = study.replace('.csv"', f'.csv"\n{declared}')
    return Study.read(write(folder, study)).run(
        note=said.append, command="run", created="now"
    ), said


def test_the_other_models_still_finish(mixed):
    findings, _ = mixed
    assert [fit.name for fit in findings.fits] == ["Poisson", "Runs away"]
    assert {failure.name: (failure.define, failure.reason) for failure in findings.failed} == {
        "Own": ("mine.py:f", "f raised Own: no luck"),
        "Nowhere": (
            "counts:poison",
            "counts has no definition 'poison', did you mean 'poisson'?",
        ),
    }


def test_a_model_without_a_maximum_is_ranked_out_with_the_reason(mixed):
    findings, _ = mixed
    assert [contender.name for contender in findings.ranking.contenders] == ["Poisson"]
    assert findings.ranking.unranked.keys() == {"Runs away"}
    assert "beta[never]" in findings.ranking.unranked["Runs away"]
    assert (findings.fit("Runs away").aic, findings.fit("Runs away").bic) == (None, None)


def test_each_step_is_told_before_it_is_taken(mixed):
    _, said = mixed
    assert said[0] == "Reading visits.csv"
    assert "Poisson: maximum likelihood" in said
    assert "Own: failed: f raised Own: no luck" in said
    assert said[-1] == "Comparing"


def test_the_findings_are_statsmodels_own_numbers(mixed):
    findings, _ = mixed
    data = columns()
    chosen = np.random.default_rng(3).permutation(ROWS)[: round(0.25 * ROWS)]
    training = ~np.isin(np.arange(ROWS), chosen)
    design = sm.add_constant(data["age"])
    theirs = sm.Poisson(data["visits"][training], design[training]).fit(disp=False, tol=1e-12)
    fit = findings.fit("Poisson")
    estimates = [parameter.estimate for parameter in fit.parameters]
    # Both stop where the score is rounding: six digits are far more than either leaves.
    np.testing.assert_allclose(estimates, theirs.params, rtol=1e-6)
    assert fit.training_nll == pytest.approx(-theirs.llf, rel=1e-9)
    mean = theirs.predict(design[~training])
    counts = data["visits"][~training]
    losses = mean - counts * np.log(mean) + [math.lgamma(y + 1) for y in counts]
    entropy = fit.heldout.cross_entropy
    assert entropy.value == pytest.approx(losses.mean(), rel=1e-6)
    assert entropy.se == pytest.approx(losses.std(ddof=1) / math.sqrt(len(losses)), rel=1e-6)


def test_the_priors_worth_is_paired_with_its_own_error(mixed):
    fit = mixed[0].fit("Poisson")
    study = columns()
    held = np.isin(np.arange(ROWS), np.random.default_rng(3).permutation(ROWS)[:30])
    age, visits = study["age"][held], study["visits"][held]
    likelihood, posterior = (
        -stats.poisson.logpmf(visits, np.exp(b[0] + b[1] * age))
        for b in np.array([(one.estimate, one.map_estimate) for one in fit.parameters]).T
    )
    worth = fit.heldout.prior_worth
    d = likelihood - posterior
    assert worth.value == pytest.approx(d.mean(), rel=1e-6)
    assert worth.se == pytest.approx(d.std(ddof=1) / math.sqrt(30), rel=1e-6)


def test_few_rows_a_parameter_have_a_predictive_density(mixed):
    fit = mixed[0].fit("Poisson")  # 2 parameters on 90 rows
    found = {one.label: one for one in fit.heldout.predictive}
    assert list(found) == ["maximum likelihood", "MAP"]
    for one in found.values():
        assert abs(one.cross_entropy.value - fit.heldout.cross_entropy.value) < 0.02  # 1 / 50
        assert one.gain.se < one.cross_entropy.se / 5  # paired
    reasons = [one.reason for one in mixed[0].fit("Runs away").heldout.predictive]
    assert reasons[0].startswith("no predictive density: not identified")


def test_training_rows_left_out_of_the_posterior_have_its_predictive_density(mixed):
    fit, data = mixed[0].fit("Poisson"), columns()
    training = ~np.isin(np.arange(ROWS), np.random.default_rng(3).permutation(ROWS)[:30])
    axes = [one.estimate + one.se * np.linspace(-7, 7, 141) for one in fit.parameters]
    a, b = (values.ravel() for values in np.meshgrid(*axes))
    rates = np.exp(a[:, None] + b[:, None] * data["age"][training])
    rows = stats.poisson.logpmf(data["visits"][training], rates)
    joint = rows.sum(axis=1) + stats.norm.logpdf([a, b], 0, 10).sum(axis=0)
    exact = logsumexp(joint[:, None] - rows, axis=0) - logsumexp(joint)  # of 1 / likelihood
    found = fit.reweighted
    assert found.reason == ""
    # On a logarithm's scale a Poisson's posterior has a heavier tail than a normal, and it shows.
    assert found.k_hat > 0.7
    assert f"up to {found.k_hat:.2g}: their weights have too heavy a tail" in found.advice
    assert abs(found.cross_entropy.value - exact.mean()) < 4 * found.monte_carlo
    assert abs(found.waic.value - exact.mean()) < (2 / 90) ** 2 + 4 * found.monte_carlo
    # A prior holds what the likelihood leaves open, and the outcome does not depend on it.
    held = mixed[0].fit("Runs away").reweighted
    assert held.cross_entropy.value == pytest.approx(found.cross_entropy.value, abs=0.002)


def test_the_rows_that_the_fit_hangs_on_are_statsmodels(mixed):
    found, data = mixed[0].fit("Poisson"), columns()
    training = ~np.isin(np.arange(ROWS), np.random.default_rng(3).permutation(ROWS)[:30])
    design = sm.add_constant(data["age"])[training]
    model = sm.GLM(data["visits"][training], design, family=sm.families.Poisson())
    theirs = model.fit(tol=1e-12).get_influence()
    hat = theirs.hat_matrix_diag
    displacement = theirs.cooks_distance[0] * 2 * (1 - hat) ** 2
    order = np.argsort(-displacement)[:5]
    labels = [one.label for one in found.influential]
    assert labels == [str(row) for row in np.flatnonzero(training)[order]]
    for one, row in zip(found.influential, order, strict=True):
        assert one.displacement == pytest.approx(displacement[row], rel=1e-4)
        assert one.leverage == pytest.approx(hat[row], rel=1e-4)
        assert one.share == pytest.approx(one.displacement / found.effective_parameters, rel=1e-6)
    assert mixed[0].fit("Runs away").influential == ()


def test_a_learning_curve_takes_parts_with_ten_rows_a_parameter(mixed):
    found = mixed[0].fit("Poisson").learning
    assert found.rows == (36.0, 63.0)  # .4 and .7 of 90; a fifth has 18, below 20
    assert (len(found.heldout), found.all_rows) == (5, 90.0)
    full = mixed[0].fit("Poisson").heldout.cross_entropy.value
    # Five replicates of a first-order excess of 2 / 2 (1 / 36 - 1 / 90), to a few times itself.
    assert abs(np.mean([part[0] for part in found.heldout]) - full) < 5 * (1 / 36 - 1 / 90)
    assert "no learning curve: not identified" in mixed[0].fit("Runs away").learning.reason


def test_the_findings_keep_what_is_declared_of_the_outcome(mixed):
    findings, _ = mixed
    assert (findings.data.outcome, findings.data.unit, findings.data.width) == (
        "visits", "visits a year", 1.0,
    )  # fmt: skip
    assert (findings.data.dropped.counts, findings.data.dropped.rows) == ({}, 0)


def test_the_baseline_is_the_training_mean(mixed):
    findings, _ = mixed
    data = columns()["visits"]
    chosen = np.random.default_rng(3).permutation(ROWS)[: round(0.25 * ROWS)]
    heldout = np.isin(np.arange(ROWS), chosen)
    mean = data[~heldout].mean()
    losses = [mean - y * math.log(mean) + math.lgamma(y + 1) for y in data[heldout]]
    assert findings.baseline.cross_entropy.value == pytest.approx(np.mean(losses), rel=1e-6)


def test_the_findings_of_a_run_make_the_round_trip(mixed, tmp_path):
    findings, _ = mixed
    read = wb.Findings.read(findings.save(tmp_path))
    bare = {"trees": {}}
    assert read.model_copy(update=bare) == findings.model_copy(update=bare)
    for name, tree in findings.trees.items():
        assert tree.identical(read.trees[name]), name


def test_a_baseline_that_fails_is_told(tmp_path):
    report = '[checks]\nbudget = 1\n[report]\nbaseline = "binary:beta_binomial"\n'
    findings = Study.read(write(tmp_path, STUDY + report)).run()
    assert findings.baseline is None
    assert findings.fit("Poisson").heldout.gain.value is None
    (failure,) = findings.failed
    assert (failure.name, failure.define) == ("baseline", "binary:beta_binomial")


def test_a_baseline_that_is_no_definition_is_refused_before_any_fit(tmp_path):
    report = '[report]\nbaseline = "counts:poison"\n'
    said, study = [], Study.read(write(tmp_path, STUDY + report))
    with pytest.raises(StudyError, match=r"report\.baseline: .*did you mean 'poisson'"):
        study.run(note=said.append)
    assert said == []


def test_a_study_in_which_every_model_fails_has_no_ranking(tmp_path):
    findings = Study.read(write(tmp_path, STUDY.replace("counts:poisson", "counts:poison"))).run()
    assert (findings.fits, findings.ranking, findings.baseline) == ((), None, None)
    assert findings.data.outcome == "visits"


def run_of(folder, formula, define, source=None):
    """The findings, saved and read again, and the page of a study of two models of one outcome."""
    (folder / "mine.py").write_text(source or Path(declarations.__file__).read_text())
    study = STUDY.replace("counts:poisson", f"mine.py:{define}").replace("visits ~ age", formula)
    bare = formula.replace("~ age", "~ 1")
    study += f'[models.Bare]\ndefine = "mine.py:{define}"\nformula = "{bare}"\n'
    changed = {"grade": GRADES, "height": np.round(columns()["age"] + GRADES_AT, 2)}
    findings = Study.read(write(folder, study + "[checks]\nbudget = 20\n", **changed)).run()
    read = wb.Findings.read(findings.save(folder / "out"))
    return read, wb.write_pages(read, folder / "out").read_text()


GRADES_AT = np.random.default_rng(7).integers(0, 3, ROWS)
GRADES = np.array(["low", "mid", "high"])[GRADES_AT]


@pytest.mark.slow
def test_several_outcomes_are_fitted_ranked_and_drawn(tmp_path):
    findings, page = run_of(tmp_path, "visits + height ~ age", "several_normals")
    assert findings.failed == ()
    assert findings.data.outcome == "visits, height"
    held = findings.trees["Poisson"]["heldout"]
    assert set(held.data_vars) == {"observed", "nll"}
    assert held["observed"].shape == (30, 2)
    assert findings.fit("Poisson").heldout.divergence.estimate.value is None
    assert {check.outcome for check in findings.fit("Poisson").checks} <= {"pass", "n/a"}
    assert len(findings.ranking.contenders) == 2
    assert "figure-pit" not in page
    assert "figure-loss" in page


@pytest.mark.slow
def test_categories_are_fitted_ranked_and_drawn(tmp_path):
    formula = "C(grade, levels=['low', 'mid', 'high']) ~ age"
    findings, page = run_of(tmp_path, formula, "softmax")
    assert findings.failed == ()
    assert (findings.data.outcome, findings.data.discrete) == ("grade", True)
    assert findings.data.categories == ("low", "mid", "high")
    assert findings.baseline is not None
    held = findings.trees["Poisson"]["heldout"]
    assert set(held.data_vars) == {"observed", "nll", "pit", "score"}
    labels = [parameter.label for parameter in findings.fit("Poisson").parameters]
    assert "beta[age, high]" in labels
    assert "figure-frequency" not in page
    assert "grade, categories low, mid, high" in page


@pytest.mark.slow
def test_two_words_are_a_binary_outcome(tmp_path):
    findings, page = run_of(tmp_path, "town ~ age", "poisson", LOGISTIC)
    assert findings.failed == ()
    assert findings.data.categories == ("south", "north")  # as they first appear
    assert {"pit", "mean", "frequency"} < set(findings.trees["Poisson"]["heldout"].data_vars)
    assert "figure-reliability" in page


@pytest.mark.slow
def test_an_offset_stays_out_of_the_further_predictors(tmp_path):
    (tmp_path / "mine.py").write_text(OFFSET_DEFINITION)
    study = STUDY.replace("counts:poisson", "mine.py:zero_inflated").replace(
        "~ age", "~ age + offset(log(most))"
    )
    findings = Study.read(
        write(tmp_path, study + "[checks]\nbudget = 1\n", most=np.arange(1, ROWS + 1))
    ).run()
    assert findings.failed == ()
    assert findings.fit("Poisson").predictors == {
        "zero": "~ age + offset(log(most)), without its offset"
    }
    assert findings.baseline is not None  # which keeps the offset that the definition reads


CHOICES = """
title = "Which of three?"
seed = 3
[data]
file = "choices.csv"
group = "trip"
[split]
heldout = 0.25
[defaults]
formula = "choice ~ price"
[models.Choice]
define = "categorical:conditional_logit"
[models.Rows]
define = "binary:logit"
"""


def test_a_choice_is_one_of_its_group_and_no_model_of_rows_is_compared_with_it(tmp_path):
    rng, trips = np.random.default_rng(5), 80
    price = rng.normal(size=(trips, 3)).round(3)
    chosen = np.argmax(rng.gumbel(size=(trips, 3)) - price, axis=1)
    lines = [f"{trip},{price[trip, row]},{int(chosen[trip] == row)}"
             for trip in range(trips) for row in range(3)]  # fmt: skip
    (tmp_path / "choices.csv").write_text("\n".join(["trip,price,choice", *lines]) + "\n")
    (tmp_path / "study.toml").write_text(CHOICES)
    findings = Study.read(tmp_path / "study.toml").run()
    choice = findings.fit("Choice")
    assert choice.by_group
    assert choice.training_rows == 60
    expected = choice.training_nll_per_row + choice.effective_parameters / 60
    assert choice.left_out.cross_entropy.value == pytest.approx(expected, abs=0.005)  # TIC
    assert choice.left_out.cross_entropy.count == 60
    assert [parameter.label for parameter in choice.parameters] == ["beta[price]"]
    # without a predictor all three are as likely, and no parameter is left
    assert math.isclose(findings.baseline.cross_entropy.value, math.log(3), rel_tol=1e-12)
    assert [one.name for one in findings.ranking.contenders] == ["Choice"]
    assert (
        "not comparable with Choice: they were not evaluated on the same rows"
        in (findings.ranking.unranked["Rows"])
    )
    assert findings.fit("Rows").heldout.gain.value is None
    assert headline.title(findings) == "Which of three? Choice is the only model ranked"
    assert "a group is its unit" in headline.lede(findings)[-1]


@pytest.mark.slow
def test_one_model_under_two_names_is_drawn(tmp_path):
    twice = STUDY + '[models.Again]\ndefine = "counts:poisson"\n'
    findings = Study.read(write(tmp_path, twice)).run()
    page = write_pages(findings, tmp_path / "out").read_text(encoding="utf-8")
    assert "are not separated by these rows" in page
    assert "NaN" not in page
    assert "nan " not in page


def test_groups_on_both_sides_of_a_split_are_counted(tmp_path):
    study = STUDY.replace('"visits.csv"', '"visits.csv"\ngroup = "town"').replace(
        "heldout = 0.25", 'column = "held"'
    )
    findings = Study.read(write(tmp_path, study)).run()
    page = write_pages(findings, tmp_path / "out").read_text(encoding="utf-8")
    both = {town for town in ("north", "south")
            if {0, 1} <= set(columns()["held"][columns()["town"] == town])}  # fmt: skip
    assert (f"{len(both)} stand on both sides" in page) == bool(both)


def test_a_separated_cell_is_no_minimum(tmp_path):
    visits = columns()["visits"]
    visits[::10] = 0
    flag = (np.arange(ROWS) % 10 == 0).astype(int)
    study = STUDY.replace("visits ~ age", "visits ~ flag") + "[checks]\nbudget = 1\n"
    findings = Study.read(write(tmp_path, study, visits=visits, flag=flag)).run()
    assert not findings.fit("Poisson").verdict.determined
