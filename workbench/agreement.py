"""The check: the same maximum by statsmodels on SciPy's density, and other ways to disagree.

statsmodels is given a log density that shares no code with PyMC's, starts where the model starts
and not from our answer, and differentiates numerically. What is judged is the log-likelihood, the
estimates and the standard errors it arrives at, never its own convergence flag.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, overload

import numpy as np
import pandas as pd
from statsmodels.base.model import GenericLikelihoodModel
from statsmodels.tools.sm_exceptions import ModelWarning

from workbench import density
from workbench.density import Distribution
from workbench.errors import ModelError
from workbench.estimate import Estimate
from workbench.optimum import HANDOVER, STEP_TOLERANCE, Status

LogDensity = Callable[[Distribution, np.ndarray], np.ndarray]

# Two formulae of one log density, in double precision with lgamma of large arguments.
DENSITY_LIMIT = 1e-9  # relative, per row
# Central differences with the optimal step err by about eps^(2/3) of the value.
GRADIENT_LIMIT = 1e-5  # standard errors
# Half the square of a hundredth of a standard error.
LLF_LIMIT = 1e-4  # nats
# No table shows a hundredth of a standard error.
ESTIMATE_LIMIT = 1e-2  # standard errors
# statsmodels' numerical Hessian: steps of eps^(1/4) leave about this much.
ERROR_LIMIT = 1e-2  # relative


class Outcome(StrEnum):
    """pass: tried and agrees. look: could not be tried, or not decided. fail: disagrees."""

    PASS = "pass"
    LOOK = "look"
    FAIL = "fail"
    NOT_APPLICABLE = "n/a"


@dataclass(frozen=True)
class Agreement:
    """One quantity by two ways: ours, theirs, their distance and what is allowed, in `unit`."""

    code: str
    quantity: str
    ours: float
    theirs: float
    distance: float
    limit: float
    unit: str
    outcome: Outcome
    why: str


@dataclass(frozen=True)
class Checks(Sequence[Agreement]):
    """All agreements of one fit, and statsmodels' own results object where it got that far."""

    agreements: tuple[Agreement, ...]
    statsmodels: Any = None

    @overload
    def __getitem__(self, index: int) -> Agreement: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Agreement, ...]: ...
    def __getitem__(self, index: int | slice) -> Agreement | tuple[Agreement, ...]:
        return self.agreements[index]

    def __len__(self) -> int:
        return len(self.agreements)

    def __iter__(self) -> Iterator[Agreement]:
        return iter(self.agreements)

    @property
    def outcome(self) -> Outcome:
        """The worst of all; without any agreement it is `look`."""
        found = {agreement.outcome for agreement in self.agreements}
        for outcome in (Outcome.FAIL, Outcome.LOOK, Outcome.PASS):
            if outcome in found:
                return outcome
        return Outcome.LOOK

    def to_frame(self) -> pd.DataFrame:
        """One row an agreement."""
        return pd.DataFrame([vars(agreement) for agreement in self.agreements])


def check(
    fit: Estimate,
    *,
    log_density: LogDensity = density.log_density,
    budget: float = 120.0,
    clock: Callable[[], float] = time.monotonic,
) -> Checks:
    """Every way to disagree with a maximum-likelihood fit that applies to it.

    log_density
        A second log density of (distribution, outcomes), one value a row; SciPy's by default.
    budget
        Seconds that statsmodels may search; what it has not found by then is `look`.
    """
    found = [_optimum(fit), _sum_of_rows(fit), _gradient(fit), _starts(fit)]
    if fit.problem.graph.single_precision:
        found.append(_single_precision(fit))
    try:
        second = _SecondOpinion(fit, log_density)
        found.append(_density(fit, second))
    except ModelError as reason:
        return Checks(
            (*found, _not_tried("density", "log density by row", str(reason), Outcome.LOOK))
        )
    hindrance = _no_maximum_to_compare(fit)
    if hindrance:
        return Checks(
            (*found, _not_tried("statsmodels", "statsmodels", hindrance, Outcome.NOT_APPLICABLE))
        )
    results, hindrance = _statsmodels(fit, second, clock() + budget, clock)
    if results is None:
        return Checks((*found, _not_tried("statsmodels", "statsmodels", hindrance, Outcome.LOOK)))
    return Checks((*found, *_compared(fit, results, second)), results)


def _no_maximum_to_compare(fit: Estimate) -> str:
    """Why statsmodels' maximum would be that of something else; empty where it would not."""
    if fit.objective != "likelihood":
        return "a MAP is no maximum of the likelihood; check the maximum-likelihood fit"
    if fit.free is not None:
        return "parameters are held, and statsmodels would estimate them; check the free fit"
    if fit.bounds is not None:
        return "parameters are bounded, and statsmodels would search beyond; check the free fit"
    if fit.optimum.verdict.status is Status.KINK:
        return "the maximum stands on a kink, where statsmodels' searches by derivatives do not end"
    if not fit.optimum.verdict.regular:
        return f"there is no maximum to agree on: {fit.status}"
    return ""


class _SecondOpinion:
    """The rows' log-likelihood by another density, as a function of theta or of natural values."""

    def __init__(self, fit: Estimate, log_density: LogDensity) -> None:
        self.problem, self.log_density = fit.problem, log_density
        self.observed = np.asarray(fit.problem.rows.observed, float)
        self.pointwise(fit.theta)  # raises ModelError now, if there is no such density

    def pointwise(self, theta: np.ndarray) -> np.ndarray:
        distribution = self.problem.distribution(theta)
        terms = self.log_density(distribution, self.observed)
        if density.is_vector(distribution):
            return np.broadcast_to(terms, len(self.observed))
        by_row = np.broadcast_to(terms, self.observed.shape).reshape(len(self.observed), -1)
        return by_row.sum(axis=1)

    def of_natural(self, natural: np.ndarray) -> np.ndarray:
        theta = self.problem.unconstrained(natural)
        if not np.isfinite(theta).all():  # outside the support
            return np.full(len(self.observed), -np.inf)
        return self.pointwise(theta)


class _OutOfTimeError(Exception):
    pass


class _Model(GenericLikelihoodModel):  # type: ignore[misc]
    """statsmodels' generic model on a given rowwise log-likelihood, with a deadline."""

    def __init__(
        self,
        rows: Callable[[np.ndarray], np.ndarray],
        names: Sequence[str],
        observed: np.ndarray,
        weights: np.ndarray,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self._rows, self._row_weights = rows, weights
        self._deadline, self._clock = deadline, clock
        # Naming the parameters keeps statsmodels from counting them twice in its AIC.
        super().__init__(observed, extra_params_names=list(names))

    def loglikeobs(self, params: np.ndarray) -> np.ndarray:
        if self._clock() > self._deadline:
            raise _OutOfTimeError
        terms = self._row_weights * self._rows(np.asarray(params, float))
        return np.where(np.isnan(terms), -np.inf, terms)


def _statsmodels(
    fit: Estimate, second: _SecondOpinion, deadline: float, clock: Callable[[], float]
) -> tuple[Any, str]:
    """Its results on the natural scale, or None and why.

    It searches over theta, where no step can leave the support; then the natural-scale model,
    started at what it found itself, gives the estimates and its own numerical Hessian. Where
    that leaves a slope, it searches on from Nelder and Mead's point.
    """
    problem, weights = fit.problem, fit.problem.rows.weights
    if len(problem.labels) != len(problem.theta_labels):
        return (
            None,
            "natural parameters tied to each other (a simplex) have no such fit yet",
        )
    outcomes = second.observed.reshape(len(weights), -1)[:, 0]  # one a row, to be counted only
    clocked = (outcomes, weights, deadline, clock)
    free = _Model(second.pointwise, problem.theta_labels, *clocked)
    natural = _Model(second.of_natural, problem.labels, *clocked)
    begin = problem.data_start()
    theta = problem.start() if begin is None else begin
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # Its flags and warnings are not what is judged (it warns of converged fits too).
            for category in (ModelWarning, RuntimeWarning, UserWarning):
                warnings.simplefilter("ignore", category)
            for methods in (("bfgs",), ("nm", "bfgs")):
                for method in methods:
                    theta = _searched(free, theta, method)
                results = natural.fit(
                    start_params=problem.natural(theta), method="bfgs", maxiter=0, disp=0
                )
                if _arrived(natural, results):
                    break
    except _OutOfTimeError:
        return None, "statsmodels ran out of its time budget; give [checks] budget more seconds"
    except np.linalg.LinAlgError as reason:
        return None, f"statsmodels' numerical second derivatives failed ({reason})"
    return results, ""


def _searched(model: _Model, begin: np.ndarray, method: str) -> np.ndarray:
    # gtol is per row, as statsmodels divides the log-likelihood by their number.
    options = {"gtol": 1e-8, "maxiter": 1000} if method == "bfgs" else {"maxiter": 2000}
    found = model.fit(start_params=begin, method=method, disp=0, skip_hessian=True, **options)
    return np.asarray(found.params, float)


def _arrived(model: _Model, results: Any) -> bool:
    """Whether its own numerical derivatives leave less than the limit to go, by a Newton step."""
    score = np.asarray(model.score(np.asarray(results.params, float)))
    covariance = results.normalized_cov_params
    if covariance is None or not np.isfinite(score).all():
        return False
    return bool(0.5 * abs(score @ np.asarray(covariance) @ score) < LLF_LIMIT)


def _compared(fit: Estimate, results: Any, second: _SecondOpinion) -> list[Agreement]:
    """Log-likelihood, every estimate and standard error, and AIC."""
    errors = fit.standard_errors("observed").to_numpy()
    pairs = zip(
        fit.problem.labels,
        zip(fit.params.to_numpy(), np.asarray(results.params, float), strict=True),
        zip(errors, np.asarray(results.bse, float), strict=True),
        strict=True,
    )
    estimates, standard_errors = [], []
    for label, (ours, theirs), (our_error, their_error) in pairs:
        away = abs(ours - theirs) / our_error
        estimates.append(
            _judged("statsmodels-estimate", label, ours, theirs, away, ESTIMATE_LIMIT,
                    "standard errors", "a hundredth of a standard error")
        )  # fmt: skip
        change = abs(their_error / our_error - 1)
        standard_errors.append(
            _judged("statsmodels-se", f"standard error of {label}", our_error, their_error, change,
                    ERROR_LIMIT, "relative", "what numerical second derivatives leave")
        )  # fmt: skip
    apart = abs(fit.aic - results.aic)
    aic = _judged("statsmodels-aic", "AIC", fit.aic, float(results.aic), apart, 2 * LLF_LIMIT,
                  "AIC", "twice the limit of the log-likelihood")  # fmt: skip
    return [_llf(fit, float(results.llf), second), *estimates, *standard_errors, aic]


def _llf(fit: Estimate, theirs: float, second: _SecondOpinion) -> Agreement:
    """A higher one by them is our failure; a lower one on the same density is theirs: look."""
    distance = abs(fit.llf - theirs)
    found = _judged(
        "statsmodels-llf",
        "log-likelihood",
        fit.llf,
        theirs,
        distance,
        LLF_LIMIT,
        "nats",
        "half the square of a hundredth of a standard error",
    )
    at_ours = float(fit.problem.rows.weights @ second.pointwise(fit.theta))
    same_density = abs(at_ours - fit.llf) < LLF_LIMIT
    if found.outcome is Outcome.FAIL and same_density and theirs < fit.llf:
        why = "statsmodels' search stopped lower on the same density: it did not arrive"
        return Agreement(**{**vars(found), "outcome": Outcome.LOOK, "why": why})
    return found


def _judged(
    code: str,
    quantity: str,
    ours: float,
    theirs: float,
    distance: float,
    limit: float,
    unit: str,
    why: str,
) -> Agreement:
    """NaN never passes."""
    if np.isnan(distance):
        outcome, why = Outcome.LOOK, "one of the two is not a number"
    else:
        outcome = Outcome.PASS if distance <= limit else Outcome.FAIL
    return Agreement(
        code, quantity, float(ours), float(theirs), float(distance), limit, unit, outcome, why
    )


def _not_tried(code: str, quantity: str, why: str, outcome: Outcome) -> Agreement:
    nan = float("nan")
    return Agreement(code, quantity, nan, nan, nan, nan, "", outcome, why)


def _optimum(fit: Estimate) -> Agreement:
    """The verdict itself: a fit without a maximum in all parameters never passes."""
    verdict = fit.optimum.verdict
    alone = verdict.status in (Status.MINIMUM, Status.KINK)
    found = Outcome.PASS if alone else Outcome.LOOK
    outcome = found if verdict.determined else Outcome.FAIL
    why = verdict.advice or f"no better point from {len(fit.optimum.starts)} starts"
    return Agreement("optimum", f"the optimum is {fit.status}", verdict.step, 0.0, verdict.step,
                     STEP_TOLERANCE, "standard errors", outcome, why)  # fmt: skip


def _sum_of_rows(fit: Estimate) -> Agreement:
    """NLL = n x CE: the rows' terms add up to the compiled log-likelihood."""
    terms = fit.problem.rows.weights * fit.problem.pointwise(fit.theta)
    total = float(np.sum(terms))
    scale = float(np.abs(terms).sum())
    return _judged(
        "sum",
        "rows add up to the log-likelihood",
        fit.llf,
        total,
        abs(fit.llf - total) / scale,
        1e-12,
        "relative",
        "rounding of a sum",
    )


def _gradient(fit: Estimate) -> Agreement:
    """The exact gradient against central differences, half a standard error off the optimum."""
    if not fit.optimum.verdict.regular:
        why = f"there is no scale to step by: {fit.status}"
        return _not_tried("gradient", "gradient", why, Outcome.NOT_APPLICABLE)
    prior = 0.0 if fit.objective == "likelihood" else 1.0
    curvature = np.diag(fit.optimum.information)  # zero where a parameter is held
    scale = np.divide(1.0, np.sqrt(curvature), out=np.zeros(len(curvature)), where=curvature > 0)
    place, scale = _off(fit, scale)
    exact = fit.problem.derivatives(place, prior)[1] * scale
    # Half a nat a standard error: a step of a hundredth balances truncation against rounding.
    steps = np.diag(1e-2 * scale)
    ahead, behind = (fit.problem.values(place + sign * steps, prior) for sign in (1, -1))
    numeric = (ahead - behind) / 2e-2
    worst = int(np.argmax(np.abs(exact - numeric)))
    scale_of_sum = float(np.abs(fit.problem.pointwise(fit.theta)).sum())
    limit = (
        GRADIENT_LIMIT
        + 1e-4 * float(np.abs(exact).max())
        + 1e2 * np.finfo(float).eps * scale_of_sum / 2e-2
    )
    return _judged(
        "gradient",
        f"gradient in {fit.problem.theta_labels[worst]}",
        exact[worst],
        numeric[worst],
        abs(exact[worst] - numeric[worst]),
        limit,
        "standard errors",
        "truncation of central differences, and rounding",
    )


def _off(fit: Estimate, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """theta half of `scale` off the optimum, and the scale: so small that steps stay in bounds."""
    if fit.bounds is None:
        return fit.theta + 0.5 * scale, scale
    lower, upper = fit.bounds.lower, fit.bounds.upper
    scale = np.minimum(scale, upper - lower)
    return np.clip(fit.theta + 0.5 * scale, lower + 0.1 * scale, upper - 0.1 * scale), scale


def _starts(fit: Estimate) -> Agreement:
    """The optimum was found from more than one start."""
    values = np.array([start.value for start in fit.optimum.starts])
    again = int(np.sum(values <= fit.optimum.value + HANDOVER**2))
    if not fit.optimum.verdict.determined:
        return _not_tried(
            "starts", "optimum found twice", f"no optimum: {fit.status}", Outcome.NOT_APPLICABLE
        )
    why = f"{again} of {len(values)} starts arrived at the best point"
    outcome = Outcome.PASS if again > 1 else Outcome.LOOK
    return Agreement(
        "starts",
        "starts that arrived",
        float(again),
        float(len(values)),
        float(len(values) - again),
        float(len(values) - 2),
        "starts",
        outcome,
        why,
    )


def _single_precision(fit: Estimate) -> Agreement:
    names = ", ".join(fit.problem.graph.single_precision[:3])
    why = (
        f"literals held to 7 digits only ({names}): write np.float64(...), or bind a definition "
        "instead of a ready model"
    )
    return _not_tried("precision", "double precision throughout", why, Outcome.LOOK)


def _density(fit: Estimate, second: _SecondOpinion) -> Agreement:
    """The log density of every row at the estimate and at the start, the worst of them.

    Not at a point on its way to infinity: there both are rounding.
    """
    worst = (0.0, np.nan, np.nan, 0)
    places = (
        (fit.problem.start(), fit.theta)
        if fit.optimum.verdict.determined
        else (fit.problem.start(),)
    )
    for theta in places:
        ours, theirs = fit.problem.pointwise(theta), second.pointwise(theta)
        off = np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1.0)
        off = np.where(np.isnan(off), np.where(ours == theirs, 0.0, np.nan), off)
        row = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
        if not off[row] <= worst[0]:
            worst = (float(off[row]), float(ours[row]), float(theirs[row]), row)
    distance, ours_there, theirs_there, row = worst
    label = fit.problem.rows.labels[row]
    return _judged(
        "density",
        f"log density of row {label}",
        ours_there,
        theirs_there,
        distance,
        DENSITY_LIMIT,
        "relative",
        "two formulae in double precision; the worst row",
    )
