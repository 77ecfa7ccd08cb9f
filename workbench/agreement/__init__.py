"""The check: many ways to disagree with a fit, each with its limit, its unit and its outcome.

One module a rung, from the cheap ones to statsmodels' searches; `ladder` climbs them.
"""

from workbench.agreement.densities import SecondOpinion
from workbench.agreement.ladder import FALSE_ALARMS, check
from workbench.agreement.namesakes import equivalent, estimated
from workbench.agreement.outcomes import Agreement, Checks, Outcome

__all__ = [
    "FALSE_ALARMS",
    "Agreement",
    "Checks",
    "Outcome",
    "SecondOpinion",
    "check",
    "equivalent",
    "estimated",
]
