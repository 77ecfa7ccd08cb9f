"""Live results as plain data: a fit, its held-out rows and the ranking, as findings keep them."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from workbench import findings as found
from workbench import information
from workbench.agreement import Checks
from workbench.comparison import SMALL_TOTAL, Comparison, Difference, unlike
from workbench.estimate import Estimate
from workbench.evaluation import Evaluation
from workbench.findings import NOTHING, Quantity
from workbench.formula import Design
from workbench.implied import implied_spreads
from workbench.learning import LearningCurve
from workbench.leaving_out import LeaveOneOut
from workbench.predictive import Predictive
from workbench.reweighting import PsisLoo
from workbench.study_file import StudyFile
from workbench.table import Table
from workbench.training import (
    influential_found,
    learning_found,
    left_out_found,
    log_measure,
    reweighted_found,
)

LARGEST_COUNT = 200  # counts up to this have their expected share stored


@dataclass(frozen=True, eq=False)
class Fitted:
    """All that was computed for one model of a study."""

    plan: Design
    definition: Callable[..., Any]
    fit: Estimate
    map_fit: Estimate
    training: Evaluation  # of its own rows
    evaluation: Evaluation
    left_out: LeaveOneOut | str  # or why rows could not be left out
    map_evaluation: Evaluation | None  # None where the MAP has no determined maximum
    predictive: dict[str, Predictive | str]  # by objective; or why there is none
    reweighted: PsisLoo | str | None  # None where there are too many rows to be worth it
    learning: LearningCurve | str | None  # None where the study does not ask for it
    checks: Checks

    @property
    def determined(self) -> bool:
        """Whether the likelihood has a maximum in all parameters, so that it can be ranked."""
        return self.fit.optimum.verdict.determined

    @property
    def outcome(self) -> str:
        """What became of the search: its status and its advice."""
        return f"{self.fit.status}: {self.fit.optimum.verdict.advice}"


def data_found(
    study: StudyFile, training: Table, heldout: Table, first: Fitted | None
) -> found.DataFound:
    """The rows and their split; `first` is the reference, or any other fitted model."""
    group = study.data.group
    written = study.formula(study.reference).partition("~")[0].strip().strip("`")
    return found.DataFound(
        file=study.data.file,
        source=study.data.source,
        notes=study.data.notes,
        sha256=training.sha256,
        outcome=first.plan.outcome if first else written,
        unit=study.data.unit,
        width=study.data.width,
        categories=first.plan.categories if first else (),
        discrete=bool(first and first.evaluation.discrete),
        rounded=bool(first and first.evaluation.recording.width is not None),
        time=study.data.time,
        heldout_blocks=first.evaluation.cross_entropy.clusters if first and not group else None,
        rows=len(training) + len(heldout),
        training_rows=len(training),
        heldout_rows=len(heldout),
        split=study.split.words(group, study.data.time, study.seed),
        dropped=_dropped(training),
        weight=study.data.weight,
        training_weight=_total(study.data.weight, training),
        heldout_weight=_total(study.data.weight, heldout),
        drawn_whole=_drawn_whole(study, training, heldout),
        group=group,
        groups=_levels(group, training, heldout),
        training_groups=_levels(group, training),
        heldout_groups=_levels(group, heldout),
    )


def _dropped(table: Table) -> found.DroppedFound | None:
    if table.dropped is None:
        return None
    return found.DroppedFound(counts=dict(table.dropped.counts), rows=table.dropped.rows)


def _total(weight: str | None, table: Table) -> float | None:
    return None if weight is None else float(table.frame[weight].sum())


def _drawn_whole(study: StudyFile, *tables: Table) -> bool:
    """Whether rows that count for several were drawn one by one: not by group, nor in blocks."""
    weight, split = study.data.weight, study.split
    if weight is None or split.heldout is None or study.data.group or split.blocks is not None:
        return False
    return any(bool((table.frame[weight] > 1).any()) for table in tables)


def _levels(group: str | None, *tables: Table) -> int | None:
    if group is None:
        return None
    return len(set().union(*(table.frame[group] for table in tables)))


def fit_found(
    study: StudyFile, name: str, fitted: Fitted, baseline: Evaluation | None
) -> found.FitFound:
    """One model: what was declared, what came out, how it was checked."""
    fit, verdict = fitted.fit, fitted.fit.optimum.verdict
    moved = 2 * float(fitted.training.weights @ log_measure(fitted.training))
    documentation = (getattr(fitted.definition, "__doc__", None) or "").strip()
    return found.FitFound(
        name=name,
        define=study.models[name].define,
        description=documentation.partition("\n")[0],
        formula=study.formula(name),
        predictors=_predictors_used(study, name, fitted),
        held=study.models[name].fixed,
        latex=getattr(fitted.definition, "latex", None),
        k=fit.k,
        training_nll=fitted.training.nll,
        training_rows=int(fit.nobs),
        by_group=getattr(fitted.definition, "unit", "row") == "group",
        change=fitted.training.recording.change.text,
        aic=fit.aic - moved if verdict.determined else None,
        aicc=fit.aicc - moved if verdict.determined else None,
        bic=fit.bic - moved if verdict.determined else None,
        tic=fit.tic - moved if verdict.determined else None,
        bic_units=f"groups of '{study.data.group}'" if study.data.group else "rows",
        effective_parameters=fit.effective_parameters,
        left_out=left_out_found(fitted.left_out, fitted.training),
        reweighted=reweighted_found(fitted.reweighted, fitted.training),
        influential=influential_found(fitted.left_out),
        learning=learning_found(fitted.learning),
        se_kind=fit.covariance_kind,
        verdict=_verdict(fit),
        map_status=fitted.map_fit.status,
        parameters=_parameters(fit, fitted.map_fit),
        checks=tuple(found.CheckFound(**vars(agreement)) for agreement in fitted.checks),
        heldout=_heldout(fitted, baseline),
        engines=_engines(fit),
        tree=_file_name(name, fit),
    )


def _engines(fit: Estimate) -> dict[str, str]:
    """Of each function but the draw of outcomes, which PyTensor makes for every engine."""
    engines = fit.problem.functions.engines
    return {name: engines[name] for name in sorted(engines) if name != "outcome"}


def _predictors_used(study: StudyFile, name: str, fitted: Fitted) -> dict[str, str]:
    """Every further predictor, with the main formula's right side where none was given."""
    given = study.predictors(name)
    main = "~" + study.formula(name).partition("~")[2]
    if fitted.plan.offsets:
        main += ", without its offset"
    return {p: given.get(p, main) for p in getattr(fitted.definition, "predictors", ())} | given


def _verdict(fit: Estimate) -> found.VerdictFound:
    verdict = fit.optimum.verdict
    return found.VerdictFound(
        status=fit.status,
        determined=verdict.determined,
        advice=verdict.advice,
        step=verdict.step,
        starts=tuple(
            found.StartFound(name=start.name, value=start.value, iterations=len(start.values) - 1)
            for start in fit.optimum.starts
        ),
    )


def tree(fitted: Fitted) -> xr.DataTree:
    """ArviZ's container of the fit, with the held-out rows beside it."""
    container = fitted.fit.to_datatree()
    container["heldout"] = xr.DataTree(_heldout_rows(fitted))
    return container


def _heldout_rows(fitted: Fitted) -> xr.Dataset:
    evaluation = fitted.evaluation.unweighted
    axes = ("row", *(f"outcome_{axis}" for axis in range(1, evaluation.observed.ndim)))
    arrays: dict[str, Any] = {
        "observed": (axes, evaluation.observed),
        "nll": ("row", evaluation.pointwise),
    }
    coords: dict[str, Any] = {"row": evaluation.labels}
    if evaluation.clusters is not None:
        kind = "block" if evaluation.groups is None else "group"
        arrays[kind] = ("row", evaluation.clusters)
    if not evaluation.ordered:
        return xr.Dataset(arrays, coords=coords)
    arrays["pit"] = ("row", evaluation.pit)
    arrays["score"] = ("row", evaluation.normal_scores[0])
    if len(fitted.plan.categories) > 2:  # whose codes are no numbers
        return xr.Dataset(arrays, coords=coords)
    if not evaluation.recording.change.steps:
        arrays["mean"] = ("row", evaluation.expected)
    if fitted.fit.problem.graph.discrete:
        values = np.arange(min(int(evaluation.observed.max()), LARGEST_COUNT) + 1)
        arrays["frequency"] = ("value", evaluation.frequencies(values))
        coords["value"] = values
    return xr.Dataset(arrays, coords=coords)


def _parameters(fit: Estimate, map_fit: Estimate) -> tuple[found.ParameterFound, ...]:
    observed, limits = fit.standard_errors("observed"), fit.conf_int()
    map_determined = map_fit.optimum.verdict.determined
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
                    map_estimate=map_fit.params[label] if map_determined else None,
                )
            )
    return tuple(rows)


def _heldout(fitted: Fitted, baseline: Evaluation | None) -> found.HeldoutFound:
    evaluation = fitted.evaluation
    gain = worth = NOTHING
    if fitted.map_evaluation is not None:
        apart = evaluation.pointwise - fitted.map_evaluation.pointwise
        worth = Quantity.of(evaluation.mean(apart))
    if baseline is not None and not unlike(evaluation, baseline):
        gain = Quantity.of(_gain(evaluation, baseline))
    return found.HeldoutFound(
        cross_entropy=Quantity.of(evaluation.cross_entropy),
        atoms=_atoms(evaluation),
        gain=gain,
        prior_worth=worth,
        predictive=tuple(_predictive(*one, evaluation) for one in fitted.predictive.items()),
        divergence=_divergence(evaluation.kl),
        further=tuple(_divergence(one) for one in evaluation.further_kl),
        information_left=found.InformationLeftFound(**vars(evaluation.information_left)),
    )


def _divergence(of: information.Divergence) -> found.DivergenceFound:
    return found.DivergenceFound(
        estimate=Quantity.of(of.mean),
        label=of.label,
        floor=of.floor,
        p_value=of.p_value,
        reason=of.reason,
    )


def _predictive(label: str, of: Predictive | str, evaluation: Evaluation) -> found.PredictiveFound:
    """With the errors of the study's own blocks, of which `of` has not been told."""
    if isinstance(of, str):
        return found.PredictiveFound(
            label=label, cross_entropy=NOTHING, gain=NOTHING, draws=0, monte_carlo=None, reason=of
        )
    return found.PredictiveFound(
        label=label,
        cross_entropy=Quantity.of(evaluation.mean(of.pointwise)),
        gain=Quantity.of(evaluation.mean(of.plug_in.pointwise - of.pointwise)),
        draws=of.draws,
        monte_carlo=of.monte_carlo,
    )


def _atoms(evaluation: Evaluation) -> found.AtomsFound | None:
    parts = evaluation.atom_parts
    if parts is None:
        return None
    share, at, beside = parts
    return found.AtomsFound(share=share, at=Quantity.of(at), beside=Quantity.of(beside))


def _gain(evaluation: Evaluation, baseline: Evaluation) -> information.Mean:
    """CE of the baseline minus CE of the model, paired, with the error of every difference."""
    rows = evaluation.mean(baseline.pointwise - evaluation.pointwise)
    if not (evaluation.ranked and baseline.ranked):
        return rows
    better, other = (evaluation, baseline) if rows.value > 0 else (baseline, evaluation)
    return Difference(rows, implied_spreads(better, {"other": other})["other"]).mean


def baseline_found(define: str, baseline: Evaluation) -> found.BaselineFound:
    """The intercept-only model."""
    return found.BaselineFound(
        define=define,
        training_nll_per_row=baseline.training_nll,
        cross_entropy=Quantity.of(baseline.cross_entropy),
    )


def ranking_found(
    comparison: Comparison,
    left_out: Mapping[str, Difference],
    unranked: dict[str, str],
    chosen: str | None,
) -> found.Ranking:
    """The comparison, best model first, and the models that cannot take part.

    `left_out` has each rival's difference from the best on training rows that are left out.
    `chosen` is the reference that the study asked for; to none other are all models related.
    """
    first = comparison.evaluations[comparison.best]
    contenders = []
    for name, evaluation in comparison.evaluations.items():
        gap, bound = comparison.above_best(name), comparison.above_competitor(name)
        above = comparison.above_reference(name) if comparison.reference == chosen else None
        contenders.append(
            found.Contender(
                name=name,
                cross_entropy=Quantity.of(evaluation.cross_entropy),
                above_best=Quantity.of(gap.mean) if gap else None,
                se_rows=gap.rows.se if gap else None,
                se_implied=gap.implied_se if gap else None,
                implied_reason=gap.spread.reason if gap else "",
                separated=comparison.separated(name),
                above_competitor=Quantity.of(bound.mean) if bound else None,
                above_reference=Quantity.of(above.mean) if above else None,
                left_out=Quantity.of(left_out[name].mean) if name in left_out else None,
            )
        )
    return found.Ranking(
        contenders=tuple(contenders),
        unranked=unranked,
        limit=comparison.limit,
        smallest=SMALL_TOTAL,
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
