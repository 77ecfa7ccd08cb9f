"""Functions of the parameters with standard errors, and tests of hypotheses about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from workbench import uncertainty
from workbench.errors import ModelError
from workbench.estimate.expressions import Dual, evaluated
from workbench.estimate.intervals import independent_units

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate

# Nats by which a restricted fit may lie above the free one: two searches stop so near.
NESTED = 1e-6


@dataclass(frozen=True)
class HypothesisTest:
    """A test: its statistic, compared with chi squared of `df` degrees of freedom."""

    kind: str
    hypothesis: str
    statistic: float
    df: int
    p_value: float

    def __str__(self) -> str:
        return (
            f"{self.kind} test of {self.hypothesis}: {self.statistic:.4g} "
            f"on {self.df} degree{'s' * (self.df > 1)} of freedom, p = {self.p_value:.3g}"
        )


def derived(
    fit: "Estimate", expressions: Sequence[str], kind: str | None, level: float
) -> pd.DataFrame:
    """Each expression with its standard error and Wald limits, by the delta method."""
    duals = [evaluated(one, fit.problem.labels, fit.params.to_numpy()) for one in expressions]
    values = np.array([dual.value for dual in duals])
    errors = np.sqrt(np.diag(_covariance(fit, duals, kind)))
    limits = uncertainty.wald(values, errors, level, independent_units(fit))
    return pd.DataFrame(
        {"estimate": values, "se": errors, "lower": limits[:, 0], "upper": limits[:, 1]},
        index=list(expressions),
    )


def wald_test(fit: "Estimate", hypothesis: str, kind: str | None) -> HypothesisTest:
    """Wald's test of restrictions in statsmodels' syntax: `beta[a] = 0, beta[b] = beta[c]`.

    r' (R V R')^-1 r, where r are the restrictions' values and R their gradients; restrictions
    need not be linear. Raises ModelError for one that repeats another, or moves with nothing.
    """
    duals = [_restriction(fit, one) for one in _split(hypothesis)]
    values = np.array([dual.value for dual in duals])
    covariance = _covariance(fit, duals, kind)
    if np.linalg.matrix_rank(covariance, hermitian=True) < len(duals):
        raise ModelError(
            f"the restrictions '{hypothesis}' are not separate: one follows from the others, or "
            "holds whatever the parameters are"
        )
    statistic = float(values @ np.linalg.solve(covariance, values))
    p_value = float(stats.chi2.sf(statistic, len(duals)))
    return HypothesisTest("Wald", hypothesis, statistic, len(duals), p_value)


def likelihood_ratio_test(
    restricted: "Estimate", free: "Estimate", *, boundary: bool = False
) -> HypothesisTest:
    """Twice the log-likelihood that the free fit gains over one nested in it (Wilks 1938).

    restricted, free
        Maximum-likelihood fits on the same rows; that the first is nested in the second is what
        passing them in this order declares.
    boundary
        The restriction puts one parameter on the edge of its space (a variance at zero): the null
        is then half a point mass at zero, half chi squared (Self and Liang 1987).

    Raises ModelError for MAP fits, other rows, rows in groups (which are not independent), fits
    without a regular maximum, a restricted fit that is no smaller or stands at a bound, and one
    that fits better, so that it cannot be nested.
    """
    _require_comparable(restricted, free)
    df, gain = free.k - restricted.k, free.llf - restricted.llf
    if df <= 0:
        raise ModelError(
            f"the restricted fit has {restricted.k} free parameters and the free one {free.k}; "
            "pass the smaller model first"
        )
    if gain < -NESTED:
        raise ModelError(
            f"the restricted fit lies {-gain:.3g} nats above the free one, so it is not nested "
            "in it, or the free fit is not at its maximum"
        )
    if boundary and df != 1:
        raise ModelError(f"the null at a boundary is known for one parameter, not for {df}")
    statistic = 2 * max(gain, 0.0)
    p_value = float(stats.chi2.sf(statistic, df)) * (0.5 if boundary and statistic > 0 else 1.0)
    names = f"{restricted.problem.name} within {free.problem.name}"
    return HypothesisTest("likelihood-ratio", names, statistic, df, p_value)


def _require_comparable(restricted: "Estimate", free: "Estimate") -> None:
    for fit in (restricted, free):
        if fit.objective != "likelihood":
            raise ModelError("a likelihood ratio is of maximum-likelihood fits, and one is a MAP")
        if fit.problem.rows.groups is not None:
            raise ModelError(
                "a likelihood ratio takes rows for independent, and these belong to groups; use "
                "fit.wald_test(...), with errors by group"
            )
        if not np.isfinite(fit.llf):
            raise ModelError(f"{fit.problem.name} has no finite maximum: {fit.status}")
    if not free.optimum.verdict.regular:
        raise ModelError(f"the free fit has no regular maximum: {free.status}")
    if restricted.at_bounds:
        said = ", ".join(f"{label} = {value:g}" for label, value in restricted.at_bounds.items())
        raise ModelError(
            f"the restricted fit stands at a bound ({said}), and twice the gain is then not chi "
            "squared; hold it there with fixed=..., or widen the bound"
        )
    ours, theirs = restricted.problem.rows, free.problem.rows
    same = all(
        np.array_equal(getattr(ours, what), getattr(theirs, what))
        for what in ("labels", "observed", "weights")
    )
    if not same:
        raise ModelError("the fits stand on different rows, so their likelihoods have no ratio")


def _covariance(fit: "Estimate", duals: Sequence[Dual], kind: str | None) -> np.ndarray:
    gradients = np.array([dual.gradient for dual in duals])
    return uncertainty.mapped(fit.cov_params(kind).to_numpy(), gradients)


def _split(hypothesis: str) -> list[str]:
    """Restrictions apart at commas, but for those within brackets."""
    parts, depth = [""], 0
    for character in hypothesis:
        depth += (character in "[(") - (character in "])")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _restriction(fit: "Estimate", text: str) -> Dual:
    """left = right, as left - right; without an equals sign it is zero that is meant."""
    left, _, right = text.partition("=")
    sides = [
        evaluated(side, fit.problem.labels, fit.params.to_numpy()) for side in (left, right or "0")
    ]
    return Dual(sides[0].value - sides[1].value, sides[0].gradient - sides[1].gradient)
