"""Confidence limits of an estimate on the natural scale, by kind."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import uncertainty
from workbench.errors import ModelError
from workbench.estimate.objective import own_coordinates

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate


def wald(fit: "Estimate", level: float) -> pd.DataFrame:
    """Estimate -+ quantile x standard error, symmetric on the natural scale."""
    return _limits(fit, uncertainty.wald(_values(fit), fit.bse.to_numpy(), level, _units(fit)))


def transformed(fit: "Estimate", level: float) -> pd.DataFrame:
    """Symmetric on the unconstrained scale, and mapped: inside the parameter's support.

    NaN for a natural value that has no coordinate of its own (a simplex, an order).
    """
    limits = np.full((len(fit.params), 2), np.nan)
    if fit.optimum.verdict.regular:
        errors = np.sqrt(np.diag(fit.theta_covariance(fit.covariance_kind)))
        ends = uncertainty.wald(fit.theta, errors, level, _units(fit))
        for place, coordinate in _own_places(fit):
            limits[place] = _mapped(fit, place, coordinate, ends[coordinate])
    return _limits(fit, limits)


def bootstrapped(fit: "Estimate", level: float) -> pd.DataFrame:
    """Percentiles of a thousand replicates, seeded with 0."""
    return fit.bootstrap().conf_int(level)


KINDS = {"wald": wald, "transformed": transformed, "bootstrap": bootstrapped}


def limits(fit: "Estimate", kind: str, level: float) -> pd.DataFrame:
    """Limits of one kind. Raises ModelError for a kind or a level that is none."""
    if not 0 < level < 1:
        raise ModelError(f"level lies between 0 and 1, such as 0.95, not {level!r}")
    if kind not in KINDS:
        known = ", ".join(f"'{name}'" for name in KINDS)
        raise ModelError(f"an interval is one of {known}, not {kind!r}")
    return KINDS[kind](fit, level)


def _values(fit: "Estimate") -> np.ndarray:
    return np.asarray(fit.params.to_numpy())


def _units(fit: "Estimate") -> float:
    """Independent units: groups, where declared; few of them call for Student's t."""
    groups = fit.problem.rows.groups
    return np.inf if groups is None else float(len(np.unique(groups)))


def _limits(fit: "Estimate", limits: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(limits, index=fit.params.index, columns=["lower", "upper"])


def _own_places(fit: "Estimate") -> list[tuple[int, int]]:
    """(natural value, coordinate of theta) of each that can be told alone and was not held."""
    own = own_coordinates(fit.problem)
    return [
        (place, own[label])
        for place, label in enumerate(fit.problem.labels)
        if label in own and (fit.free is None or fit.free[own[label]])
    ]


def _mapped(fit: "Estimate", place: int, coordinate: int, ends: np.ndarray) -> np.ndarray:
    """Ends of an interval of one coordinate of theta, on the natural scale, ascending."""
    theta = np.tile(fit.theta, (len(ends), 1))
    theta[:, coordinate] = ends
    return np.sort([fit.problem.natural(one)[place] for one in theta])
