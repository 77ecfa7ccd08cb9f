"""Of many rows, the way to an optimum is found on a sample of them, and its last steps on all.

The sample's optimum is some standard errors away from that of all rows, which Newton's steps go
in one or two. Where the sample leads to nothing better, a search begins at its start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from workbench.optimum import HANDOVER, Objective, Optimum, Point, find, point, searches

NEARER = 0.1 * HANDOVER  # standard errors of the sample's own, left to go there


def found_by_sample(
    sample: Objective,
    objective: Objective,
    begins: Mapping[str, Point],
    labels: Sequence[str],
    rows: float,
) -> Optimum:
    """The optimum of `objective` from where searches on `sample` ended; see `optimum.find`.

    begins
        Points of `sample`, a sum over some of the rows that stand for all of them.
    """
    practised = searches(sample, begins, rows, NEARER)
    met = {id(one.end): one.end.theta for one in practised.values()}  # each place once
    thetas = np.array([*(begin.theta for begin in begins.values()), *met.values()])
    values = objective.values(thetas)
    began, ended = dict(zip(begins, values, strict=False)), values[len(begins) :]
    ended_at = dict(zip(met, ended, strict=True))
    points: dict[int, Point] = {}
    starts = {}
    for name, one in practised.items():
        end = one.end if ended_at[id(one.end)] < began[name] else begins[name]
        if id(end) not in points:
            points[id(end)] = point(objective, end.theta)
        starts[name] = points[id(end)]
    found = find(objective, starts, labels, rows)
    told = tuple(
        replace(start, begin=practised[start.name].begin, values=(began[start.name], *start.values))
        for start in found.starts
    )
    return replace(found, starts=told)
