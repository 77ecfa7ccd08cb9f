"""The same model by name: statsmodels' own class for it, where the definition names one.

It has its own derivatives and starts, and its own parametrisation, which the definition maps.
"""

import importlib
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import numpy as np
import xarray as xr
from statsmodels.genmod import families
from statsmodels.tools.sm_exceptions import ModelWarning

from workbench.agreement.maximum import (
    ESTIMATE_LIMIT,
    LLF_LIMIT,
    NOTHING_FREE,
    OUT_OF_TIME,
    Clock,
    OutOfTimeError,
    stopped_lower,
)
from workbench.agreement.outcomes import Agreement, Outcome, judged, not_tried
from workbench.errors import ModelError, foreign_code, nearest
from workbench.estimate import Estimate

# Newton's last steps leave rounding, but for classes without exact second derivatives.
POLISHED_LIMIT = 1e-4  # standard errors
POLISH_STEPS = 20
STEP_LEFT = 1e-10  # relative: a Newton step that short is the last
# Whose own search ends with Newton's steps, or is none.
SELF_POLISHED = ("OLS", "GLM", "MNLogit", "QuantReg")
WITHOUT_DERIVATIVES = ("OrderedModel", "TLinearModel")
OPTIONS: dict[str, dict[str, Any]] = {
    "OLS": {},
    "GLM": {"tol": 1e-12, "maxiter": 300},
    "QuantReg": {"q": 0.5, "p_tol": 1e-9, "max_iter": 10_000},
    "OrderedModel": {"disp": 0, "method": "bfgs", "maxiter": 2000, "gtol": 1e-9},
    "TLinearModel": {"disp": 0, "method": "bfgs", "maxiter": 2000, "gtol": 1e-9},
}
ELSE: dict[str, Any] = {"disp": 0, "maxiter": 2000}
# What the data may bring beside the outcome and the terms, and the classes that take it.
COUNTED = ("Poisson", "NegativeBinomial", "GeneralizedPoisson", "ZeroInflatedPoisson",
           "ZeroInflatedNegativeBinomialP", "TruncatedLFPoisson", "TruncatedLFNegativeBinomialP",
           "GLM")  # fmt: skip
TAKES = {"exposure": COUNTED, "offset": (*COUNTED, "Logit", "Probit", "OrderedModel")}
NAME = "statsmodels' own class"


def namesake(fit: Estimate, clock: Clock) -> list[Agreement]:
    """Log-likelihood and estimates by the class that the definition names."""
    data, why = fit.problem.dataset, _no_namesake(fit)
    if why or data is None:
        why = why or "the rows have no table that it could read"
        return [not_tried("namesake", NAME, why, Outcome.NOT_APPLICABLE)]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            for category in (ModelWarning, RuntimeWarning, UserWarning, FutureWarning):
                warnings.simplefilter("ignore", category)
            return list(_compared(fit, data, clock))
    except (OutOfTimeError, ModelError) as reason:
        return [not_tried("namesake", NAME, str(reason), Outcome.LOOK)]


def equivalent(source: Any, data: xr.Dataset) -> Any:
    """statsmodels' model of the same rows; `data` as the definition reads them.

    Raises ModelError for what that class cannot take: the reason in words.
    """
    named = source.statsmodels
    package, _, kind = named.model.rpartition(".")
    data, options = _long(data), dict(named.options)
    y, X = data["y"].values, data["X"].values
    for what, classes in TAKES.items():
        if what in data:
            if kind not in classes:
                raise NotTakenError(f"statsmodels' {kind} takes no {what}")
            options[what] = data[what].values
    if "trials" in data:
        raise NotTakenError(f"statsmodels' {kind} is given zeros and ones, not counts of trials")
    if "family" in options:
        link = getattr(families.links, options.pop("link"))()
        options["family"] = getattr(families, options["family"])(link=link)
    for ours, theirs in (("X_zero", "exog_infl"), ("X_precision", "exog_precision")):
        if ours in data:
            options[theirs] = data[ours].values
    if "groups" in options:
        options["groups"] = data[options["groups"]].values
    if kind in ("OrderedModel", "ConditionalLogit"):  # in which an intercept cancels
        X = X[:, data["term"].values != "Intercept"]
    return getattr(importlib.import_module(package), kind)(y, X, **options)


def estimated(model: Any) -> tuple[np.ndarray, float, bool]:
    """Its parameters, their llf, and whether it is sure to have arrived.

    Polished by Newton's steps where its own search stops early.
    """
    kind = type(model).__name__
    results = model.fit(**OPTIONS.get(kind, ELSE))
    params, arrived = np.asarray(results.params, float), kind in SELF_POLISHED
    if kind in (*SELF_POLISHED, *WITHOUT_DERIVATIVES):
        llf = float(getattr(results, "llf", np.nan))  # a quantile regression has none
        return params, llf, arrived
    for _ in range(POLISH_STEPS):
        step = np.linalg.solve(model.hessian(params), model.score(params))
        if not np.isfinite(step).all():
            break
        params = params - step
        arrived = np.abs(step).max() < STEP_LEFT * max(1.0, np.abs(params).max())
        if arrived:
            break
    return params, float(model.loglike(params)), bool(arrived)


def _no_namesake(fit: Estimate) -> str:
    """Why there is none, or none to compare with; empty where there is."""
    problem = fit.problem
    if getattr(problem.source, "statsmodels", None) is None:
        return "the definition names none"
    if fit.objective != "likelihood" or fit.free is not None or fit.bounds is not None:
        return "it would estimate freely, by the likelihood alone; check that fit"
    if not fit.k:
        return NOTHING_FREE
    if not fit.optimum.verdict.normal:
        return f"there is no maximum to agree on: {fit.status}"
    if (problem.rows.weights != np.floor(problem.rows.weights)).any():
        return "weights that are no whole numbers repeat no rows"
    return ""


def _compared(fit: Estimate, data: xr.Dataset, clock: Clock) -> Iterator[Agreement]:
    problem, source = fit.problem, cast(Any, fit.problem.source)
    counts = problem.rows.weights.astype(int)
    if (counts != 1).any():
        data = data.isel(row=np.repeat(np.arange(len(counts)), counts))
    try:
        with foreign_code(f"statsmodels' equivalent of {problem.name}"):
            model = equivalent(source, data)
    except NotTakenError as reason:
        yield not_tried("namesake", NAME, str(reason), Outcome.NOT_APPLICABLE)
        return
    kind = type(model).__name__
    if hasattr(model, "loglike"):
        model.loglike = _timed(model.loglike, clock)
    with foreign_code(f"statsmodels' equivalent of {problem.name}"):
        params, llf, arrived = estimated(model)
        theirs = source.statsmodels.parameters(params, data)
        _require_mapped(theirs, fit)
    if source.statsmodels.same_likelihood:
        found = judged(
            "namesake-llf", f"log-likelihood by {kind}", fit.llf, llf, abs(fit.llf - llf),
            LLF_LIMIT, "nats", "half the square of a hundredth of an error",
        )  # fmt: skip
        yield found if arrived or llf > fit.llf else stopped_lower(found)
    limit = ESTIMATE_LIMIT if kind in WITHOUT_DERIVATIVES else POLISHED_LIMIT
    errors = fit.standard_errors("observed" if fit.optimum.verdict.regular else "expected")
    for parameter in problem.parameters:
        if parameter.name not in theirs:
            continue
        for label, value in zip(parameter.labels, np.ravel(theirs[parameter.name]), strict=True):
            ours = fit.params[label]
            yield judged(
                "namesake-estimate", f"{label} by {kind}", ours, value,
                abs(ours - value) / errors[label], limit, "standard errors",
                "what its own search leaves",
            )  # fmt: skip


def _require_mapped(theirs: Mapping[str, Any], fit: Estimate) -> None:
    """Every name is a parameter of ours, with as many values, and none is left out unsaid."""
    labels = {parameter.name: parameter.labels for parameter in fit.problem.parameters}
    for name, values in theirs.items():
        if name not in labels:
            raise ModelError(
                f"statsmodels' equivalent gives '{name}', which the model does not declare"
                f"{nearest(name, labels)}"
            )
        if np.size(values) != len(labels[name]):
            raise ModelError(
                f"statsmodels' equivalent gives {np.size(values)} values of {name}, which has "
                f"{len(labels[name])}"
            )
    left_out = set(labels) - set(theirs)
    if left_out and fit.problem.source.statsmodels.same_likelihood:  # type: ignore[union-attr]
        raise ModelError(
            f"statsmodels' equivalent leaves out {', '.join(sorted(left_out))}; map it, or say "
            "same_likelihood=False"
        )


class NotTakenError(ModelError):
    """The class does not take what these data bring."""


def _timed(function: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    def within(*arguments: Any, **options: Any) -> Any:
        if clock.over:
            raise OutOfTimeError(OUT_OF_TIME)
        return function(*arguments, **options)

    return within


def _long(data: xr.Dataset) -> xr.Dataset:
    """A row for each member of a group, as statsmodels takes them."""
    if "member" not in data.dims:
        return data
    stacked = data.stack(line=("row", "member")).transpose("line", ...)
    kept = stacked.isel(line=~stacked["absent"].values.astype(bool))
    codes = np.unique(kept["row"].values, return_inverse=True)[1]
    return kept.reset_index("line", drop=True).assign(group=("line", codes))
