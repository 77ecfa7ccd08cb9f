"""The best point of several searches, and the verdict on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workbench.optimum.points import Objective, Point, point, units_of
from workbench.optimum.search import Start, finished, search
from workbench.optimum.verdict import Verdict, judge

RESTARTS = 4


@dataclass(frozen=True)
class Optimum:
    """The best point of all starts and what was found to hold there."""

    theta: np.ndarray
    value: float  # nats
    gradient: np.ndarray
    information: np.ndarray  # the exact Hessian of the objective, (k, k)
    starts: tuple[Start, ...]
    verdict: Verdict


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
    found = {name: search(objective, name, begin, rows) for name, begin in starts.items()}
    for _ in range(RESTARTS):
        best = min(found.values(), key=lambda start: np.nan_to_num(start.value, nan=np.inf))
        end = finished(objective, best, rows)
        found[best.name] = replace(best, end=end, values=(*best.values, end.value))
        verdict, better = judge(objective, end, units, labels)
        if better is None:
            break
        again = search(objective, best.name, point(objective, better), rows)
        values = (*found[best.name].values, *again.values)
        found[best.name] = replace(again, begin=best.begin, values=values)
    return Optimum(
        end.theta, end.value, end.gradient, end.information, tuple(found.values()), verdict
    )
