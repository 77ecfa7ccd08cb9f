"""The simulator: outcomes drawn from the declaration give its likelihood a mean score of zero."""

from dataclasses import replace

import numpy as np

from workbench.agreement.maximum import NOTHING_FREE, Clock
from workbench.agreement.outcomes import Agreement, Outcome, not_tried
from workbench.errors import ImpossibleOutcomeError, ModelError
from workbench.estimate import Estimate

REPLICATES = 60  # and one more for each parameter
ROWS = 2_000  # at most: a draw of a truncated count takes its time
SEED = 0


def simulator(fit: Estimate, level: float, clock: Clock) -> Agreement:
    """Hotelling's test at the estimate, of which one in 1 / `level` is a false alarm."""
    code, quantity = "simulator", "p-value of simulated outcomes"
    if not fit.optimum.verdict.determined:
        why = (
            f"only at a maximum in all parameters is the mean score known to be zero: {fit.status}"
        )
        return not_tried(code, quantity, why, Outcome.NOT_APPLICABLE)
    if not fit.k:
        return not_tried(code, quantity, NOTHING_FREE, Outcome.NOT_APPLICABLE)
    if clock.over:
        return not_tried(code, quantity, "the time budget was spent before it", Outcome.LOOK)
    rng, said = np.random.default_rng(SEED), ""
    try:
        if fit.problem.rows.count > ROWS and fit.problem.independent:
            places = np.sort(rng.choice(fit.problem.rows.count, ROWS, replace=False))
            fit, said = replace(fit, problem=fit.problem.among(places)), f", on {ROWS:,} rows"
        test = fit.consistency_test(REPLICATES + fit.k, rng=rng)
    except ModelError as reason:
        # What foreign code raised, or a draw that the likelihood excludes, is for the user to see.
        failed = isinstance(reason, ImpossibleOutcomeError) or reason.__cause__ is not None
        outcome = Outcome.LOOK if failed else Outcome.NOT_APPLICABLE
        return not_tried(code, quantity, str(reason), outcome)
    outcome = Outcome.PASS if test.p_value > level else Outcome.FAIL
    why = f"a false alarm once in {1 / level:,.0f}; {test.replicates} replicates, seed {SEED}{said}"
    if outcome is Outcome.FAIL:
        why = f"{test}{said}"
    return Agreement(
        code, quantity, test.p_value, 1.0, 1 - test.p_value, 1 - level, "1 - p", outcome, why
    )
