"""The density: PyMC's of every row against a second one that shares no code with it.

At the start, at the estimate and about it, and there for outcomes far out in either tail, too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from workbench import density, functionals
from workbench.agreement.outcomes import Agreement, Outcome, judged, not_tried
from workbench.density import Distribution
from workbench.errors import DataError, ModelError
from workbench.estimate import Estimate
from workbench.problem import Problem

LogDensity = Callable[[Distribution, np.ndarray], np.ndarray]

# Two formulae of one log density, in double precision with lgamma of large arguments.
LIMIT = 1e-9  # relative, per row
DRAWN = 3  # points about the estimate
FAR = 3.0  # standard errors, of each coordinate alone, that they are away from it
TAILS = 1e-6, 1 - 1e-6  # probabilities whose outcomes are tried
CONSTANT = 1e-6  # relative: what an offset may vary by and still be called a constant


@dataclass(frozen=True)
class SecondOpinion:
    """The rows' log-likelihood by another density, as a function of theta."""

    problem: Problem
    log_density: LogDensity

    def pointwise(self, theta: np.ndarray) -> np.ndarray:
        """One term a row, nats. Raises ModelError where there is no such density."""
        observed = np.asarray(self.problem.rows.observed, float)
        distribution = self.problem.distribution(theta)
        terms = self.log_density(distribution, observed)
        if density.is_vector(distribution):
            return np.broadcast_to(terms, len(observed))
        by_row = np.broadcast_to(terms, observed.shape).reshape(len(observed), -1)
        return by_row.sum(axis=1)

    def on(self, problem: Problem) -> "SecondOpinion":
        return SecondOpinion(problem, self.log_density)


def densities(fit: Estimate, second: SecondOpinion) -> Iterator[Agreement]:
    """At the data's own outcomes and, where outcomes have an order, in their tails.

    Not at a point on its way to infinity: there both are rounding.
    """
    where = "two formulae in double precision; the worst row"
    thetas = places(fit)
    yield _compared("density", "log density", second, thetas, where)
    if not fit.optimum.verdict.determined:
        return
    try:
        tails = [_in_tail(fit, probability) for probability in TAILS]
    except (DataError, ModelError) as reason:
        yield not_tried(
            "density-tails", "log density in the tails", str(reason), Outcome.NOT_APPLICABLE
        )
        return
    found = [
        _compared("density-tails", "log density, in a tail,", second.on(problem), [fit.theta],
                  f"the same, for outcomes where the distribution function is {probability:g}")
        for problem, probability in zip(tails, TAILS, strict=True)
    ]  # fmt: skip
    yield max(found, key=lambda one: (one.outcome is not Outcome.PASS, one.distance))


def places(fit: Estimate) -> list[np.ndarray]:
    """The start, the estimate, and seeded points about it, theta."""
    start, verdict = fit.problem.start(), fit.optimum.verdict
    if not verdict.determined:
        return [start]
    if not verdict.regular and not fit.problem.independent:  # no scale about a kink
        return [start, fit.theta]
    rng = np.random.default_rng(0)
    directions = rng.uniform(-FAR, FAR, (DRAWN, len(fit.theta)))
    return [start, fit.theta, *(fit.theta + directions * standard_errors(fit))]


def standard_errors(fit: Estimate) -> np.ndarray:
    """Of each coordinate of theta, the others held; zero where one is held (k,).

    By the curvature, or on a kink by the scores.
    """
    if fit.optimum.verdict.regular:
        curvature = np.diag(fit.optimum.information)
    else:
        scores = fit.problem.scores(fit.theta) * fit.moves
        curvature = fit.problem.rows.weights @ scores**2
    return np.divide(1.0, np.sqrt(curvature), out=np.zeros(len(curvature)), where=curvature > 0)


def _in_tail(fit: Estimate, probability: float) -> Problem:
    """The same rows, each with the outcome at that quantile of its distribution."""
    problem = fit.problem
    distribution = problem.distribution(fit.theta)
    if density.is_vector(distribution) or np.ndim(problem.rows.observed) > 1:
        raise ModelError("outcomes of several numbers have no order, and so no tails")
    outcomes = functionals.quantile(distribution, probability)
    return problem.with_outcomes(np.broadcast_to(outcomes, problem.rows.observed.shape))


def _compared(
    code: str, what: str, second: SecondOpinion, thetas: list[np.ndarray], why: str
) -> Agreement:
    """The worst row of all places, and whether what differs is a constant."""
    pairs = [(second.problem.pointwise(theta), second.pointwise(theta)) for theta in thetas]
    ours, theirs = (np.concatenate(side) for side in zip(*pairs, strict=True))
    alike = ours == theirs  # infinite ones, too
    size = np.where(np.isfinite(theirs), np.maximum(np.abs(theirs), 1.0), 1.0)
    difference = np.subtract(ours, theirs, where=~alike, out=np.zeros(len(ours)))
    off = np.abs(difference) / size
    worst = int(np.argmax(np.where(np.isnan(off), np.inf, off)))
    label = second.problem.rows.labels[worst % second.problem.rows.count]
    found = judged(
        code, f"{what} of row {label}", ours[worst], theirs[worst], off[worst], LIMIT,
        "relative", why,
    )  # fmt: skip
    if found.outcome is not Outcome.FAIL:
        return found
    return replace(found, why=_named(difference, len(thetas)))


def _named(difference: np.ndarray, count: int) -> str:
    """What the difference looks like: a constant, one that depends on parameters, or on rows."""
    if not np.isfinite(difference).all():
        return "one density gives an outcome no chance, and the other some: another support"
    by_place = difference.reshape(count, -1)
    size = np.abs(by_place).max()
    if np.ptp(by_place, axis=1).max() > CONSTANT * size:
        return "the densities differ by row: another family, or other parameters"
    offset = by_place.mean(axis=1)
    if np.ptp(offset) <= CONSTANT * size:
        return f"the normalising constant differs by {offset[0]:.3g} nats per row"
    return (
        f"a normalising term that depends on the parameters differs, by {offset.min():.3g} to "
        f"{offset.max():.3g} nats per row"
    )
