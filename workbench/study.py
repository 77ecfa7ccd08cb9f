"""The pipeline, in order: a study file in, findings out."""

import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from workbench import findings as found
from workbench.agreement import FALSE_ALARMS, check
from workbench.comparison import Difference, compare, unlike
from workbench.errors import DataError, ModelError, StudyError
from workbench.estimate import (
    Estimate,
    SimulatedTest,
    held_at,
    likelihood_ratio_test,
    maximum_a_posteriori,
    maximum_likelihood,
)
from workbench.evaluation import Evaluation, evaluate
from workbench.findings import FailedModel, Findings
from workbench.formula import Design, columns_used, design, intercept_only
from workbench.learning import SHARES, LearningCurve, learning_curve
from workbench.leaving_out import LeaveOneOut, leave_one_out
from workbench.predictive import WORTH, Predictive, predictive_cross_entropy
from workbench.problem import Problem, bind
from workbench.recording import Fitted, baseline_found, data_found, fit_found, ranking_found, tree
from workbench.registry import definition_named
from workbench.reweighting import PsisLoo, psis_loo
from workbench.study_file import StudyFile, read_study_file
from workbench.table import Table, drop_missing, read, split

PACKAGES = ("pymc", "pytensor", "jax", "statsmodels", "arviz", "numpy", "scipy", "formulaic")
MOST_REWEIGHTED = 1000  # training rows, up to which reweighting takes a few seconds a model
FEWEST_LEARNED = 10  # rows a parameter in a part; with fewer it hardly has an optimum
FEWEST_BLOCKS = 2  # for a standard error
BASELINE = "baseline"  # what the intercept-only model is called where it fails

Note = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Bound:
    """A definition on its training rows, and the rows held out from it."""

    plan: Design
    definition: Callable[..., Any]
    problem: Problem
    test_rows: xr.Dataset


class Study(StudyFile):
    """A comparison of models on one table, ready to run: a study file and where it lies."""

    folder: Path = Path()  # paths in the study are taken from here

    @classmethod
    def read(cls, path: str | Path) -> "Study":
        """Read a study file. Raises StudyError that lists every mistake with its path."""
        path = Path(path)
        return cls(**dict(read_study_file(path)), folder=path.parent)

    def tables(self) -> tuple[Table, Table]:
        """Training and held-out rows. Raises DataError."""
        table = read(self.folder / self.data.file)
        used = [column for column in self._columns() if column in table.columns]
        if self.data.missing == "drop" and used:
            table = drop_missing(table, *used)
        table = read(table, **self.data.declared)
        ways = self.split.model_dump()
        return split(table, **ways, rng=np.random.default_rng(self.seed))

    def _columns(self) -> list[str]:
        """Every column that a model uses, or the split: rows are dropped for all models alike."""
        used = list(self.data.roles.values())
        marks = (self.split.column, self.split.stratify)
        used += [column for column in marks if column is not None]
        for name in self.models:
            for formula in (self.formula(name), *self.predictors(name).values()):
                with suppress(DataError):  # told of when its model is bound
                    used += columns_used(formula)
        return used

    def validate_all(self) -> list[str]:
        """Read everything and bind every model, fitting nothing: a sentence for each mistake."""
        training, heldout = self.tables()
        trials: dict[str, Callable[[], object]] = {
            f"models.{name}": partial(self._bind, name, training, heldout) for name in self.models
        }
        if self.report.baseline is not None:
            trials["report.baseline"] = partial(self._bind_baseline, training, heldout)
        mistakes = []
        for place, trial in trials.items():
            try:
                trial()
            except (DataError, ModelError) as reason:
                mistakes.append(f"{place}: {reason}")
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
            Called with a sentence before each step. Raises DataError where no row can be read,
            StudyError where `report.baseline` names no definition.
        """
        began = clock()
        self._require_baseline()
        note(f"Reading {self.data.file}")
        training, heldout = self.tables()
        attempts = {n: self._attempt(n, training, heldout, note, clock) for n in self.models}
        fitted = {name: one for name, one in attempts.items() if isinstance(one, Fitted)}
        failed = [one for one in attempts.values() if isinstance(one, FailedModel)]
        note("Comparing")
        alone = self._baseline(training, heldout, note) if fitted else ""
        baseline = alone if isinstance(alone, Evaluation) else None
        failed += [alone] if isinstance(alone, FailedModel) else []
        return Findings(
            title=self.title,
            question=self.question,
            data=data_found(self, training, heldout, self._first(fitted)),
            fits=tuple(fit_found(self, name, one, baseline) for name, one in fitted.items()),
            failed=tuple(failed),
            baseline=baseline_found(self._baseline_define, baseline) if baseline else None,
            no_baseline=alone if isinstance(alone, str) else "",
            ranking=self._ranking(fitted),
            nested=tuple(self._nested(place, fitted) for place in range(len(self.report.nested))),
            provenance=self._provenance(command, created, clock() - began),
            trees={name: tree(one) for name, one in fitted.items()},
        )

    def _provenance(self, command: str, created: str, seconds: float) -> found.Provenance:
        return found.Provenance(
            command=command,
            created=created,
            seed=self.seed,
            versions={"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
            seconds=round(seconds, 1),
        )

    def _attempt(
        self, name: str, training: Table, heldout: Table, note: Note, clock: Callable[[], float]
    ) -> Fitted | FailedModel:
        try:
            note(f"{name}: binding")
            bound = self._bind(name, training, heldout)
            return self._fit(name, bound, note, clock)
        except (DataError, ModelError) as reason:
            note(f"{name}: failed: {reason}")
            return FailedModel(name=name, define=self.models[name].define, reason=str(reason))

    def _bind(self, name: str, training: Table, heldout: Table) -> Bound:
        model = self.models[name]
        definition = definition_named(model.define, self.folder)
        plan = design(
            self.formula(name),
            training,
            collinear=self.collinear(name),
            **self.predictors(name),
        )
        test_rows = plan(heldout)
        problem = bind(definition, plan(training))
        if model.fixed:
            held_at(problem, model.fixed)  # refuses a name or a value that the declaration has not
        return Bound(plan, definition, problem, test_rows)

    def _fit(self, name: str, bound: Bound, note: Note, clock: Callable[[], float]) -> Fitted:
        rng = np.random.default_rng([self.seed, list(self.models).index(name)])
        note(f"{name}: maximum likelihood")
        fixed = self.models[name].fixed
        fit = maximum_likelihood(bound.problem, fixed=fixed, rng=rng)
        note(f"{name}: maximum a posteriori")
        map_fit = maximum_a_posteriori(bound.problem, fixed=fixed, rng=rng)
        note(f"{name}: held-out rows")
        ours, theirs = self._blocks(bound)
        trained = evaluate(fit, blocks=ours, seed=self.seed)
        evaluation = evaluate(fit, bound.test_rows, blocks=theirs, seed=self.seed)
        note(f"{name}: training rows left out")
        left_out = _left_out(fit)
        map_found = map_fit.optimum.verdict.determined
        map_evaluation = (
            evaluate(map_fit, bound.test_rows, blocks=theirs, seed=self.seed) if map_found else None
        )
        few = fit.k > WORTH * fit.nobs
        predictive = _predictive(fit, map_fit, bound.test_rows, self.seed) if few else {}
        reweighted = _reweighted(map_fit, self.seed)
        learning = self._learning(name, fit, bound.test_rows, note)
        note(f"{name}: checking against statsmodels (up to {self.checks.budget:g} s)")
        level = FALSE_ALARMS / len(self.models)  # of the whole page
        checks = check(fit, budget=self.checks.budget, level=level, clock=clock)
        return Fitted(
            plan=bound.plan,
            definition=bound.definition,
            fit=fit,
            map_fit=map_fit,
            training=trained,
            evaluation=evaluation,
            left_out=left_out,
            map_evaluation=map_evaluation,
            predictive=predictive,
            reweighted=reweighted,
            learning=learning,
            checks=checks,
        )

    def _blocks(self, bound: Bound) -> tuple[int | None, int | None]:
        """Into how many blocks each part is cut for its standard errors: those of the split."""
        if self.split.blocks is None:
            return None, None
        heldout = bound.test_rows.sizes["row"]
        held = round(self.split.blocks * heldout / (bound.problem.rows.count + heldout))
        ours, theirs = (max(part, FEWEST_BLOCKS) for part in (self.split.blocks - held, held))
        return ours, theirs

    def _nested(self, place: int, fitted: dict[str, Fitted]) -> found.NestedFound:
        """The likelihood-ratio test that the study declared there, or why there is none."""
        pair = self.report.nested[place]
        told = found.NestedFound(small=pair.small, large=pair.large, null=pair.null)
        missing = [name for name in (pair.small, pair.large) if name not in fitted]
        if missing:
            return told.model_copy(update={"reason": f"{missing[0]} failed"})
        try:
            test = likelihood_ratio_test(
                fitted[pair.small].fit,
                fitted[pair.large].fit,
                boundary=pair.null == "boundary",
                replicates=pair.replicates if pair.null == "simulated" else 0,
                rng=np.random.default_rng([self.seed, len(self.models), place]),
            )
        except ModelError as reason:
            return told.model_copy(update={"reason": str(reason)})
        df = None if isinstance(test, SimulatedTest) else test.df
        return told.model_copy(
            update={"statistic": test.statistic, "df": df, "p_value": test.p_value}
        )

    def _learning(
        self, name: str, fit: Estimate, rows: xr.Dataset, note: Note
    ) -> LearningCurve | str | None:
        """The learning curve where the study asks for one, or why there is none."""
        if not self.report.learning_curve:
            return None
        shares = [share for share in SHARES if share * fit.nobs >= FEWEST_LEARNED * fit.k]
        if not shares:
            return f"no part of the rows has {FEWEST_LEARNED} for each of {fit.k} parameters"
        note(f"{name}: learning curve")
        try:
            return learning_curve(fit, rows, shares=shares, rng=np.random.default_rng(self.seed))
        except ModelError as reason:
            return str(reason)

    def _first(self, fitted: dict[str, Fitted]) -> Fitted | None:
        return fitted.get(self.reference) or next(iter(fitted.values()), None)

    def _ranking(self, fitted: dict[str, Fitted]) -> found.Ranking | None:
        """The models with a maximum in all parameters, compared; None where there is none."""
        regular = {name: one.evaluation for name, one in fitted.items() if one.determined}
        if not regular:
            return None
        unranked = {name: one.outcome for name, one in fitted.items() if not one.determined}
        reference = self.reference if self.reference in regular else next(iter(regular))
        why = {name: unlike(one, regular[reference]) for name, one in regular.items()}
        ranked = {name: one for name, one in regular.items() if not why[name]}
        unranked |= {
            name: f"not comparable with {reference}: {why[name]}"
            for name in regular
            if name not in ranked
        }
        comparison = compare(ranked, reference=reference)
        again = _compared_left_out({name: fitted[name] for name in ranked}, comparison.best)
        return ranking_found(comparison, again, unranked, self.report.reference)

    def _require_baseline(self) -> None:
        """Before anything is fitted: a name that is wrong is a mistake, not a finding."""
        if self.report.baseline is None:
            return
        try:
            definition_named(self.report.baseline, self.folder)
        except ModelError as reason:
            raise StudyError(f"report.baseline: {reason}") from None

    @property
    def _baseline_define(self) -> str:
        return self.report.baseline or self.models[self.reference].define

    @property
    def _baseline_fixed(self) -> dict[str, float]:
        """What the reference holds, where the baseline is its definition without predictors."""
        reference = self.models[self.reference]
        return reference.fixed if reference.define == self._baseline_define else {}

    def _baseline(
        self, training: Table, heldout: Table, note: Note
    ) -> Evaluation | FailedModel | str:
        """The intercept-only model, fitted on training rows; or why it has no optimum."""
        define = self._baseline_define
        try:
            bound = self._bind_baseline(training, heldout)
            fit = maximum_likelihood(bound.problem, fixed=self._baseline_fixed)
            if fit.optimum.verdict.determined:
                blocks = self._blocks(bound)[1]
                return evaluate(fit, bound.test_rows, blocks=blocks, seed=self.seed)
        except (DataError, ModelError) as reason:
            note(f"{BASELINE}: failed: {reason}")
            return FailedModel(name=BASELINE, define=define, reason=str(reason))
        why = f"{fit.status}: {fit.optimum.verdict.advice}"
        note(f"{BASELINE}: left out, {why}")
        return why

    def _bind_baseline(self, training: Table, heldout: Table) -> Bound:
        definition = definition_named(self._baseline_define, self.folder)
        plan = intercept_only(design(self.formula(self.reference), training, collinear="keep"))
        return Bound(plan, definition, bind(definition, plan(training)), plan(heldout))


def _left_out(fit: Estimate) -> LeaveOneOut | str:
    """The training rows left out one by one, or why they cannot be."""
    try:
        return leave_one_out(fit)
    except ModelError as reason:
        return str(reason)


def _compared_left_out(fitted: dict[str, Fitted], best: str) -> dict[str, Difference]:
    """By how much more than the best each loses on the training rows, left out of the fits."""
    told = {
        name: replace(one.left_out.evaluation, clusters=one.training.clusters)
        for name, one in fitted.items()
        if not isinstance(one.left_out, str) and not one.left_out.failed.size
    }
    if best not in told:
        return {}
    comparison = compare({name: one for name, one in told.items() if not unlike(one, told[best])})
    return {name: comparison.difference(name, best) for name in comparison.evaluations
            if name != best}  # fmt: skip


def _reweighted(map_fit: Estimate, seed: int) -> PsisLoo | str | None:
    """The training rows left out of the posterior, or why they cannot be; of few rows alone."""
    if map_fit.problem.rows.count > MOST_REWEIGHTED:
        return None
    try:
        return psis_loo(map_fit, rng=np.random.default_rng(seed))
    except ModelError as reason:
        return str(reason)


def _predictive(
    fit: Estimate, map_fit: Estimate, rows: xr.Dataset, seed: int
) -> dict[str, Predictive | str]:
    """The held-out rows under averaged densities, by estimate, or why there is none."""
    found: dict[str, Predictive | str] = {}
    for label, estimate in (("maximum likelihood", fit), ("MAP", map_fit)):
        try:
            rng = np.random.default_rng(seed)
            found[label] = predictive_cross_entropy(estimate, rows, rng=rng)
        except ModelError as reason:
            found[label] = str(reason)
    return found
