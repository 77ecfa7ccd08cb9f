"""Search for a minimum from several starts, then judge the best point that was found.

Functions and arrays in, a verdict out. The objective is in nats (an NLL, or an NLL less a log
prior), `theta` is flat and unconstrained, and distances are told in standard errors.
"""

from workbench.optimum import bounded as bounded  # how a box is searched and judged
from workbench.optimum import kinks as kinks  # and an objective with kinks
from workbench.optimum.best import Optimum, find, searches
from workbench.optimum.box import Box
from workbench.optimum.held import Held
from workbench.optimum.kinked import Gaps, Kinked
from workbench.optimum.points import STEP_TOLERANCE, Objective, Point, jittered, point
from workbench.optimum.search import HANDOVER, QUADRATIC, Start, finished, loose
from workbench.optimum.verdict import Status, Verdict

__all__ = [
    "HANDOVER",
    "QUADRATIC",
    "STEP_TOLERANCE",
    "Box",
    "Gaps",
    "Held",
    "Kinked",
    "Objective",
    "Optimum",
    "Point",
    "Start",
    "Status",
    "Verdict",
    "find",
    "finished",
    "jittered",
    "loose",
    "point",
    "searches",
]
