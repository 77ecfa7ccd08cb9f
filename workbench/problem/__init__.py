"""A definition bound to data: functions of one flat vector, its rows and their weights."""

from workbench.problem.binding import Problem, bind
from workbench.problem.graph import Parameter
from workbench.problem.rows import Rows, same_rows

__all__ = ["Parameter", "Problem", "Rows", "bind", "same_rows"]
