"""The same model by name: statsmodels' own class for it, where the definition names one.

It has its own derivatives and starts, and its own parametrisation, which the definition maps.
"""

import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import xarray as xr
from statsmodels.genmod import families
from statsmodels.tools.sm_exceptions import ModelWarning

from workbench.agreement.maximum import (
    ESTIMATE_LIMIT,
    LLF_LIMIT,
    OUT_OF_TIME,
    Clock,
    OutOfTimeError,
    stopped_lower,
)
from workbench.agreement.outcomes import Agreement, Outcome, judged, not_tried
from workbench.errors import ModelError
from workbench.estimate import Estimate

# Newton's last steps leave rounding, but for classes without exact second derivatives.
POLISHED_LIMIT = 1e-4  # standard errors
POLISH_STEPS = 20
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
    except OutOfTimeError:
        return [not_tried("namesake", NAME, OUT_OF_TIME, Outcome.LOOK)]
    except np.linalg.LinAlgError as reason:
        why = f"its search failed in a singular matrix ({reason})"
        return [not_tried("namesake", NAME, why, Outcome.LOOK)]


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
                raise ModelError(f"statsmodels' {kind} takes no {what}")
            options[what] = data[what].values
    if "trials" in data:
        raise ModelError(f"statsmodels' {kind} is given zeros and ones, not counts out of trials")
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


def estimated(model: Any) -> tuple[np.ndarray, float]:
    """Its parameters and their llf, polished by Newton's steps where its own search stops early."""
    kind = type(model).__name__
    results = model.fit(**OPTIONS.get(kind, ELSE))
    params = np.asarray(results.params, float)
    if kind in (*SELF_POLISHED, *WITHOUT_DERIVATIVES):
        return params, float(getattr(results, "llf", np.nan))  # a quantile regression has none
    for _ in range(POLISH_STEPS):
        step = np.linalg.solve(model.hessian(params), model.score(params))
        if not np.isfinite(step).all():
            break
        params = params - step
        if np.abs(step).max() < 1e-10:
            break
    return params, float(model.loglike(params))


def _no_namesake(fit: Estimate) -> str:
    """Why there is none, or none to compare with; empty where there is."""
    problem = fit.problem
    if getattr(problem.source, "statsmodels", None) is None:
        return "the definition names none"
    if fit.objective != "likelihood" or fit.free is not None or fit.bounds is not None:
        return "it would estimate freely, by the likelihood alone; check that fit"
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
        model = equivalent(source, data)
    except ModelError as reason:
        yield not_tried("namesake", NAME, str(reason), Outcome.NOT_APPLICABLE)
        return
    kind = type(model).__name__
    if hasattr(model, "loglike"):
        model.loglike = _timed(model.loglike, clock)
    params, llf = estimated(model)
    theirs = source.statsmodels.parameters(params, data)
    if source.statsmodels.same_likelihood:
        found = judged(
            "namesake-llf", f"log-likelihood by {kind}", fit.llf, llf, abs(fit.llf - llf),
            LLF_LIMIT, "nats", "half the square of a hundredth of an error",
        )  # fmt: skip
        yield stopped_lower(found) if llf < fit.llf else found
    limit = ESTIMATE_LIMIT if kind in WITHOUT_DERIVATIVES else POLISHED_LIMIT
    errors = fit.standard_errors("observed" if fit.optimum.verdict.regular else "expected")
    for parameter in problem.parameters:
        values = np.ravel(theirs.get(parameter.name, []))
        for label, value in zip(parameter.labels, values, strict=False):
            ours = fit.params[label]
            yield judged(
                "namesake-estimate", f"{label} by {kind}", ours, value,
                abs(ours - value) / errors[label], limit, "standard errors",
                "what its own search leaves",
            )  # fmt: skip


def _timed(function: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    def within(*arguments: Any, **options: Any) -> Any:
        if clock.over:
            raise OutOfTimeError
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
