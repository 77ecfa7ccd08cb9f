"""The best point of several searches, and the verdict on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.optimum import advice
from workbench.optimum.points import STEP_TOLERANCE, Objective, Point, point, units_of
from workbench.optimum.probes import COUNTS
from workbench.optimum.search import HANDOVER, Start, finished, loose, search
from workbench.optimum.verdict import Status, Verdict, judge

RESTARTS = 4
NEAR = 2.0  # nats: an optimum worse by less is one the data do not rule out
SAME = 1e-6  # nats: what two searches for one optimum may differ by


@dataclass(frozen=True)
class Optimum:
    """The best point of all starts and what was found to hold there."""

    theta: np.ndarray
    value: float  # nats
    gradient: np.ndarray
    information: np.ndarray  # the exact Hessian of the objective, (k, k)
    starts: tuple[Start, ...]
    verdict: Verdict


def searches(
    objective: Objective, starts: Mapping[str, Point], rows: float, handover: float = HANDOVER
) -> dict[str, Start]:
    """From each start, one after the other; what leads to an earlier one's end need not go there.

    A point that stands there twice is searched from once.
    """
    found: dict[str, Start] = {}
    for name, begin in starts.items():
        twins = [other for other in found if starts[other] is begin]
        if twins:
            found[name] = replace(found[twins[0]], name=name)
        else:
            known = [one.end for one in found.values()]
            found[name] = search(objective, name, begin, rows, handover, known)
    return found


# A density beyond all numbers is no good point, and nothing to warn of.
@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def find(
    objective: Objective, starts: Mapping[str, Point], labels: Sequence[str], rows: float
) -> Optimum:
    """Search from every start and judge the best point; never raises for a numerical outcome.

    labels
        Names of theta's coordinates, for the advice.
    rows
        How many rows the objective adds up; they make the unit of each coordinate.
    """
    units = np.minimum(units_of(list(starts.values()), rows), objective.longest)
    found = searches(objective, starts, rows)
    best, verdict = _judged(objective, min(found.values(), key=_order), labels, units, rows)
    found[best.name] = best
    others = sorted((one for one in found.values() if one.name != best.name), key=_order)
    if not verdict.bounded:
        best, verdict = _regular_one(objective, best, verdict, others, labels, units, rows)
        found[best.name] = best
    elif verdict.status is Status.MINIMUM:
        verdict = _beside_others(objective, best, verdict, others, rows)
    lost = [one for one in others if not one.end.finite and one.value < best.value - COUNTS]
    # A local minimum has lower points beside it.
    if lost and verdict.determined and verdict.bounded:
        words = advice.beyond_derivatives(best.value - min(one.value for one in lost))
        verdict = replace(verdict, status=Status.NOT_FINITE, advice=words)
    end = best.end
    return Optimum(
        end.theta, end.value, end.gradient, end.information, tuple(found.values()), verdict
    )


def _order(start: Start) -> tuple[bool, float]:
    """The lowest first; those where no search could go on last."""
    return not start.end.finite, float(np.nan_to_num(start.value, nan=np.inf))


def _judged(
    objective: Objective, best: Start, labels: Sequence[str], units: np.ndarray, rows: float
) -> tuple[Start, Verdict]:
    """The search finished, and taken up again from whatever better point the verdict knows."""
    for left in reversed(range(RESTARTS)):
        end = finished(objective, best, rows)
        best = replace(best, end=end, values=(*best.values, end.value))
        verdict, better = judge(objective, end, units, labels)
        beyond = point(objective, better) if better is not None else end
        at_limit = verdict.status is Status.IRREGULAR  # where there is nothing to search
        if better is None or not beyond.finite or not (left or at_limit):
            break
        if at_limit:
            best = replace(best, end=beyond, values=(*best.values, beyond.value))
            break
        again = search(objective, best.name, beyond, rows)
        best = replace(again, begin=best.begin, values=(*best.values, *again.values))
    return best, verdict


def _regular_one(
    objective: Objective,
    best: Start,
    verdict: Verdict,
    others: Sequence[Start],
    labels: Sequence[str],
    units: np.ndarray,
    rows: float,
) -> tuple[Start, Verdict]:
    """The best of the other starts that stopped at a minimum, where the first ran on for ever."""
    for other in others:
        local, told = _judged(objective, other, labels, units, rows)
        if told.status is Status.MINIMUM:
            status = Status.LOCAL_MINIMUM
            words = advice.local(verdict.advice)
            return local, replace(told, status=status, advice=words, bounded=False)
    return best, verdict


def _beside_others(
    objective: Objective, best: Start, verdict: Verdict, others: Sequence[Start], rows: float
) -> Verdict:
    """The verdict on a minimum in the light of other optima that searches ended in."""
    here, mirrors = best.end, 0
    rivals: list[tuple[Point, float, float]] = []
    for other in others:
        if not other.end.finite or other.value > here.value + NEAR or _apart(here, other.end) < 1:
            continue
        there = finished(objective, other, rows)
        apart, worse = _apart(here, there), there.value - here.value
        if apart < 1 or worse > NEAR or not loose(objective, there).newton_step[1] < STEP_TOLERANCE:
            continue
        if worse < SAME and objective.alike(here.theta, there.theta):
            mirrors += 1
        elif all(_apart(known, there) > 1 for known, _, _ in rivals):
            rivals.append((there, worse, apart))
    if rivals:
        _, worse, apart = min(rivals, key=lambda rival: rival[1])
        words = advice.several(len(rivals), worse, apart)
        return replace(verdict, status=Status.SEVERAL_MINIMA, advice=words)
    return replace(verdict, advice=advice.mirrored(mirrors)) if mirrors else verdict


def _apart(here: Point, there: Point) -> float:
    """The distance between two points in standard errors of the first."""
    move = there.theta - here.theta
    return float(np.sqrt(max(move @ here.information @ move, 0.0)))
