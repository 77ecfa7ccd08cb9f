"""The study file: what may stand in it, and every mistake in one telling."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from workbench.errors import DataError, StudyError, nearest
from workbench.formula import columns_used, quoted
from workbench.table import Roles

Mistake = tuple[str, str]  # place in the file, what is wrong there

WAYS_TO_SPLIT = ("heldout", "last", "after", "column")
# pydantic's kinds of mistakes in the words of someone who writes a study file.
WORDS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a table",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "greater_than": "must be greater than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt:g}",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "model_type": "must be a table",
    "string_type": 'must be text, in quotes: "..."',
    "too_short": "must name at least one",
    "tuple_type": 'must be a list of texts: ["..."]',
}


def _moment(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float | date | None):
        raise ValueError("must be a number, a date or text")
    return value


class Section(BaseModel):
    """A table of the file; what it does not know, or would have to convert, it refuses."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataSection(Section):
    """Where the rows are, the columns with a role of their own, and what the outcome is."""

    file: str
    source: str = ""
    notes: tuple[str, ...] = Field(default=(), strict=False)  # TOML has lists
    outcome: str | None = None
    unit: str | None = None
    width: PositiveFloat | None = None
    group: str | None = None
    weight: str | None = None
    exposure: str | None = None
    offset: str | None = None
    time: str | None = None
    trials: str | None = None
    missing: Literal["refuse", "drop"] = "refuse"  # rows with missing values

    @property
    def roles(self) -> dict[str, str]:
        """Role -> column, of the declared roles alone."""
        known = {role.name for role in fields(Roles)}
        columns = self.model_dump(include=known, exclude_none=True)
        return {role: str(column) for role, column in columns.items()}

    @property
    def declared(self) -> dict[str, Any]:
        """What `table.read` takes beside the file: roles, unit and width."""
        return self.roles | {"unit": self.unit, "width": self.width}


class SplitSection(Section):
    """Which rows are held out: a share, the latest, those after a time, or marked in a column."""

    heldout: float | None = Field(default=None, gt=0, lt=1)
    stratify: str | None = None
    blocks: int | None = Field(default=None, ge=2)
    last: float | None = Field(default=None, gt=0, lt=1)
    after: Annotated[str | int | float | date | None, BeforeValidator(_moment)] = None
    column: str | None = None

    def words(self, group: str | None, time: str | None, seed: int) -> str:
        """The split as the page tells it."""
        if self.heldout is not None:
            share = f"{100 * self.heldout:g}% of the rows held out at random (seed {seed})"
            return share + self._drawn(group, time)
        if self.last is not None:
            return f"the latest {100 * self.last:g}% of the rows by '{time}' held out"
        if self.after is not None:
            return f"rows after {self.after} held out"
        return f"rows marked in '{self.column}' held out"

    def _drawn(self, group: str | None, time: str | None) -> str:
        if self.blocks is not None:
            order = f"in time ('{time}')" if time else "in the order of the rows"
            return f", whole blocks of {self.blocks} that are contiguous {order}"
        by = f", whole groups of '{group}' at a time" if group else ""
        return by + (f", the same share in each stratum of '{self.stratify}'" * bool(self.stratify))


class DefaultsSection(Section):
    """The formulas of every model that has none of its own, and whether terms may be collinear."""

    formula: str | None = None
    predictors: dict[str, str] = {}
    collinear: Literal["refuse", "keep"] | None = None


class ModelSection(DefaultsSection):
    """One model: its definition by name, and its formulas where they differ from the defaults.

    `fixed` holds parameters at a value on the natural scale, by name or by label.
    """

    define: str
    fixed: dict[str, float] = {}


class ChecksSection(Section):
    """How long a check may take."""

    budget: PositiveFloat = 120.0  # seconds a model for statsmodels' search


class NestedSection(Section):
    """A model that is another with a restriction, which no program can tell: it is declared."""

    small: str
    large: str
    null: Literal["chi-squared", "boundary", "simulated"] = "chi-squared"
    replicates: int = Field(default=199, ge=19)  # data sets, where the null is simulated


class ReportSection(Section):
    """What the page relates the models to, and what it shows besides."""

    reference: str | None = None
    baseline: str | None = None
    learning_curve: bool = False  # each model fitted again to parts of its training rows
    nested: tuple[NestedSection, ...] = Field(default=(), strict=False)  # TOML has lists


class StudyFile(Section):
    """A comparison of models on one table, as its file declares it."""

    title: str
    question: str = ""
    seed: int = Field(default=0, ge=0)
    data: DataSection
    split: SplitSection
    defaults: DefaultsSection = DefaultsSection()
    models: dict[str, ModelSection] = Field(min_length=1)
    checks: ChecksSection = ChecksSection()
    report: ReportSection = ReportSection()

    @model_validator(mode="after")
    def _sections_agree(self) -> "StudyFile":
        told = [f"{where}: {what}" for where, what in _disagreements(self.model_dump())]
        if told:
            raise ValueError("; ".join(told))
        return self

    @property
    def reference(self) -> str:
        """The model to which the others are related: the declared one, else the first."""
        return self.report.reference or next(iter(self.models))

    def formula(self, name: str) -> str:
        """The main formula of a model, with the outcome that [data] names where it has none."""
        formula = self.models[name].formula or self.defaults.formula or "~ 1"
        if self.data.outcome and formula.lstrip().startswith("~"):
            return f"{quoted(self.data.outcome)} {formula.lstrip()}"
        return formula

    def collinear(self, name: str) -> str:
        """What becomes of collinear terms of a model: its own setting, else the default."""
        return self.models[name].collinear or self.defaults.collinear or "refuse"

    def predictors(self, name: str) -> dict[str, str]:
        """The further formulas of a model, its own before the defaults."""
        return self.defaults.predictors | self.models[name].predictors


def read_study_file(path: Path) -> StudyFile:
    """The file's content. Raises StudyError that lists every mistake with its place in the file."""
    if not path.is_file():
        beside = [other.name for other in path.parent.glob("*.toml")]
        raise StudyError(f"there is no study file {path}{nearest(path.name, beside)}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as reason:
        raise StudyError(f"{path} cannot be read: {reason.strerror}") from reason
    except UnicodeDecodeError as reason:
        raise StudyError(f"{path} is not UTF-8 text; save it in that encoding") from reason
    except tomllib.TOMLDecodeError as reason:
        raise StudyError(f"{path} is not valid TOML: {reason}") from reason
    try:
        return StudyFile.model_validate(content)
    except ValidationError as reason:
        told = [*map(_told, _of_sections(reason)), *_disagreements(content)]
        lines = [f"  {where}: {what}" for where, what in told]
        count = "one mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        raise StudyError(f"{path} has {count}:\n" + "\n".join(lines)) from reason


def _of_sections(reason: ValidationError) -> list[ErrorDetails]:
    # At the root stand only the disagreements, which are found again in the raw content:
    # pydantic looks for them only where every section is free of mistakes.
    return [error for error in reason.errors() if error["loc"]]


def _told(error: ErrorDetails) -> Mistake:
    *parents, key = error["loc"]
    if error["type"] == "extra_forbidden":
        return _place(*parents, key), f"unknown key{nearest(str(key), _known_keys(parents))}"
    words = WORDS.get(error["type"], "").format(**error.get("ctx", {}))
    return _place(*parents, key), words or error["msg"].removeprefix("Value error, ")


def _place(*keys: object) -> str:
    """A dotted TOML key, quoted where it must be."""
    plain = [str(key) for key in keys]
    return ".".join(key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"' for key in plain)


def _known_keys(parents: list[Any]) -> list[str]:
    section = StudyFile.model_fields[parents[0]].annotation if parents else StudyFile
    fields: Mapping[str, Any] = getattr(section, "model_fields", ModelSection.model_fields)
    return list(fields)


def _disagreements(content: Mapping[str, Any]) -> list[Mistake]:
    """Mistakes between keys. A value of the wrong type is passed over: its section refuses it."""
    models = {name: _table(_table(content, "models"), name) for name in _table(content, "models")}
    default = _table(content, "defaults").get("formula")
    formulas = {name: model.get("formula") or default for name, model in models.items()}
    return [
        *_split_mistakes(content),
        *_formula_mistakes(formulas, _table(content, "data").get("outcome")),
        *_reference_mistakes(_table(content, "report").get("reference"), models),
        *_nested_mistakes(_table(content, "report").get("nested"), models),
    ]


def _table(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    return value if isinstance(value, Mapping) else {}


def _split_mistakes(content: Mapping[str, Any]) -> Iterator[Mistake]:
    if not isinstance(content.get("split"), Mapping):
        return
    has = [key for key, value in content["split"].items() if value is not None]
    given = [way for way in WAYS_TO_SPLIT if way in has]
    if len(given) != 1:
        had = " and ".join(given) or "none"
        yield "split", f"needs one of heldout, last, after and column, and has {had}"
    refined = [key for key in ("stratify", "blocks") if key in has]
    if len(refined) == 2:
        yield "split", "draws either from strata or whole blocks, and has stratify and blocks"
    for key in refined:
        if "heldout" not in has:
            yield _place("split", key), "goes with heldout"


def _formula_mistakes(formulas: Mapping[str, object], declared: object) -> Iterator[Mistake]:
    """Every model has a formula, and all explain one outcome: others cannot be compared."""
    outcomes = {}
    for name, formula in formulas.items():
        if formula is None and declared is None:
            yield (
                _place("models", name),
                "has no formula, [defaults] gives none, and [data] names no outcome",
            )
        elif isinstance(formula, str) and "~" in formula:
            outcomes[name] = _outcome_in(formula)
    named = {name: outcome for name, outcome in outcomes.items() if outcome}
    first = next(iter(named), "")
    known, by = (
        (declared, "[data] names")
        if isinstance(declared, str)
        else (named.get(first), f"'{first}' explains")
    )
    for name, outcome in named.items():
        if outcome != known:
            yield (
                _place("models", name, "formula"),
                f"the outcome is '{outcome}', but {by} '{known}'; models are compared on one "
                "outcome",
            )


def _outcome_in(formula: str) -> str:
    """The outcome's column, of which a formula may take a function; of categories as written."""
    left = formula.partition("~")[0].strip()
    with suppress(DataError):  # told of when its model is bound
        if left and not left.startswith("C("):
            return " + ".join(columns_used(f"{left} ~ 1"))
    return left.strip("`")


def _nested_mistakes(nested: object, models: Mapping[str, Any]) -> Iterator[Mistake]:
    pairs = nested if isinstance(nested, list | tuple) else ()
    for place, pair in enumerate(pairs):
        named = [pair.get(key) for key in ("small", "large")] if isinstance(pair, Mapping) else []
        for name in named:
            if isinstance(name, str) and name not in models:
                yield (
                    f"report.nested[{place}]",
                    f"no model is called '{name}'{nearest(name, models)}",
                )
        if len(named) == 2 and named[0] == named[1]:
            yield f"report.nested[{place}]", f"'{named[0]}' is nested in itself: name two models"


def _reference_mistakes(reference: object, models: Mapping[str, Any]) -> Iterator[Mistake]:
    if isinstance(reference, str) and reference not in models:
        yield "report.reference", f"no model is called '{reference}'{nearest(reference, models)}"
