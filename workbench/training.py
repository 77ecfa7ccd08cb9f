"""What was found of the training rows, as plain data: left out, reweighted, weighed, and fewer."""

import numpy as np

from workbench import findings as found
from workbench.evaluation import Evaluation
from workbench.findings import NOTHING, Quantity
from workbench.learning import LearningCurve
from workbench.leaving_out import LeaveOneOut
from workbench.reweighting import PsisLoo

MOST_INFLUENTIAL = 5  # training rows, or groups, that are told


def log_measure(trained: Evaluation) -> np.ndarray:
    """What makes each row's log density one of the outcome as recorded; nats, (n,)."""
    if trained.recording.plain:
        return np.zeros(len(trained.weights))
    return trained.recording.log_measure(trained.observed)


def left_out_found(of: LeaveOneOut | str, trained: Evaluation) -> found.LeftOutFound:
    """Leave-one-out by Newton steps, of the outcome as recorded, or why there is none."""
    if isinstance(of, str):
        return found.LeftOutFound(cross_entropy=NOTHING, refitted=0, advice="", reason=of)
    left_out = trained.mean(of.pointwise - log_measure(trained))
    return found.LeftOutFound(
        cross_entropy=Quantity.of(left_out), refitted=len(of.refitted), advice=of.advice
    )


def reweighted_found(of: PsisLoo | str | None, trained: Evaluation) -> found.ReweightedFound | None:
    """PSIS-LOO and WAIC of the posterior, or why there are none; None where it was not tried."""
    if of is None:
        return None
    if isinstance(of, str):
        return found.ReweightedFound(
            cross_entropy=NOTHING,
            waic=NOTHING,
            effective_parameters=None,
            k_hat=None,
            monte_carlo=None,
            advice="",
            reason=of,
        )
    return found.ReweightedFound(
        cross_entropy=Quantity.of(trained.mean(of.pointwise - log_measure(trained))),
        waic=Quantity.of(trained.mean(of.training + of.spread - log_measure(trained))),
        effective_parameters=of.p_loo,
        k_hat=float(of.k_hat.max()),
        monte_carlo=of.monte_carlo,
        advice=of.advice,
    )


def influential_found(of: LeaveOneOut | str) -> tuple[found.InfluentialFound, ...]:
    """The units of the largest displacement, and what each moves most; none where none leaves."""
    if isinstance(of, str):
        return ()
    weighs = of.influence
    counts = of.weights if of.groups is None else np.ones(len(weighs.displacement))
    shares = weighs.displacement / (counts @ weighs.displacement)
    changes, labels = weighs.changes.to_numpy(), weighs.fit.problem.labels
    told = []
    for at in np.argsort(-weighs.displacement, kind="stable")[:MOST_INFLUENTIAL]:
        place = int(np.nanargmax(np.abs(changes[at])))
        told.append(
            found.InfluentialFound(
                label=str(weighs.labels[at]),
                leverage=float(weighs.leverage[at]),
                displacement=float(weighs.displacement[at]),
                share=float(shares[at]),
                parameter=labels[place],
                change=float(changes[at, place]),
            )
        )
    return tuple(told)


def learning_found(of: LearningCurve | str | None) -> found.LearningFound | None:
    """The learning curve, or why there is none; None where the study does not ask for it."""
    if of is None:
        return None
    if isinstance(of, str):
        return found.LearningFound(rows=(), heldout=(), all_rows=0, effective=None, reason=of)
    return found.LearningFound(
        rows=tuple(of.rows.mean(axis=0)),
        heldout=tuple(map(tuple, of.heldout)),
        all_rows=of.all_rows,
        effective=of.effective,
    )
