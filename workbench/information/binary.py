"""Calibration of probabilities of a binary outcome: what recalibrating them would gain.

Blind to what predictors could still tell: a model that gives everybody the same probability can be
perfectly calibrated. So either gain is a lower bound of KL.
"""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit, xlog1py, xlogy

from workbench.errors import DataError
from workbench.information.averages import Array, Mean, effective_units, mean, tail_probability
from workbench.information.bands import recalibrated
from workbench.information.calibration import DEPENDENT, FEWEST_UNITS, LOWER_BOUND, too_few
from workbench.information.divergence import Divergence

REPLICATES = 200  # outcomes simulated from the model, whose own gains are its null
NULL_SEED = 20130606
NEWTON_STEPS = 50
ARRIVED = 1e-10  # nats that the next Newton step could still gain, per row


def isotonic_divergence(
    y: npt.ArrayLike, probabilities: npt.ArrayLike, *, groups: npt.ArrayLike | None = None
) -> Divergence:
    """CE of the probabilities less CE of their best increasing recalibration, null mean taken off.

    The recalibration is isotonic regression on the same rows (pooling adjacent violators), the gain
    its miscalibration MCB (Dimitriadis, Gneiting and Jordan 2021) in nats per row. It gains under a
    perfect model, too: 200 outcomes drawn from it give the mean that is taken off, the floor and
    the p-value. Measured with 300 rows and KL 0: raw .036, less its null mean .001 ± .006. The
    standard error holds the spread of the null besides the rows' own.

    Rows in groups get no p-value, and the floor of as many independent rows as there are
    effective groups.
    """
    outcome, q = _checked(y, probabilities)
    few, units = _too_few(outcome, groups)
    if few is not None:
        return few
    gain = _isotonic_gain(outcome, q)
    if np.isinf(gain).any():
        return _impossible(outcome, q)
    rng = np.random.default_rng([NULL_SEED, outcome.size])
    null = np.array(
        [
            _isotonic_gain((rng.random(q.size) < q).astype(np.float64), q).mean()
            for _ in range(REPLICATES)
        ]
    )
    spread = math.sqrt(outcome.size / units) * null.std(ddof=1)
    return _found(gain, float(null.mean()), spread, null, groups)


def recalibration_divergence(
    y: npt.ArrayLike, probabilities: npt.ArrayLike, *, groups: npt.ArrayLike | None = None
) -> Divergence:
    """CE of the probabilities less CE of logit⁻¹(a + b logit q), a and b by maximum likelihood.

    Cox's recalibration (1958), less 2/2m for its two parameters; 2m times the gain is chi-squared
    with 2 degrees of freedom under a perfect model. It varies less than the isotonic gain, and sees
    less: only probabilities that are too high, or too far apart.
    """
    outcome, q = _checked(y, probabilities)
    few, units = _too_few(outcome, groups)
    if few is not None:
        return few
    if np.isinf(_losses(outcome, q)).any():
        return _impossible(outcome, q)
    recalibrated = _recalibrated(outcome, q)
    if recalibrated is None:
        reason = "the probabilities separate the outcomes, so that no recalibration is the best"
        return Divergence(Mean(math.nan, math.nan, q.size), LOWER_BOUND, math.nan, None, reason)
    gain, m = _losses(outcome, q) - _losses(outcome, recalibrated), q.size
    found = mean(gain, groups=groups)
    se = math.hypot(found.se, 1 / units)
    centred = replace(found, value=found.value - 1 / m).enlarged(se)
    floor = float(stats.chi2.isf(0.05, 2) - 2) / (2 * units)
    if groups is not None:
        return Divergence(centred, LOWER_BOUND, floor, None, DEPENDENT)
    return Divergence(centred, LOWER_BOUND, floor, float(stats.chi2.sf(2 * m * found.value, 2)))


def _found(
    gain: Array, centre: float, spread: float, null: Array, groups: npt.ArrayLike | None
) -> Divergence:
    found = mean(gain, groups=groups)
    se = math.hypot(found.se, spread)
    centred = replace(found, value=found.value - centre).enlarged(se)
    if groups is not None:
        floor = float(stats.norm.isf(0.05)) * spread
        return Divergence(centred, LOWER_BOUND, floor, None, DEPENDENT)
    p_value = tail_probability(null, found.value)
    floor = float(np.quantile(null, 0.95)) - centre
    return Divergence(centred, LOWER_BOUND, floor, p_value)


def _isotonic_gain(y: Array, q: Array) -> Array:
    """Of each row; the isotonic probabilities of rows with equal q are equal."""
    return _losses(y, q) - _losses(y, np.clip(recalibrated(q, y), 0, 1))


def _losses(y: Array, q: Array) -> Array:
    """-log of the probability given to what was observed."""
    return np.asarray(-xlogy(y, q) - xlog1py(1 - y, -q))


def _recalibrated(y: Array, q: Array) -> Array:
    """logit⁻¹(a + b logit q) at the maximum, or as near to 0 and 1 as counts where q separates."""
    scores = logit(np.clip(q, 1e-300, 1 - 1e-16))
    design = np.column_stack([np.ones(q.size), scores - scores.mean()])
    theta = np.array([scores.mean(), 1.0])  # the probabilities as they are
    if not np.ptp(scores):
        design, theta = design[:, :1], theta[:1]
    for _ in range(NEWTON_STEPS):
        fitted = expit(design @ theta)
        gradient = design.T @ (y - fitted)
        hessian = (design.T * (fitted * (1 - fitted))) @ design
        step = np.linalg.lstsq(hessian, gradient, rcond=None)[0]
        if gradient @ step < ARRIVED * q.size:
            break
        while _losses(y, expit(design @ (theta + step))).sum() > _losses(y, fitted).sum():
            step = step / 2
        theta = theta + step
    return np.asarray(expit(design @ theta))


def _too_few(y: Array, groups: npt.ArrayLike | None) -> tuple[Divergence | None, int]:
    units = y.size if groups is None else int(effective_units(groups))
    if units >= FEWEST_UNITS:
        return None, units
    reason = too_few(units, FEWEST_UNITS)
    nothing = Mean(math.nan, math.nan, y.size)
    return Divergence(nothing, LOWER_BOUND, math.nan, None, reason), units


def _impossible(y: Array, q: Array) -> Divergence:
    count = int(np.isinf(_losses(y, q)).sum())
    reason = f"{count} of {y.size} outcomes have probability 0 under the model"
    return Divergence(Mean(math.inf, math.nan, y.size), LOWER_BOUND, math.nan, 0.0, reason)


def _checked(y: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Array, Array]:
    outcome, q = np.asarray(y, float), np.asarray(probabilities, float)
    if outcome.ndim != 1 or outcome.shape != q.shape or not np.isin(outcome, (0, 1)).all():
        raise DataError("a binary outcome is 0 or 1, with one probability a row")
    if not ((q >= 0) & (q <= 1)).all():
        raise DataError("probabilities lie between 0 and 1")
    return outcome, q
