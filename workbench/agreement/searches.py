"""The search: the verdict on the optimum, that it was found twice, and in double precision."""

from collections.abc import Iterator

import numpy as np

from workbench.agreement.outcomes import Agreement, Outcome, not_tried
from workbench.estimate import Estimate
from workbench.optimum import HANDOVER, STEP_TOLERANCE, Status


def searches(fit: Estimate) -> Iterator[Agreement]:
    yield _optimum(fit)
    yield _starts(fit)
    if fit.problem.graph.single_precision:
        yield _single_precision(fit)


def _optimum(fit: Estimate) -> Agreement:
    """The verdict itself: a fit without a maximum in all parameters never passes."""
    verdict = fit.optimum.verdict
    alone = verdict.status in (Status.MINIMUM, Status.KINK)
    found = Outcome.PASS if alone else Outcome.LOOK
    outcome = found if verdict.determined else Outcome.FAIL
    why = verdict.advice or f"no better point from {len(fit.optimum.starts)} starts"
    return Agreement("optimum", f"the optimum is {fit.status}", verdict.step, 0.0, verdict.step,
                     STEP_TOLERANCE, "standard errors", outcome, why)  # fmt: skip


def _starts(fit: Estimate) -> Agreement:
    """The optimum was found from more than one start."""
    if not fit.optimum.verdict.determined:
        why = f"no optimum: {fit.status}"
        return not_tried("starts", "optimum found twice", why, Outcome.NOT_APPLICABLE)
    values = np.array([start.value for start in fit.optimum.starts])
    count, again = len(values), int(np.sum(values <= fit.optimum.value + HANDOVER**2))
    return Agreement(
        "starts", "starts that arrived", float(again), float(count), float(count - again),
        float(count - 2), "starts", Outcome.PASS if again > 1 else Outcome.LOOK,
        f"{again} of {count} starts arrived at the best point",
    )  # fmt: skip


def _single_precision(fit: Estimate) -> Agreement:
    names = ", ".join(fit.problem.graph.single_precision[:3])
    why = (
        f"literals held to 7 digits only ({names}): write np.float64(...), or bind a definition "
        "instead of a ready model"
    )
    return not_tried("precision", "double precision throughout", why, Outcome.LOOK)
