"""The verdict: whether a point is a minimum, told by what the objective does to either side."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import singledispatch

import numpy as np

from workbench.optimum import advice
from workbench.optimum.points import (
    MOST_ROUNDING,
    ROUNDING,
    STEP_TOLERANCE,
    Objective,
    Point,
    point,
)
from workbench.optimum.probes import Probe, edge, limit, probes, unbounded

BENT = 1e-6  # a negative eigenvalue beyond this share is no rounding


class Status(StrEnum):
    """What the best point is. Only a regular one has a covariance, only a determined one a rank."""

    MINIMUM = "a minimum"
    SEVERAL_MINIMA = "several minima"
    LOCAL_MINIMUM = "a local minimum"  # and no global one exists
    KINK = "a minimum on a kink"  # with slopes to either side of it, and no curvature
    IRREGULAR = "irregular"
    NOT_STATIONARY = "not stationary"
    NOT_IDENTIFIED = "not identified"
    RUNNING_AWAY = "running away"
    NOT_FINITE = "not finite"

    @property
    def regular(self) -> bool:
        """Whether the information there is that of a minimum, all parameters being determined."""
        return self in (Status.MINIMUM, Status.SEVERAL_MINIMA, Status.LOCAL_MINIMUM)

    @property
    def determined(self) -> bool:
        """Whether it is a minimum that determines all parameters, if not by its information."""
        return self.regular or self is Status.KINK


# What one direction says outweighs what another does, in this order.
WORST = {
    status: rank
    for rank, status in enumerate(
        (Status.NOT_STATIONARY, Status.RUNNING_AWAY, Status.NOT_IDENTIFIED, Status.MINIMUM)
    )
}


ADVICE = {
    Status.NOT_STATIONARY: advice.not_reached,
    Status.RUNNING_AWAY: advice.running_away,
    Status.NOT_IDENTIFIED: advice.not_identified,
}


@dataclass(frozen=True)
class Verdict:
    """The status, the advice in words, and the measurements behind it."""

    status: Status
    advice: str
    step: float  # Newton step left, in standard errors; NaN where it cannot be told
    eigenvalues: np.ndarray  # of the information scaled to a unit diagonal, ascending
    bounded: bool = True  # false where the objective was seen to fall without end
    scattered: bool = False  # whether the kinks that it is on are a few rows', others' elsewhere

    @property
    def regular(self) -> bool:
        return self.status.regular

    @property
    def determined(self) -> bool:
        return self.status.determined

    @property
    def normal(self) -> bool:
        """Whether an estimate there is normal about the truth, of many rows and a right model.

        On kinks of a few rows it is, though the curvature says nothing of it: the likelihood is
        differentiable in quadratic mean (van der Vaart 1998, theorem 5.39).
        """
        return self.regular or (self.status is Status.KINK and self.scattered)

    @property
    def expected_decrease(self) -> float:
        """What the last Newton step would still gain, in nats (iminuit's EDM)."""
        return 0.5 * self.step**2


@singledispatch
def judge(
    objective: Objective, here: Point, units: np.ndarray, labels: Sequence[str]
) -> tuple[Verdict, np.ndarray | None]:
    """The verdict on a point, and a better one where probing found it (else None).

    Along each eigenvector of the information the objective is evaluated one standard error to
    either side. A minimum rises on both; a flat ridge on neither; a parameter on its way to
    infinity on one. So collinearity, separation and a dispersion without bound are told alike,
    whatever the units of the columns. On the way to a limit, better is where nothing is left of it.
    """
    if not here.finite:
        unknown = np.full(len(here.theta), np.nan)
        return Verdict(Status.NOT_FINITE, advice.not_finite(here.value), np.nan, unknown), None
    if not len(here.theta):  # nothing is free, as in a baseline of equal chances
        return Verdict(Status.MINIMUM, "", 0.0, np.zeros(0)), None
    step, eigenvalues = here.newton_step[1], here.spectrum[0]
    ends = edge(objective, here, units)
    if ends is not None:
        words = advice.at_an_edge(ends, labels, objective.name)
        return Verdict(Status.IRREGULAR, words, step, eigenvalues), None
    told = [
        (_status(probe), direction if probe.flat_ahead else -direction, probe.better)
        for direction, probe in probes(objective, here, units)
    ]
    for _, direction, better in told:
        if better is not None and unbounded(objective, here, better):
            words = advice.without_bound(direction, labels, objective.name)
            return Verdict(Status.RUNNING_AWAY, words, step, eigenvalues, bounded=False), None
    sure = (Status.MINIMUM, np.zeros(len(units)), None)
    status, direction, better = min([*told, sure], key=lambda one: WORST[one[0]])
    if status is Status.RUNNING_AWAY and objective.ends(here.theta, units * direction):
        words = advice.at_a_limit(direction, labels, objective.name)
        ahead = limit(objective, here, units * direction)
        return Verdict(Status.IRREGULAR, words, step, eigenvalues), ahead
    words = ADVICE[status](direction, labels, objective.name) if status in ADVICE else ""
    return _measured(objective, here, labels, status, words), better


def _status(probe: Probe) -> Status:
    """What one direction alone says of the point."""
    if probe.better is not None:
        return Status.NOT_STATIONARY
    if probe.flat_ahead and probe.flat_behind:
        return Status.NOT_IDENTIFIED
    return Status.RUNNING_AWAY if probe.flat_ahead or probe.flat_behind else Status.MINIMUM


def _measured(
    objective: Objective, here: Point, labels: Sequence[str], status: Status, words: str
) -> Verdict:
    """What the probes say, unless the information or the step left contradict it."""
    step, (eigenvalues, vectors) = here.newton_step[1], here.spectrum
    largest = np.abs(eigenvalues).max(initial=0.0)
    if status in (Status.MINIMUM, Status.NOT_IDENTIFIED) and eigenvalues[0] < -BENT * largest:
        status, words = Status.NOT_STATIONARY, advice.saddle(vectors[:, 0], labels, objective.name)
    if status is Status.MINIMUM and eigenvalues[0] < ROUNDING * largest:
        status = Status.NOT_IDENTIFIED
        words = advice.not_identified(vectors[:, 0], labels, objective.name)
    short = status is Status.MINIMUM and step >= STEP_TOLERANCE
    if short and step >= _rounding(objective, here):
        status, words = Status.NOT_STATIONARY, advice.short_of_it(step)
    return Verdict(status, words, step, eigenvalues)


def _rounding(objective: Objective, here: Point) -> float:
    """How many standard errors rounding may leave, by where the last digits send a Newton step.

    Two points that differ by nothing that counts should be sent to the same one: ten times by how
    much they are not, and `MOST_ROUNDING` at most.
    """
    nudge = 1e-9 * here.scale
    beside = point(objective, here.theta + nudge)
    apart = beside.newton_step[0] + nudge - here.newton_step[0]
    error = float(np.sqrt(max(apart @ here.information @ apart, 0.0)))
    return min(10 * error, MOST_ROUNDING)
