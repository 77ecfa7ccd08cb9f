"""Searches in a box: what a bound stops is held there, and the search goes on in the others.

A projected Newton method (Bertsekas 1982) in a trust region. A coordinate that the descent presses
against its bound is held; the step in the others ends on the bounds that it crosses; and as soon as
its slope leads back inside (the sign of its multiplier) a held coordinate moves again. No step is
taken that does not lower the objective, so no set of held coordinates comes back for ever.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from workbench.optimum import advice
from workbench.optimum.box import Box, Walled
from workbench.optimum.box_steps import ahead, in_region, newton, rise, whole
from workbench.optimum.held import Held
from workbench.optimum.points import ROUNDING, STEP_TOLERANCE, Point, length, point, rounding
from workbench.optimum.search import (
    ARRIVED,
    ENOUGH,
    FIRST_RADIUS,
    HANDOVER,
    ITERATIONS,
    PATIENCE,
    POLISH_STEPS,
    QUADRATIC,
    Start,
    finished,
    loose,
    resized,
    search,
    slack,
)
from workbench.optimum.verdict import Status, Verdict, judge


@loose.register
def _loose(box: Box, here: Point) -> Point:
    return newton(box, here)[1]


@search.register
def _search(
    box: Box,
    name: str,
    begin: Point,
    rows: float,
    handover: float = HANDOVER,
    known: Sequence[Point] = (),
) -> Start:
    """The same trust region; a step ends on the bounds that it crosses."""
    here, radius, values = begin, FIRST_RADIUS * np.sqrt(rows), [begin.value]
    if not begin.finite:
        return Start(name, begin.theta, begin, (begin.value,))
    scale = begin.scale
    for _ in range(ITERATIONS + _count(box)):
        if loose(box, here).newton_step[1] < handover or radius < np.finfo(float).eps:
            break
        scale = np.minimum(scale, here.scale)
        theta = ahead(box, here, in_region(scale, radius, box.longest))
        predicted = -rise(here, theta)
        trial = point(box, theta)
        gain = (here.value - trial.value) / predicted if trial.finite and predicted > 0 else -1.0
        radius = resized(radius, gain, length((theta - here.theta) / scale))
        if gain > ENOUGH:
            here = trial
            values.append(here.value)
    return Start(name, begin.theta, here, tuple(values))


@finished.register
def _finished(box: Box, best: Start, rows: float) -> Point:
    """To the last digits, and where that goes on for ever, to the bound ahead if it is lower."""
    here = _polished(box, best.end, rows)
    for _ in range(_count(box)):
        beyond = _bound_ahead(box, here)
        if beyond is None:
            break
        here = _polished(box, search(box, best.name, beyond, rows).end, rows)
    return here


def _polished(box: Box, here: Point, rows: float) -> Point:
    """By Newton's steps in the coordinates that no bound stops, or else by the search."""
    searched, slow = False, 0
    for _ in range(POLISH_STEPS + _count(box)):
        left = loose(box, here).newton_step[1]
        if left < ARRIVED:
            break
        trial = point(box, ahead(box, here, whole)) if np.isfinite(left) else here
        lower = trial.finite and trial.value <= here.value + slack(here, left)
        remains = loose(box, trial).newton_step[1] if lower else np.inf
        if remains < QUADRATIC * left:
            here = trial
        elif remains < left and slow < PATIENCE:
            here, slow = trial, slow + 1
        elif searched or slow == PATIENCE:
            break
        else:
            here = search(box, "", here, rows, STEP_TOLERANCE).end
            searched = True
    return here


def _bound_ahead(box: Box, here: Point) -> Point | None:
    """Where a search that does not arrive would come to a bound, if it is lower there; else None.

    On a logarithm's way to minus infinity Newton's steps have the same length for ever.
    """
    step, inner = newton(box, here)
    if not here.finite or inner.newton_step[1] < STEP_TOLERANCE:
        return None
    step = step if step.any() else np.where(box.pressed(here), 0.0, -here.gradient)
    reach = box.reach(here.theta, step)
    if not np.isfinite(reach).any():
        return None
    there = point(box, box.at_bound(here.theta, step, reach == reach.min()))
    return there if there.finite and there.value < here.value - rounding(here) else None


@judge.register
def _judge(
    box: Box, here: Point, units: np.ndarray, labels: Sequence[str]
) -> tuple[Verdict, np.ndarray | None]:
    """The verdict on the coordinates that no bound holds, and then on those.

    A bound whose multiplier is nothing leaves the minimum what it is without the bound. One that
    holds the optimum makes it irregular, unless what is worse can be said of the others.
    """
    stopped, edge = _stopped(box, here), box.on_bound(here.theta)
    verdict, better = _rest(box, here, units, labels, ~stopped)
    if verdict.status is Status.RUNNING_AWAY and verdict.bounded and better is None:
        flat = _flat(box, here, stopped)
        if flat is not None:
            words = advice.not_identified(flat, labels, box.name)
            verdict = replace(verdict, status=Status.NOT_IDENTIFIED, advice=words)
        elif (edge & ~stopped).any() and _rest(box, here, units, labels, ~edge)[0].regular:
            # It hardly rises from the bound, as a variance does from zero.
            verdict, stopped = replace(verdict, status=Status.MINIMUM, advice=""), edge
    return _with_bounds(box, here, verdict, stopped), better


def _with_bounds(box: Box, here: Point, verdict: Verdict, stopped: np.ndarray) -> Verdict:
    """The verdict on the others, and the bounds that hold the optimum."""
    if not stopped.any():
        return verdict
    status = Status.IRREGULAR if verdict.regular else verdict.status
    words = f"{verdict.advice} {box.words(here, stopped)}".strip()
    return replace(verdict, status=status, advice=words)


def _rest(
    box: Box, here: Point, units: np.ndarray, labels: Sequence[str], free: np.ndarray
) -> tuple[Verdict, np.ndarray | None]:
    """What can be said of the free coordinates, and a better theta where there is one."""
    if not free.any():
        return Verdict(Status.MINIMUM, "", 0.0, np.zeros(0)), None
    walled = Walled(box.objective, box.lower, box.upper, scale=here.scale)
    held = Held(walled, here.theta, free)
    verdict, better = judge(held, here.among(free), units[free], held.named(labels))
    return verdict, None if better is None else box.onto(held.whole(better))


def _stopped(box: Box, here: Point) -> np.ndarray:
    """Which coordinates a bound holds by more than a negligible multiplier, (k,).

    Negligible is a slope that asks for less than a millionth of a standard error, the others
    following: the curvature is the Schur complement of theirs.
    """
    stopped = box.pressed(here)
    inner, across = here.among(~stopped), here.information[np.ix_(~stopped, stopped)]
    if not (here.finite and stopped.any()):
        return stopped
    values, vectors = inner.spectrum
    kept = values > ROUNDING * values.max(initial=0.0)
    along = vectors.T[kept] @ (inner.scale[:, None] * across)
    own = here.information.diagonal()[stopped]
    curvature = own - np.sum(along**2 / values[kept, None], axis=0)
    flat = np.abs(curvature) < ROUNDING * own  # others can make good for it: its own unit counts
    negligible = STEP_TOLERANCE * np.sqrt(np.maximum(np.where(flat, own, curvature), 0.0))
    stopped[stopped] = np.abs(here.gradient[stopped]) > negligible
    return stopped


def _flat(box: Box, here: Point, stopped: np.ndarray) -> np.ndarray | None:
    """A direction without any curvature that a bound cuts off, (k,) in `scale`; else None."""
    values, vectors = here.among(~stopped).spectrum
    direction = np.zeros(len(stopped))
    direction[~stopped] = vectors[:, 0]
    cut = [box.reach(here.theta, sign * here.scale * direction).min() for sign in (1.0, -1.0)]
    singular = values[0] < ROUNDING * np.abs(values).max()
    return direction if singular and np.isfinite(cut).any() else None


def _count(box: Box) -> int:
    """How many bounds there are."""
    return int(np.isfinite(box.lower).sum() + np.isfinite(box.upper).sum())
