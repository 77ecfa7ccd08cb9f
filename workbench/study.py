"""The pipeline, in order: a study file in, findings out."""

import hashlib
import platform
import time
import tomllib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from workbench import findings as found
from workbench import information
from workbench.agreement import Checks, check
from workbench.comparison import Comparison, compare
from workbench.errors import DataError, ModelError, StudyError, nearest
from workbench.estimate import Estimate, maximum_a_posteriori, maximum_likelihood
from workbench.evaluation import Evaluation, evaluate
from workbench.findings import Findings, Quantity
from workbench.formula import Design, design, intercept_only
from workbench.problem import bind
from workbench.registry import definition_named
from workbench.table import Table, read, split

PACKAGES = ("pymc", "pytensor", "jax", "statsmodels", "arviz", "numpy", "scipy", "formulaic")
LARGEST_COUNT = 200  # counts up to this have their expected share stored

Note = Callable[[str], None]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSection(_Section):
    """Where the rows are, and the columns with a role of their own."""

    file: str
    source: str = ""
    notes: tuple[str, ...] = ()
    group: str | None = None
    weight: str | None = None
    exposure: str | None = None
    offset: str | None = None
    time: str | None = None


class SplitSection(_Section):
    """Which rows are held out: a share of them, those after a time, or those marked in a column."""

    heldout: float | None = Field(default=None, gt=0, lt=1)
    after: str | float | None = None
    column: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "SplitSection":
        given = [name for name in ("heldout", "after", "column") if getattr(self, name) is not None]
        if len(given) != 1:
            had = " and ".join(given) or "none"
            raise ValueError(f"needs one of heldout, after or column; it has {had}")
        return self

    def words(self, group: str | None, seed: int) -> str:
        """The split as the page tells it."""
        if self.heldout is not None:
            by = f", whole groups of '{group}' at a time" if group else ""
            return f"{self.heldout:.0%} of the rows held out at random (seed {seed}){by}"
        if self.after is not None:
            return f"rows after {self.after} held out"
        return f"rows marked in '{self.column}' held out"


class ModelSection(_Section):
    """One model: its definition by name, and its formulas where they differ from the defaults."""

    define: str
    formula: str | None = None
    predictors: dict[str, str] = {}  # noqa: RUF012 (pydantic copies it)


class DefaultsSection(_Section):
    formula: str | None = None
    predictors: dict[str, str] = {}  # noqa: RUF012


class ChecksSection(_Section):
    budget: PositiveFloat = 120.0  # seconds a model for statsmodels' search


class ReportSection(_Section):
    reference: str | None = None
    baseline: str | None = None


class Study(_Section):
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
    folder: Path = Path()  # paths in the study are taken from here

    @model_validator(mode="after")
    def _names_agree(self) -> "Study":
        for name, model in self.models.items():
            if model.formula is None and self.defaults.formula is None:
                raise ValueError(f"models.{name} has no formula, and [defaults] gives none")
        reference = self.report.reference
        if reference is not None and reference not in self.models:
            raise ValueError(
                f"report.reference: no model is called '{reference}'{nearest(reference, self.models)}"
            )
        return self

    @classmethod
    def read(cls, path: str | Path) -> "Study":
        """Read a study file. Raises StudyError that lists every mistake with its path."""
        path = Path(path)
        if not path.is_file():
            beside = [p.name for p in path.parent.glob("*.toml")] if path.parent.is_dir() else []
            raise StudyError(f"there is no study file {path}{nearest(path.name, beside)}")
        try:
            text = path.read_text(encoding="utf-8")
            content = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
            raise StudyError(f"{path} is not valid TOML: {reason}") from reason
        try:
            return cls.model_validate(content | {"folder": path.parent})
        except ValidationError as reason:
            raise StudyError(_mistakes(path, reason, content)) from reason

    @property
    def reference(self) -> str:
        """The model to which the others are related: the declared one, else the first."""
        return self.report.reference or next(iter(self.models))

    def formula(self, name: str) -> str:
        """The main formula of a model."""
        return self.models[name].formula or self.defaults.formula or ""

    def predictors(self, name: str) -> dict[str, str]:
        """The further formulas of a model, its own before the defaults."""
        return self.defaults.predictors | self.models[name].predictors

    def tables(self) -> tuple[Table, Table]:
        """Training and held-out rows. Raises DataError."""
        roles = {role: getattr(self.data, role) for role in ("group", "weight", "exposure", "offset", "time")}
        table = read(self.folder / self.data.file, **roles)
        return split(
            table,
            heldout=self.split.heldout,
            after=self.split.after,
            column=self.split.column,
            rng=np.random.default_rng(self.seed),
        )

    def validate_all(self) -> list[str]:
        """Read everything and bind every model, fitting nothing: a sentence for each mistake."""
        training, heldout = self.tables()
        mistakes = []
        for name, model in self.models.items():
            try:
                plan = design(self.formula(name), training, **self.predictors(name))
                plan(heldout)
                bind(definition_named(model.define, self.folder), plan(training))
            except (DataError, ModelError) as reason:
                mistakes.append(f"models.{name}: {reason}")
        return mistakes

    def run(
        self,
        *,
        note: Note = lambda message: None,
        command: str = "",
        created: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> Findings:
        """Fit, check, evaluate and compare every model; a model that cannot is told of, not fatal.

        note
            Called with a sentence before each step. Raises DataError where no row can be read.
        """
        began = clock()
        note(f"Reading {self.data.file}")
        training, heldout = self.tables()
        attempts = {name: self._attempt(name, training, heldout, note, clock) for name in self.models}
        fitted = {name: a for name, a in attempts.items() if isinstance(a, _Fitted)}
        note("Comparing")
        baseline = self._baseline(training, heldout) if fitted else None
        ranked = {name: a.evaluation for name, a in fitted.items() if a.fit.optimum.verdict.regular}
        reference = self.reference if self.reference in ranked else next(iter(ranked), None)
        comparison = compare(ranked, reference=reference) if ranked else None
        unranked = {
            name: f"{a.fit.status}: {a.fit.optimum.verdict.advice}"
            for name, a in fitted.items()
            if name not in ranked
        }
        return Findings(
            title=self.title,
            question=self.question,
            data=self._data_found(training, heldout, fitted),
            fits=tuple(self._fit_found(name, a, baseline) for name, a in fitted.items()),
            failed=tuple(a for a in attempts.values() if isinstance(a, found.FailedModel)),
            baseline=_baseline_found(self._baseline_name(), baseline) if baseline else None,
            ranking=_ranking(comparison, unranked) if comparison else None,
            provenance=found.Provenance(
                command=command,
                created=created,
                seed=self.seed,
                versions={"python": platform.python_version()} | {name: version(name) for name in PACKAGES},
                seconds=round(clock() - began, 1),
            ),
            trees={name: a.tree for name, a in fitted.items()},
        )

    def _attempt(
        self, name: str, training: Table, heldout: Table, note: Note, clock: Callable[[], float]
    ) -> "_Fitted | found.FailedModel":
        define = self.models[name].define
        try:
            definition = definition_named(define, self.folder)
            plan = design(self.formula(name), training, **self.predictors(name))
            fit_rows, test_rows = plan(training), plan(heldout)
            note(f"{name}: binding")
            problem = bind(definition, fit_rows)
            note(f"{name}: maximum likelihood")
            rng = np.random.default_rng([self.seed, list(self.models).index(name)])
            fit = maximum_likelihood(problem, rng=rng)
            note(f"{name}: maximum a posteriori")
            map_fit = maximum_a_posteriori(problem, rng=rng)
            note(f"{name}: held-out rows")
            evaluation = evaluate(fit, test_rows, seed=self.seed)
            map_evaluation = evaluate(map_fit, test_rows, seed=self.seed)
            note(f"{name}: checking against statsmodels (up to {self.checks.budget:g} s)")
            checks = check(fit, budget=self.checks.budget, clock=clock)
        except (DataError, ModelError) as reason:
            note(f"{name}: failed: {reason}")
            return found.FailedModel(name=name, define=define, reason=str(reason))
        return _Fitted(plan, definition, fit, map_fit, evaluation, map_evaluation, checks)

    def _baseline_name(self) -> str:
        return self.report.baseline or self.models[self.reference].define

    def _baseline(self, training: Table, heldout: Table) -> Evaluation | None:
        """The intercept-only model, fitted on training rows; None where it has no optimum."""
        try:
            plan = intercept_only(design(self.formula(self.reference), training))
            problem = bind(definition_named(self._baseline_name(), self.folder), plan(training))
            fit = maximum_likelihood(problem)
            return evaluate(fit, plan(heldout), seed=self.seed) if fit.optimum.verdict.regular else None
        except (DataError, ModelError):
            return None

    def _data_found(
        self, training: Table, heldout: Table, fitted: Mapping[str, "_Fitted"]
    ) -> found.DataFound:
        group = self.data.group
        counts = [t.frame[group].nunique() if group else None for t in (training, heldout)]
        first = next(iter(fitted.values()), None)
        return found.DataFound(
            file=self.data.file,
            source=self.data.source,
            notes=self.data.notes,
            sha256=training.sha256,
            outcome=first.plan.outcome if first else self.formula(self.reference).split("~")[0].strip(),
            discrete=bool(first and first.fit.problem.graph.discrete),
            rows=len(training) + len(heldout),
            training_rows=len(training),
            heldout_rows=len(heldout),
            split=self.split.words(group, self.seed),
            group=group,
            groups=_total(counts, training, heldout, group),
            training_groups=counts[0],
            heldout_groups=counts[1],
        )

    def _fit_found(self, name: str, a: "_Fitted", baseline: Evaluation | None) -> found.FitFound:
        fit, definition = a.fit, a.definition
        verdict = fit.optimum.verdict
        documentation = (getattr(definition, "__doc__", None) or "").strip()
        return found.FitFound(
            name=name,
            define=self.models[name].define,
            description=documentation.splitlines()[0] if documentation else "",
            formula=self.formula(name),
            predictors=self._predictors_used(name, definition),
            latex=getattr(definition, "latex", None),
            k=fit.k,
            training_nll=-fit.llf,
            training_rows=int(fit.nobs),
            aic=fit.aic if verdict.regular else None,
            bic=fit.bic if verdict.regular else None,
            bic_units=f"groups of '{self.data.group}'" if self.data.group else "rows",
            effective_parameters=fit.effective_parameters,
            se_kind=fit.covariance_kind,
            verdict=found.VerdictFound(
                status=fit.status,
                regular=verdict.regular,
                advice=verdict.advice,
                step=verdict.step,
                starts=tuple(
                    found.StartFound(name=s.name, value=s.value, iterations=len(s.values) - 1)
                    for s in fit.optimum.starts
                ),
            ),
            map_status=a.map_fit.status,
            parameters=_parameters(fit, a.map_fit),
            checks=tuple(found.CheckFound(**vars(agreement)) for agreement in a.checks),
            heldout=_heldout(a, baseline),
            engines=dict(fit.problem.functions.engines),
            tree=_file_name(name, fit),
        )

    def _predictors_used(self, name: str, definition: Any) -> dict[str, str]:
        """Every further predictor, with the main formula's right side where none was given."""
        given = self.predictors(name)
        main = "~" + self.formula(name).partition("~")[2]
        return {p: given.get(p, main) for p in getattr(definition, "predictors", ())} | given


class _Fitted:
    """All that was computed for one model."""

    def __init__(
        self,
        plan: Design,
        definition: Any,
        fit: Estimate,
        map_fit: Estimate,
        evaluation: Evaluation,
        map_evaluation: Evaluation,
        checks: Checks,
    ) -> None:
        self.plan, self.definition, self.fit, self.map_fit = plan, definition, fit, map_fit
        self.evaluation, self.map_evaluation, self.checks = evaluation, map_evaluation, checks

    @property
    def tree(self) -> xr.DataTree:
        """ArviZ's container of the fit, with the held-out rows beside it."""
        tree = self.fit.to_datatree()
        tree["heldout"] = xr.DataTree(self._heldout_rows())
        return tree

    def _heldout_rows(self) -> xr.Dataset:
        evaluation = self.evaluation
        arrays: dict[str, Any] = {
            "observed": ("row", evaluation.observed),
            "nll": ("row", evaluation.pointwise),
            "pit": ("row", evaluation.pit),
            "mean": ("row", evaluation.expected),
        }
        if evaluation.groups is not None:
            arrays["group"] = ("row", evaluation.groups)
        coords: dict[str, Any] = {"row": evaluation.labels}
        if self.fit.problem.graph.discrete:
            values = np.arange(min(int(evaluation.observed.max()), LARGEST_COUNT) + 1)
            arrays["frequency"] = ("value", evaluation.frequencies(values))
            coords["value"] = values
        return xr.Dataset(arrays, coords=coords)


def _total(counts: list[int | None], training: Table, heldout: Table, group: str | None) -> int | None:
    if group is None:
        return None
    return len(set(training.frame[group]) | set(heldout.frame[group]))


def _parameters(fit: Estimate, map_fit: Estimate) -> tuple[found.ParameterFound, ...]:
    observed, limits = fit.standard_errors("observed"), fit.conf_int()
    rows = []
    for parameter in fit.problem.parameters:
        for label in parameter.labels:
            rows.append(
                found.ParameterFound(
                    label=label,
                    prior=parameter.prior,
                    support=parameter.support,
                    estimate=fit.params[label],
                    se=fit.bse[label],
                    lower=limits.loc[label, "lower"],
                    upper=limits.loc[label, "upper"],
                    se_observed=observed[label],
                    map_estimate=map_fit.params[label],
                )
            )
    return tuple(rows)


def _heldout(a: _Fitted, baseline: Evaluation | None) -> found.HeldoutFound:
    evaluation, kl = a.evaluation, a.evaluation.kl
    nothing = Quantity(value=None, se=None, count=0, unit="nats per row")
    return found.HeldoutFound(
        cross_entropy=Quantity.of(evaluation.cross_entropy),
        gain=Quantity.of(_gain(evaluation, baseline)) if baseline else nothing,
        map_cross_entropy=a.map_evaluation.cross_entropy.value,
        divergence=found.DivergenceFound(
            estimate=Quantity.of(kl.mean),
            label=kl.label,
            floor=kl.floor,
            p_value=kl.p_value,
            reason=kl.reason,
        ),
    )


def _gain(evaluation: Evaluation, baseline: Evaluation) -> information.Mean:
    """CE of the baseline minus CE of the model, paired: above zero, the predictors help."""
    return information.mean(
        baseline.pointwise - evaluation.pointwise,
        weights=evaluation.weights,
        groups=evaluation.groups,
    )


def _baseline_found(define: str, baseline: Evaluation) -> found.BaselineFound:
    return found.BaselineFound(
        define=define,
        training_nll_per_row=baseline.training_nll,
        cross_entropy=Quantity.of(baseline.cross_entropy),
    )


def _ranking(comparison: Comparison, unranked: dict[str, str]) -> found.Ranking:
    first = comparison.evaluations[comparison.best]
    contenders = []
    for name, evaluation in comparison.evaluations.items():
        gap, bound = comparison.above_best(name), comparison.above_competitor(name)
        contenders.append(
            found.Contender(
                name=name,
                cross_entropy=Quantity.of(evaluation.cross_entropy),
                above_best=Quantity.of(gap) if gap else None,
                separated=comparison.separated(name),
                above_competitor=Quantity.of(bound) if bound else None,
            )
        )
    return found.Ranking(
        contenders=tuple(contenders),
        unranked=unranked,
        limit=comparison.limit,
        level=comparison.level,
        reference=comparison.reference,
        competitor=comparison.competitor,
        rows=len(first.pointwise),
        rows_hash=first.rows_hash,
        flags=comparison.flags,
    )


def _file_name(name: str, fit: Estimate) -> str:
    """Named by what was fitted: the model's name, its data and where the optimum lies."""
    digest = hashlib.sha256(name.encode())
    for array in (*fit.problem.rows.arrays, fit.theta):
        digest.update(np.ascontiguousarray(array).tobytes())
    return f"{digest.hexdigest()[:16]}.nc"


def _mistakes(path: Path, reason: ValidationError, content: Mapping[str, Any]) -> str:
    """Every mistake on its own line, with its path in the file and the nearest known key."""
    lines = []
    for error in reason.errors():
        where = ".".join(str(part) for part in error["loc"])
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            key = str(error["loc"][-1])
            message = f"unknown key{nearest(key, _known_keys(error['loc'][:-1]))}"
        elif error["type"] == "missing":
            message = "is missing"
        lines.append(f"  {where}: {message}" if where else f"  {message}")
    count = "one mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    return f"{path} has {count}:\n" + "\n".join(lines)


def _known_keys(location: tuple[Any, ...]) -> list[str]:
    sections: dict[str, type[_Section]] = {
        "data": DataSection,
        "split": SplitSection,
        "models": ModelSection,
        "defaults": DefaultsSection,
        "checks": ChecksSection,
        "report": ReportSection,
    }
    if not location:
        return [name for name in Study.model_fields if name != "folder"]
    return list(sections[str(location[0])].model_fields)
