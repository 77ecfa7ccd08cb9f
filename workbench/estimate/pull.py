"""Maximum likelihood and MAP side by side: how far the prior pulls."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.errors import ModelError
from workbench.problem import same_rows

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate


def prior_pull(likelihood: "Estimate", posterior: "Estimate") -> pd.DataFrame:
    """Two estimates of one declaration, without and with its prior, by label.

    Columns `likelihood` and its `se`, `posterior` and its `se (posterior)`, natural values both,
    and `shift`: posterior less likelihood, in standard errors of the likelihood's estimate. NaN
    for a parameter that was held, and for all where one of the two is at no maximum that
    determines them, or the likelihood's has no standard errors; their `status` stands in `attrs`.
    The posterior's estimate is its mode, no mean.

    Raises ModelError for estimates of other kinds, rows, predictors, or parameters.
    """
    _require_one_declaration(likelihood, posterior)
    determined = all(fit.optimum.verdict.determined for fit in (likelihood, posterior))
    shift = (posterior.params - likelihood.params) / likelihood.bse
    table = pd.DataFrame(
        {
            "likelihood": likelihood.params,
            "se": likelihood.bse,
            "posterior": posterior.params,
            "se (posterior)": posterior.bse,
            "shift": shift if determined else np.nan,
        }
    )
    table.attrs = {"likelihood": likelihood.status, "posterior": posterior.status}
    return table


def _require_one_declaration(likelihood: "Estimate", posterior: "Estimate") -> None:
    if (likelihood.objective, posterior.objective) != ("likelihood", "joint"):
        raise ModelError(
            "the pull of a prior is seen from a maximum of the likelihood first and a MAP second: "
            "wb.prior_pull(wb.maximum_likelihood(problem), wb.maximum_a_posteriori(problem))"
        )
    ours, theirs = likelihood.problem, posterior.problem
    if not same_rows(ours.rows, theirs.rows):
        raise ModelError("the two estimates stand on different rows, so the prior is not alone")
    alike = all(map(np.array_equal, ours.rows.arrays, theirs.rows.arrays))
    if ours.labels != theirs.labels or not alike:
        raise ModelError(
            f"the two estimates, of {ours.name} and {theirs.name}, have other parameters or "
            "predictors, so it is not the prior alone that moves them; fit one declaration twice"
        )
    held, also = ~likelihood.moves, ~posterior.moves
    same = np.array_equal(likelihood.theta[held], posterior.theta[also])
    if not np.array_equal(held, also) or not same:
        raise ModelError("other parameters are held in the two estimates; hold the same in both")
