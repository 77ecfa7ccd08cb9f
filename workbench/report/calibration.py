"""The figures of calibration and of learning, with their words computed from the held-out rows."""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from workbench import information, plots
from workbench.findings import Findings, LearningFound
from workbench.information import Mean
from workbench.report.figures import (
    effective,
    heldout_rows,
    independent_rows,
    known,
    shown,
    unit_of,
)
from workbench.report.layout import Shown, enumeration
from workbench.report.numbers import decimals, number, percent, whole

type Array = npt.NDArray[np.float64]

LEVELS = (0.5, 0.8, 0.95)
WORM_POINTS = 121
CURVE_POINTS = 201
BAND_POINTS = 41
FAR = 38.0  # a normal score whose tail has no probability left in double precision


def is_binary(findings: Findings, names: list[str]) -> bool:
    """Whether every outcome is 0 or 1 for all models, which expect nothing else."""
    rows = [heldout_rows(findings, name) for name in names]
    if not all("frequency" in one and "mean" in one for one in rows):
        return False
    possible = all(np.isclose(float(one["frequency"].values[:2].sum()), 1.0) for one in rows)
    return possible and bool(np.isin(rows[0]["observed"].values, (0, 1)).all())


def seen_by(findings: Findings, names: list[str]) -> str:
    """What a calibration KL is of these outcomes, in words."""
    if heldout_rows(findings, names[0])["observed"].ndim > 1:
        return (
            "how far the rows, whitened by the model, are from independent standard normal "
            "numbers, by the distances of nearest neighbours (in heavy tails some hundredths too "
            "far, with an error that is too small)"
        )
    if is_binary(findings, names):
        return (
            "what the best increasing recalibration of the probabilities would gain on these rows, "
            "less what it gains by chance"
        )
    return "how far the PIT is from uniform"


def coverage_figure(findings: Findings, names: list[str]) -> Shown:
    """How many rows lie in the central predictive intervals, against what those promise."""
    found = {level: [_covered(findings, name, level) for name in names] for level in LEVELS}
    pairs = {level: [(one.value, one.se) for one in means] for level, means in found.items()}
    randomised = ", drawn at random where an outcome stands on the edge" * findings.data.discrete
    unit = unit_of(heldout_rows(findings, names[0]))
    grouped = f" by {unit}" * bool(unit)
    return shown(
        "figure-coverage",
        "Coverage of central predictive intervals",
        plots.interval_coverage(names, pairs),
        "the share of held-out rows inside each model's central 50, 80 and 95 % intervals"
        f"{randomised}; the whiskers reach two standard errors{grouped} to either side.",
        "dots on the dashed lines. To the left of them intervals are too narrow, to the right too "
        "wide; which of the three is off says where the shape is wrong.",
        _coverage_told(names, found),
    )


def _covered(findings: Findings, name: str, level: float) -> Mean:
    rows = heldout_rows(findings, name)
    unit = unit_of(rows)
    groups = rows[unit].values if unit else None
    return information.interval_coverage(rows["pit"].values, level, groups=groups)


def _coverage_told(names: list[str], found: dict[float, list[Mean]]) -> str:
    """Each model that misses a level by more than two standard errors, and by how much."""
    said, kept = [], []
    for place, name in enumerate(names):
        off = [
            f"{percent(means[place].value, 1)} in the {percent(level)} intervals"
            for level, means in found.items()
            if abs(means[place].value - level) > 2 * means[place].se
        ]
        if off:
            said.append(f"{name} has {enumeration(off)}")
        else:
            kept.append(name)
    if kept:
        keep = "keeps" if len(kept) == 1 else "keep"
        said.append(f"{enumeration(kept)} {keep} all three within two standard errors")
    return "; ".join(said) + "."


def worm_figure(findings: Findings, names: list[str]) -> Shown:
    """Quantiles of the normal scores less the normal's: tails that a PIT does not show."""
    rows = heldout_rows(findings, names[0])
    count = rows.sizes["row"]
    end = ndtri(0.5 / count)
    ranks = np.unique(np.round(count * ndtr(np.linspace(end, -end, WORM_POINTS)) + 0.5).astype(int))
    p = (ranks - 0.5) / count
    grid = ndtri(p)
    lower, upper = (ndtri(u) - grid for u in information.quantile_band(independent_rows(rows), p))
    quantiles = {name: _ordered_scores(findings, name)[ranks - 1] for name in names}
    return shown(
        "figure-worm",
        "Calibration in the tails: quantiles of normal scores",
        plots.score_quantiles(grid, quantiles, (lower, upper)),
        "the held-out outcomes as normal scores of the model's own distribution (of counts drawn "
        "at random within the step), ordered, less the scores that as many standard normal draws "
        f"are expected to have; beyond ±{plots.HIGHEST_WORM:g} it is cut. The band holds a perfect "
        f"model's whole curve in 95 % of samples{effective(rows)}.",
        "curves inside the band. Rising at the right or falling at the left: outcomes more "
        "extreme than the model allows, which is what costs cross-entropy most.",
        _worm_told(grid, quantiles, lower, upper),
    )


def _ordered_scores(findings: Findings, name: str) -> Array:
    scores = np.asarray(heldout_rows(findings, name)["score"].values, float)
    return np.sort(np.clip(scores, -FAR, FAR))


def _worm_told(grid: Array, quantiles: dict[str, Array], lower: Array, upper: Array) -> str:
    """Where each curve is furthest outside the band."""
    said, inside = [], []
    for name, scores in quantiles.items():
        away = scores - grid
        beyond = np.maximum(away - upper, lower - away)
        at = int(beyond.argmax())
        if beyond[at] > 0:
            share = float((beyond > 0).mean())
            said.append(
                f"{name} leaves the band over {percent(share)} of the scores, most where "
                f"{decimals(float(grid[at]), 1)} is expected and {decimals(float(scores[at]), 1)} "
                "is observed"
            )
        else:
            inside.append(name)
    if inside:
        said.append(f"{enumeration(inside)} {'stays' if len(inside) == 1 else 'stay'} inside")
    return "; ".join(said) + "."


def reliability_figure(findings: Findings, names: list[str]) -> Shown:
    """Observed shares of ones against predicted probabilities, recalibrated, with their band."""
    rows = {name: heldout_rows(findings, name) for name in names}
    predicted = {name: np.asarray(one["mean"].values, float) for name, one in rows.items()}
    curves, bands, outside = {}, {}, {}
    for name, p in predicted.items():
        share = information.recalibrated(p, rows[name]["observed"].values)
        order = np.argsort(p, kind="stable")
        kept = order[np.unique(np.linspace(0, len(p) - 1, CURVE_POINTS).round().astype(int))]
        curves[name] = (p[kept], share[kept])
        at = np.unique(np.quantile(p, np.linspace(0, 1, BAND_POINTS)))
        lower, upper = information.reliability_band(p, at)
        bands[name] = (at, lower, upper)
        low, high = (np.interp(p, at, limit) for limit in (lower, upper))
        outside[name] = float(((share < low) | (share > high)).mean())
    unit = unit_of(rows[names[0]])
    grouped = (
        f" The band takes rows for independent; rows of one {unit} are not, so it is too narrow "
        "here."
    ) * bool(unit)
    told = enumeration([f"{name} {percent(share, 1)}" for name, share in outside.items()])
    labels = findings.data.categories
    ones = f"'{labels[1]}'" if labels else "ones"
    return shown(
        "figure-reliability",
        "Reliability: observed shares against predicted probabilities",
        plots.reliability(curves, bands, predicted),
        f"for each model the share of {ones} among the held-out rows, as the curve that rises with "
        "the predicted probability and fits best (pool adjacent violators), and the predicted "
        "probabilities themselves along the bottom. The band holds 95 % of the curves of a "
        f"perfect model at each probability.{grouped}",
        "a curve along the dashed diagonal, inside the band. Flatter than the diagonal: the model "
        "is too sure of itself; steeper: not sure enough.",
        f"the share of rows whose curve lies outside the band, of which 5 % are expected of a "
        f"perfect model, is {told}.",
    )


def learning_figure(findings: Findings, names: list[str]) -> Shown:
    """Held-out cross-entropy as the training rows grow, and where it leads."""
    found = {name: findings.fit(name).learning for name in names}
    drawn = {name: one for name, one in found.items() if one is not None and not one.reason}
    curves, expected, limits, told = {}, {}, {}, []
    for name, one in drawn.items():
        full, end = findings.fit(name).heldout.cross_entropy.value, float(one.all_rows)
        ce = np.array([[known(value) for value in replicate] for replicate in one.heldout])
        rows = np.append(np.array(one.rows, float), end)
        curves[name] = (rows, np.column_stack([ce, np.full(len(ce), known(full))]))
        limits[name] = known(full) - known(one.effective) / (2 * end)
        grid = np.geomspace(rows[0], end, 40)
        expected[name] = (grid, limits[name] + known(one.effective) / (2 * grid))
        told.append(_learning_told(name, one, known(full), ce))
    failed = sum(value is None for one in drawn.values() for part in one.heldout for value in part)
    lost = f" {failed} parts have no finite cross-entropy and are left out." if failed else ""
    return shown(
        "figure-learning",
        "Learning curves: held-out cross-entropy as the training rows grow",
        plots.learning_curves(curves, expected, limits),
        "each model fitted again to nested random parts of its training rows, and its "
        "cross-entropy on the same held-out rows: a thin line for each order of the rows, dots for "
        "their mean. The dashed curve is what theory expects to first order, CE* + (effective "
        "parameters) / (2n); the level line is its limit CE*, an estimate of the family's best.",
        "how far the curve still falls. What lies above CE* more rows would mend; what lies below "
        "it no number of rows will, only another family or other predictors.",
        "; ".join(told) + "." + lost,
    )


def _learning_told(name: str, one: LearningFound, full: float, ce: Array) -> str:
    """What the rows cannot tell yet, and what the smallest part cost against what theory says."""
    rest = known(one.effective) / (2 * one.all_rows)
    first = ce[:, 0][np.isfinite(ce[:, 0])]
    if not len(first):
        return f"{name} has no finite cross-entropy in its smallest part"
    theory = known(one.effective) / 2 * (1 / one.rows[0] - 1 / one.all_rows)
    return (
        f"{name} stands {number(rest, 2)} nats above its limit {decimals(full - rest, 4)}, and "
        f"with {whole(round(one.rows[0]))} rows loses {number(float(first.mean()) - full, 2)} more "
        f"({number(theory, 2)} expected)"
    )


def has(variable: str, findings: Findings, names: list[str]) -> bool:
    """Whether every model has this of each held-out row: not every kind of outcome does."""
    return all(variable in heldout_rows(findings, name) for name in names)


def unlearned(findings: Findings) -> list[str]:
    """Why models have no learning curve, where the study asked for one."""
    asked = [(fit.name, fit.learning.reason) for fit in findings.fits if fit.learning is not None]
    return [f"{name}: {reason}" for name, reason in asked if reason]


def learned(findings: Findings, names: list[str]) -> bool:
    """Whether there is a learning curve to draw."""
    curves = [findings.fit(name).learning for name in names]
    return any(one is not None and not one.reason for one in curves)
