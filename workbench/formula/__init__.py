"""A formula turned into arrays: what is learned on the training rows is replayed on any other.

formulaic parses a formula and encodes its terms; their factors are evaluated here.
"""

from workbench.formula.change import UNCHANGED, Change, change_of
from workbench.formula.replay import Design, design, intercept_only
from workbench.formula.syntax import columns_used, quoted

__all__ = [
    "UNCHANGED",
    "Change",
    "Design",
    "change_of",
    "columns_used",
    "design",
    "intercept_only",
    "quoted",
]
