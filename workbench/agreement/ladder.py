"""The check: rung by rung, every way to disagree with a fit, and which of them were tried."""

import time
from collections.abc import Callable

from workbench import density
from workbench.agreement.densities import LogDensity, SecondOpinion, densities
from workbench.agreement.derivatives import derivatives
from workbench.agreement.identities import identities
from workbench.agreement.maximum import Clock, maximum
from workbench.agreement.namesakes import namesake
from workbench.agreement.outcomes import Agreement, Checks, Outcome, not_tried
from workbench.agreement.searches import searches
from workbench.agreement.simulators import simulator
from workbench.errors import ModelError
from workbench.estimate import Estimate

FALSE_ALARMS = 1e-4


def check(
    fit: Estimate,
    *,
    log_density: LogDensity = density.log_density,
    budget: float = 120.0,
    level: float = FALSE_ALARMS,
    clock: Callable[[], float] = time.monotonic,
) -> Checks:
    """Every way to disagree with a fit that applies to it; `workbench explain CODE` tells of each.

    log_density
        A second log density of (distribution, outcomes), one value a row; SciPy's by default.
    budget
        Seconds that statsmodels may search; what it has not found by then is `look`.
    level
        The probability of a false alarm by chance, where a check is a test; for several fits, a
        share of what is allowed for all.
    """
    within = Clock(clock() + budget, clock)
    found: list[Agreement] = [*searches(fit), *identities(fit), *derivatives(fit)]
    second, results = SecondOpinion(fit.problem, log_density), None
    try:
        found += densities(fit, second)
    except ModelError as reason:
        found.append(not_tried("density", "log density by row", str(reason), Outcome.LOOK))
    else:
        agreements, results = maximum(fit, second, within)
        found += agreements
    found += namesake(fit, within)
    found.append(simulator(fit, level, within))
    return Checks(tuple(found), results)
