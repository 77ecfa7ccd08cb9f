"""Functions of the parameters with standard errors, and tests of hypotheses about them."""

import re
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
from workbench.estimate.likelihood_ratio import (
    SimulatedTest,
    nested_gain,
    pair,
    require_comparable,
    simulated_test,
)

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
    known = _quantities(fit, expressions)
    duals = [evaluated(one, known.labels, known.values) for one in expressions]
    values = np.array([dual.value for dual in duals])
    errors = np.sqrt(np.diag(_covariance(fit, known, duals, kind)))
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
    known = _quantities(fit, [hypothesis])
    duals = [_restriction(known, one) for one in _split(hypothesis)]
    values = np.array([dual.value for dual in duals])
    covariance = _covariance(fit, known, duals, kind)
    if np.linalg.matrix_rank(covariance, hermitian=True) < len(duals):
        raise ModelError(
            f"the restrictions '{hypothesis}' are not separate: one follows from the others, or "
            "holds whatever the parameters are"
        )
    statistic = float(values @ np.linalg.solve(covariance, values))
    p_value = float(stats.chi2.sf(statistic, len(duals)))
    return HypothesisTest("Wald", hypothesis, statistic, len(duals), p_value)


def likelihood_ratio_test(
    restricted: "Estimate",
    free: "Estimate",
    *,
    boundary: bool = False,
    replicates: int = 0,
    rng: np.random.Generator | None = None,
) -> HypothesisTest | SimulatedTest:
    """Twice the log-likelihood that the free fit gains over one nested in it (Wilks 1938).

    restricted, free
        Maximum-likelihood fits on the same rows; that the first is nested in the second is what
        passing them in this order declares.
    boundary
        The restriction puts one parameter on the edge of its space (a variance at zero): the null
        is then half a point mass at zero, half chi squared (Self and Liang 1987).
    replicates
        The null is the parametric bootstrap of so many data sets: outcomes simulated from the
        restricted fit, both models fitted to each. For several parameters at a boundary, or few
        rows; the free fit may then have its maximum at the boundary itself.
    rng
        For the simulation; None means a generator seeded with 0.

    Raises ModelError for MAP fits, other rows, rows in groups (which are not independent), fits
    without a regular maximum, a restricted fit that is no smaller or stands at a bound, and one
    that fits better, so that it cannot be nested; and where a tenth of the replicates could not
    be fitted.
    """
    if boundary and replicates:
        raise ModelError("boundary=True and replicates=... each name a null; pass one of the two")
    if replicates:
        return simulated_test(restricted, free, replicates, rng or np.random.default_rng(0))
    require_comparable(restricted, free)
    if not free.optimum.verdict.normal:
        raise ModelError(f"the free fit has no regular maximum: {free.status}")
    if restricted.at_bounds:
        said = ", ".join(f"{label} = {value:g}" for label, value in restricted.at_bounds.items())
        raise ModelError(
            f"the restricted fit stands at a bound ({said}), and twice the gain is then not chi "
            "squared; hold it there with fixed=..., or widen the bound"
        )
    gain, df = nested_gain(restricted, free, NESTED), free.k - restricted.k
    if boundary and df != 1:
        raise ModelError(f"the null at a boundary is known for one parameter, not for {df}")
    statistic = 2 * gain
    p_value = float(stats.chi2.sf(statistic, df)) * (0.5 if boundary and statistic > 0 else 1.0)
    return HypothesisTest("likelihood-ratio", pair(restricted, free), statistic, df, p_value)


@dataclass(frozen=True, eq=False)
class _Quantities:
    """What expressions may name: labels, values (q,), and d value / d theta (q, k)."""

    labels: tuple[str, ...]
    values: np.ndarray
    jacobian: np.ndarray


def _quantities(fit: "Estimate", texts: Sequence[str]) -> _Quantities:
    """The parameters, and those values of Deterministics that the texts name beside them."""
    labels, values = fit.problem.labels, fit.params.to_numpy()
    jacobian = fit.problem.natural_jacobian(fit.theta)
    text = "\n".join(texts)
    named = [name for name in fit.problem.graph.deterministics
             if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)]  # fmt: skip
    if not named:
        return _Quantities(labels, values, jacobian)
    found = fit.problem.deterministics(fit.theta, *named)
    more = [place for place, label in enumerate(found.labels)
            if label in text and label not in labels]  # fmt: skip
    return _Quantities(
        (*labels, *(found.labels[place] for place in more)),
        np.concatenate([values, found.values[more]]),
        np.concatenate([jacobian, found.jacobian[more]]),
    )


def _covariance(
    fit: "Estimate", known: _Quantities, duals: Sequence[Dual], kind: str | None
) -> np.ndarray:
    fit.cov_params(kind)  # refuses what has no covariance
    moved = [dual.gradient != 0 for dual in duals]
    by_theta = np.array([dual.gradient[some] @ known.jacobian[some]
                         for dual, some in zip(duals, moved, strict=True)])  # fmt: skip
    return uncertainty.mapped(fit.theta_covariance(kind or fit.covariance_kind), by_theta)


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


def _restriction(known: _Quantities, text: str) -> Dual:
    """left = right, as left - right; without an equals sign it is zero that is meant."""
    left, _, right = text.partition("=")
    sides = [evaluated(side, known.labels, known.values) for side in (left, right or "0")]
    return Dual(sides[0].value - sides[1].value, sides[0].gradient - sides[1].gradient)
