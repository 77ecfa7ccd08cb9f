"""Identities: what must hold whatever the data, of rows, totals, priors and the estimate."""

from collections.abc import Iterator

import numpy as np

from workbench.agreement.densities import standard_errors
from workbench.agreement.outcomes import Agreement, Outcome, judged, not_tried
from workbench.estimate import Estimate
from workbench.optimum import STEP_TOLERANCE

ROUNDING = 1e-12  # relative: of a sum
TOTAL = 1e-8  # relative: of PyMC's own formulae, of which some lose digits that ours keep


def identities(fit: Estimate) -> Iterator[Agreement]:
    yield _sum_of_rows(fit)
    yield _pymc_total(fit)
    yield _joint(fit)
    yield _stationary(fit)


def _sum_of_rows(fit: Estimate) -> Agreement:
    """NLL = n x CE: the rows' terms add up to the compiled log-likelihood."""
    terms = fit.problem.rows.weights * fit.problem.pointwise(fit.theta)
    total, size = float(np.sum(terms)), float(np.abs(terms).sum())
    return judged(
        "sum", "rows add up to the log-likelihood", fit.llf, total, abs(fit.llf - total) / size,
        ROUNDING, "relative", "rounding of a sum",
    )  # fmt: skip


def _pymc_total(fit: Estimate) -> Agreement:
    """Rows and prior together against the log density that PyMC itself gives the whole model."""
    problem = fit.problem
    rows, prior = problem.pointwise(fit.theta), problem.log_prior(fit.theta)
    ours, theirs = float(rows.sum()) + prior, problem.pymc_total(fit.theta)
    size = max(float(np.abs(rows).sum()) + abs(prior), 1.0)
    return judged(
        "total", "log-likelihood and log prior together", ours, theirs, abs(ours - theirs) / size,
        TOTAL, "relative", "the sum of PyMC's own logp, without Jacobians; rows counted once",
    )  # fmt: skip


def _joint(fit: Estimate) -> Agreement:
    """The MAP objective is the NLL less the log prior."""
    problem = fit.problem
    alone, joint = (float(problem.values(fit.theta[None], prior)[0]) for prior in (0.0, 1.0))
    prior = problem.log_prior(fit.theta)
    return judged(
        "joint", "NLL less the MAP objective, the log prior", alone - joint, prior,
        abs(alone - joint - prior), ROUNDING * max(abs(alone), abs(prior), 1.0), "nats",
        "rounding of a difference",
    )  # fmt: skip


def _stationary(fit: Estimate) -> Agreement:
    """At a maximum of the likelihood the rows' scores add up to nothing, whatever the prior."""
    what, problem = "scores add up to nothing", fit.problem
    if fit.objective != "likelihood":
        why = "at a MAP the prior's slope makes up for the scores"
        return not_tried("stationary", what, why, Outcome.NOT_APPLICABLE)
    if not fit.optimum.verdict.regular or not problem.independent or not fit.k:
        why = f"there is no maximum with scores by row: {fit.status}"
        return not_tried("stationary", what, why, Outcome.NOT_APPLICABLE)
    scores = problem.rows.weights[:, None] * problem.scores(fit.theta) * standard_errors(fit)
    left = np.abs(scores.sum(axis=0))
    worst = int(np.argmax(left))
    rounding = np.finfo(float).eps * np.abs(scores[:, worst]).sum()
    label = problem.theta_labels[worst]
    return judged(
        "stationary", f"{what}: {label}", left[worst], 0.0, left[worst],
        STEP_TOLERANCE + 1e2 * rounding, "standard errors",
        "what the search may leave, and rounding of the sum",
    )  # fmt: skip
