"""The maximum: statsmodels' generic class on the second density, from the model's own start.

It is given a log density that shares no code with PyMC's, starts where the model starts and not
from our answer, and differentiates numerically. What is judged is the log-likelihood, the
estimates and the standard errors it arrives at, never its own convergence flag. Then the other
way round: from our answer it must find nothing better.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from statsmodels.base.model import GenericLikelihoodModel
from statsmodels.tools.sm_exceptions import ModelWarning

from workbench.agreement.densities import SecondOpinion
from workbench.agreement.outcomes import Agreement, Outcome, judged, not_tried
from workbench.errors import WorkbenchError
from workbench.estimate import Estimate, maximum_likelihood, own_coordinates
from workbench.optimum import Status
from workbench.problem import Problem

# Half the square of a hundredth of a standard error.
LLF_LIMIT = 1e-4  # nats
# No table shows a hundredth of a standard error.
ESTIMATE_LIMIT = 1e-2  # standard errors
# statsmodels' numerical Hessian: steps of eps^(1/4) leave about this much.
ERROR_LIMIT = 1e-2  # relative
# Above this many rows both are fitted to a part of them.
LARGE, PART = 25_000, 10_000
METHODS = (("bfgs",), ("nm", "bfgs"))
NOTHING_FREE = "no parameter is free"
OUT_OF_TIME = "statsmodels ran out of its time budget; give [checks] budget more seconds"


@dataclass(frozen=True)
class Clock:
    """Until when statsmodels may search."""

    deadline: float
    now: Callable[[], float]

    @property
    def over(self) -> bool:
        return self.now() > self.deadline


def maximum(fit: Estimate, second: SecondOpinion, clock: Clock) -> tuple[list[Agreement], Any]:
    """Both ways, and statsmodels' results object; None where it did not get that far."""
    hindrance = _no_maximum_to_compare(fit)
    if hindrance:
        return [not_tried("statsmodels", "statsmodels", hindrance, Outcome.NOT_APPLICABLE)], None
    fit, said = _part(fit)
    if not fit.optimum.verdict.regular:
        why = f"a part of the rows alone does not have the optimum: it is {fit.status}{said}"
        return [not_tried("statsmodels", "statsmodels", why, Outcome.LOOK)], None
    second = second.on(fit.problem)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # Its flags and warnings are not what is judged (it warns of converged fits too).
            for category in (ModelWarning, RuntimeWarning, UserWarning):
                warnings.simplefilter("ignore", category)
            scale = _Scale(fit, second, clock)
            results = _searched_from_the_start(fit, scale)
            found = [*_compared(fit, results, second, scale), _nothing_better(fit, scale)]
            scale.reported.handed_over()
    except OutOfTimeError:
        return [not_tried("statsmodels", "statsmodels", OUT_OF_TIME, Outcome.LOOK)], None
    except np.linalg.LinAlgError as reason:
        why = f"statsmodels' numerical second derivatives failed ({reason})"
        return [not_tried("statsmodels", "statsmodels", why, Outcome.LOOK)], None
    return [replace(one, why=f"{one.why}{said}") for one in found], results


def _no_maximum_to_compare(fit: Estimate) -> str:
    """Why statsmodels' maximum would be that of something else; empty where it would not."""
    if fit.objective != "likelihood":
        return "a MAP is no maximum of the likelihood; check the maximum-likelihood fit"
    if fit.bounds is not None:
        return "parameters are bounded, and statsmodels would search beyond; check the free fit"
    if not fit.k:
        return NOTHING_FREE
    if fit.optimum.verdict.status is Status.KINK:
        return "the maximum stands on a kink, where statsmodels' searches by derivatives do not end"
    if not fit.optimum.verdict.regular:
        return f"there is no maximum to agree on: {fit.status}"
    return ""


def _part(fit: Estimate) -> tuple[Estimate, str]:
    """The fit, of a seeded part of the rows where there are very many, and what to say of it."""
    count = fit.problem.rows.count
    if count <= LARGE or not fit.problem.independent:
        return fit, ""
    places = np.sort(np.random.default_rng(0).choice(count, PART, replace=False))
    part = fit.problem.among(places)
    # Of natural values those that a held coordinate of theta decides; a simplex has more of them.
    own = own_coordinates(fit.problem)
    held = [label for label, coordinate in own.items() if not fit.moves[coordinate]]
    fitted = maximum_likelihood(part, fixed=dict(fit.params[held]))
    return fitted, f"; of {PART:,} of the {count:,} rows, drawn with seed 0, both fitted to these"


class OutOfTimeError(WorkbenchError):
    """The clock is over: raised inside of statsmodels' search, where nothing else ends it."""


class _Model(GenericLikelihoodModel):  # type: ignore[misc]
    """statsmodels' generic model on a given rowwise log-likelihood, with a deadline."""

    def __init__(
        self,
        rows: Callable[[np.ndarray], np.ndarray],
        names: Sequence[str],
        problem: Problem,
        clock: Clock,
    ) -> None:
        self._rows, self._row_weights, self._clock = rows, problem.rows.weights, clock
        observed = np.asarray(problem.rows.observed, float)
        one_a_row = observed.reshape(problem.rows.count, -1)[:, 0]  # to be counted only
        # Naming the parameters keeps statsmodels from counting them twice in its AIC.
        super().__init__(one_a_row, extra_params_names=list(names))

    def handed_over(self) -> None:
        """From now on in the user's hands, who takes as long as it takes."""
        self._clock = Clock(np.inf, self._clock.now)

    def loglikeobs(self, params: np.ndarray) -> np.ndarray:
        if self._clock.over:
            raise OutOfTimeError(OUT_OF_TIME)
        terms = self._row_weights * self._rows(np.asarray(params, float))
        return np.where(np.isnan(terms), -np.inf, terms)


class _Scale:
    """The free parameters as statsmodels searches them, and as it reports them.

    It searches over theta, where no step can leave the support, and reports natural values; theta
    itself where these are tied to each other, as on a simplex.
    """

    def __init__(self, fit: Estimate, second: SecondOpinion, clock: Clock) -> None:
        self.problem, self.moves, self.whole = fit.problem, fit.moves, fit.loss.whole
        self.tied = len(fit.problem.labels) != len(fit.problem.theta_labels)
        self.natural_values = fit.problem.natural(fit.theta)
        self.second = second
        labels = np.array(fit.problem.theta_labels if self.tied else fit.problem.labels)
        self.labels = list(labels[self.moves])
        free = np.array(fit.problem.theta_labels)[self.moves]
        self.searched = _Model(self._of_theta, free, fit.problem, clock)
        self.reported = (
            self.searched
            if self.tied
            else _Model(self._of_natural, self.labels, fit.problem, clock)
        )

    def report(self, parts: np.ndarray) -> np.ndarray:
        """The free coordinates of theta as reported."""
        if self.tied:
            return parts
        return np.asarray(self.problem.natural(self.whole(parts))[self.moves])

    def _of_theta(self, parts: np.ndarray) -> np.ndarray:
        return self.second.pointwise(self.whole(parts))

    def _of_natural(self, values: np.ndarray) -> np.ndarray:
        natural = self.natural_values.copy()
        natural[self.moves] = values
        theta = self.problem.unconstrained(natural)
        if not np.isfinite(theta).all():  # outside the support
            return np.full(self.problem.rows.count, -np.inf)
        return self.second.pointwise(theta)


def _searched_from_the_start(fit: Estimate, scale: _Scale) -> Any:
    """Its results at what it found itself, with its own numerical Hessian.

    Where that leaves a slope, it searches on from Nelder and Mead's point.
    """
    begin = fit.problem.data_start()
    theta = (fit.problem.start() if begin is None else begin)[fit.moves]
    for methods in METHODS:
        for method in methods:
            theta = _searched(scale.searched, theta, method)
        results = scale.reported.fit(
            start_params=scale.report(theta), method="bfgs", maxiter=0, disp=0
        )
        if _arrived(scale.reported, results):
            break
    return results


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


def _compared(
    fit: Estimate, results: Any, second: SecondOpinion, scale: _Scale
) -> Iterator[Agreement]:
    """Log-likelihood, every estimate and standard error, and AIC."""
    yield _llf(fit, float(results.llf), second)
    covariance = np.linalg.inv(fit.optimum.information[np.ix_(fit.moves, fit.moves)])
    if scale.tied:
        errors = np.sqrt(np.diag(covariance))
    else:
        errors = fit.standard_errors("observed").to_numpy()[fit.moves]
    ours = scale.report(fit.theta[fit.moves])
    theirs, their_errors = (np.asarray(one, float) for one in (results.params, results.bse))
    for place, label in enumerate(scale.labels):
        away = abs(ours[place] - theirs[place]) / errors[place]
        yield judged(
            "statsmodels-estimate", label, ours[place], theirs[place], away, ESTIMATE_LIMIT,
            "standard errors", "a hundredth of a standard error",
        )  # fmt: skip
    for place, label in enumerate(scale.labels):
        change = abs(their_errors[place] / errors[place] - 1)
        yield judged(
            "statsmodels-se", f"standard error of {label}", errors[place], their_errors[place],
            change, ERROR_LIMIT, "relative", "what numerical second derivatives leave",
        )  # fmt: skip
    yield judged(
        "statsmodels-aic", "AIC", fit.aic, float(results.aic), abs(fit.aic - results.aic),
        2 * LLF_LIMIT, "AIC", "twice the limit of the log-likelihood",
    )  # fmt: skip


def _llf(fit: Estimate, theirs: float, second: SecondOpinion) -> Agreement:
    """A higher one by them is our failure; a lower one on the same density is theirs: look."""
    found = judged(
        "statsmodels-llf", "log-likelihood", fit.llf, theirs, abs(fit.llf - theirs), LLF_LIMIT,
        "nats", "half the square of a hundredth of a standard error",
    )  # fmt: skip
    at_ours = float(fit.problem.rows.weights @ second.pointwise(fit.theta))
    same_density = abs(at_ours - fit.llf) < LLF_LIMIT
    return stopped_lower(found) if same_density and theirs < fit.llf else found


def stopped_lower(found: Agreement) -> Agreement:
    """A log-likelihood below ours is no disagreement of ours, but none is confirmed either."""
    if found.outcome is not Outcome.FAIL:
        return found
    why = "statsmodels' search stopped lower, and is not sure to have arrived"
    return replace(found, outcome=Outcome.LOOK, why=why)


def _nothing_better(fit: Estimate, scale: _Scale) -> Agreement:
    """From our estimate it finds no point where its own log-likelihood is higher."""
    ours = fit.theta[fit.moves]
    there = _searched(scale.searched, ours, "bfgs")
    begin, end = (float(np.sum(scale.searched.loglikeobs(theta))) for theta in (ours, there))
    return judged(
        "statsmodels-better", "log-likelihood that statsmodels finds from our estimate", begin, end,
        max(end - begin, 0.0), LLF_LIMIT, "nats", "half the square of a hundredth of an error",
    )  # fmt: skip
