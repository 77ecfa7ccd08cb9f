"""A definition bound to data: functions of one flat vector, its rows and their weights."""

from workbench.problem.binding import Problem, Rows, bind
from workbench.problem.graph import Parameter

__all__ = ["Parameter", "Problem", "Rows", "bind"]
