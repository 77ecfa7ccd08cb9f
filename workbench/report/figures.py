"""The figures of a comparison with their words; what is seen in each is computed, not claimed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from matplotlib.figure import Figure

from workbench import information, plots
from workbench.findings import Findings, Ranking
from workbench.report.drawing import inline_svg
from workbench.report.layout import Cell, Row, Shown, Table, cells, columns, enumeration
from workbench.report.numbers import (
    away,
    decimals,
    number,
    percent,
    plus_minus,
    quantity,
    ratio,
    whole,
)

type Array = npt.NDArray[np.float64]

COVERED = 0.99  # share of the held-out rows whose counts get a bar of their own
MOST_BARS = 24
RANDOMISATIONS = 20  # of the PIT in a calibration KL, as evaluation.py makes them
DECIDING = 10  # rows in the table of those that decide
NAN = float("nan")


@dataclass(frozen=True)
class Pair:
    """Two models on the same held-out rows: `best` and the `other` it is set against."""

    best: str
    other: str
    kept: npt.NDArray[np.intp]  # rows to which neither gives probability 0
    dropped: int
    labels: npt.NDArray[Any]  # of these rows; one that counts for several stands there as often
    best_loss: Array
    other_loss: Array

    @property
    def difference(self) -> Array:
        """Loss of the other less that of the best, row by row; above zero the best is better."""
        return self.other_loss - self.best_loss

    @property
    def deciding(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Places of the rows that differ most, all they count for; and for how many that is."""
        _, first, times = np.unique(self.labels, return_index=True, return_counts=True)
        most = np.argsort(-np.abs(self.difference[first] * times), kind="stable")[:DECIDING]
        return first[most], times[most]


def heldout_rows(findings: Findings, name: str) -> xr.Dataset:
    """The held-out rows under one model: observed, nll, pit, mean and the rest."""
    return findings.trees[name].children["heldout"].to_dataset()


def independent_rows(rows: xr.Dataset) -> float:
    """The rows, or what their groups or blocks are worth in independent ones."""
    unit = unit_of(rows)
    return information.effective_units(rows[unit].values) if unit else float(rows.sizes["row"])


def unit_of(rows: xr.Dataset) -> str:
    """What is independent where rows are not: group or block; empty for the row."""
    return next((kind for kind in ("group", "block") if kind in rows.data_vars), "")


def effective(rows: xr.Dataset) -> str:
    """What is to be said of a band for rows in groups or blocks; empty for independent rows."""
    unit = unit_of(rows)
    if not unit:
        return ""
    return (
        f"; it is as wide as {whole(int(independent_rows(rows)))} independent rows allow, the "
        f"effective number of {unit}s, which is conservative"
    )


def pair(findings: Findings, ranking: Ranking) -> Pair:
    """The best model against the reference; against the second best if it is the reference."""
    names = [one.name for one in ranking.contenders]
    other = ranking.reference if ranking.reference in names[1:] else names[1]
    best_loss, other_loss = (
        np.asarray(heldout_rows(findings, name)["nll"].values, float) for name in (names[0], other)
    )
    finite = np.isfinite(best_loss) & np.isfinite(other_loss)
    dropped = int((~finite).sum())
    kept = np.flatnonzero(finite)
    labels = heldout_rows(findings, names[0])["row"].values[kept]
    return Pair(names[0], other, kept, dropped, labels, best_loss[kept], other_loss[kept])


def difference_figure(ranking: Ranking) -> Shown:
    """Each rival's cross-entropy above the best, with simultaneous limits."""
    gaps = [one.above_best for one in ranking.contenders]
    names = [one.name for one in ranking.contenders]
    values = [0.0 if gap is None else known(gap.value) for gap in gaps]
    errors = [0.0 if gap is None else known(gap.se) for gap in gaps]
    rivals = ranking.contenders[1:]
    apart = [
        f"{one.name} is {away(ratio(one.above_best), ranking.limit)} standard errors from zero"
        for one in rivals
        if one.separated
    ]
    near = [one.name for one in rivals if not one.separated]
    verb = "stays" if len(near) == 1 else "stay"
    unclear = [f"{enumeration(near)} {verb} within reach of zero"] if near else []
    return shown(
        "figure-difference",
        "Cross-entropy above the best model",
        plots.difference_intervals(names, values, errors, ranking.limit),
        f"how much worse each model predicts the same rows than {names[0]}; the whiskers reach "
        f"{ranking.limit:.2f} standard errors to either side, the {percent(ranking.level)} limit "
        "for all rivals at once.",
        "whiskers that stay clear of zero: those models are separated from the best.",
        "; ".join([*unclear, *apart]) + ".",
    )


def chain_figure(findings: Findings, ranking: Ranking) -> Shown:
    """Training NLL per row and held-out cross-entropy on one axis, with the baseline."""
    fits = [findings.fit(one.name) for one in ranking.contenders]
    heldout = [known(fit.heldout.cross_entropy.value) for fit in fits]
    training = [fit.training_nll_per_row for fit in fits]
    baseline = findings.baseline.cross_entropy.value if findings.baseline else None
    optimism = {fit.name: out - inside
                for fit, out, inside in zip(fits, heldout, training, strict=True)
                if np.isfinite(out)}  # fmt: skip
    title, bars, long, gained = "Training NLL and held-out cross-entropy", "", "", ""
    if baseline is not None:
        title = "Training NLL, held-out cross-entropy, and the gain over the baseline"
        bars = " The bar is what its predictors and its shape gain over the baseline."
        long = "long bars; "
        gain = quantity(fits[0].heldout.gain)
        gained = f"{fits[0].name} gains {gain} nats per row over the baseline; "
    return shown(
        "figure-chain",
        title,
        plots.training_and_heldout([fit.name for fit in fits], training, heldout, baseline),
        f"each model's average loss on the rows it was fitted to and on rows it never saw.{bars} "
        "Where the truth would stand, at its entropy, is not known.",
        f"{long}a hollow mark far to the left of the filled one means overfitting, to its "
        "right that the held-out rows are the easier ones.",
        f"{gained}held-out CE less training NLL per row {_range(optimism)}.",
    )


def frequency_figure(findings: Findings, names: list[str]) -> Shown:
    """Observed shares of counts against those each model expects; the tail in one bar."""
    rows = heldout_rows(findings, names[0])
    observed = np.asarray(rows["observed"].values, int)
    values = np.asarray(rows["value"].values, int)
    last = min(int(np.quantile(observed, COVERED)) + 1, MOST_BARS, int(values.max()))
    shares = np.bincount(np.minimum(observed, last), minlength=last + 1) / observed.size
    expected = {name: _pooled(heldout_rows(findings, name), last) for name in names}
    labels = [str(value) for value in range(last)] + [f"{last}+"]
    band = 1 / np.sqrt(independent_rows(rows))  # two errors of the root of a share
    off = {name: np.abs(shares - share) for name, share in expected.items()}
    order = sorted(names, key=lambda name: float(off[name].sum()))
    told = enumeration([f"{name} {percent(float(off[name].sum()) / 2, 1)}" for name in order])
    worst = order[-1]
    at = int(off[worst].argmax())
    return shown(
        "figure-frequency",
        "Held-out counts and what each model expects",
        plots.count_frequencies(labels, shares, expected, band),
        "the share of held-out rows at each count (bars) and the share that each model expects "
        f"(marks), on a square-root scale; {last}+ takes in all larger counts. Below stand the "
        "differences of the roots, with a band of two standard errors at each count.",
        "marks at the height of the bars, at zero and in the tail above all, and differences "
        "inside the band. A model may have "
        "the shares right and still give them to the wrong rows.",
        f"the share of rows that would have to move to match is {told}. {worst} is furthest off "
        f"at {labels[at]}: {number(float(shares[at]), 2)} observed, "
        f"{number(float(expected[worst][at]), 2)} expected.",
    )


def pit_figure(findings: Findings, names: list[str]) -> Shown:
    """The ECDF of each model's randomised PIT less the uniform one."""
    pits = {name: heldout_rows(findings, name)["pit"].values for name in names}
    rows = heldout_rows(findings, names[0])
    units = independent_rows(rows)
    band = information.pit_band(units)
    reach = {name: _distance_from_uniform(pit) for name, pit in pits.items()}
    return shown(
        "figure-pit",
        "Calibration: distribution of the PIT less uniform",
        plots.pit_difference(pits, band),
        "how often what was observed fell below each predicted probability, less how often it "
        f"should have. The band holds a perfect model's whole curve in 95 % of "
        f"samples{effective(rows)}.",
        "curves inside the band. High on the left and low on the right: more small and more "
        "large outcomes than predicted (too narrow); the other way round: too wide.",
        _leaving(reach, band) + _no_contradiction(findings, reach, band),
    )


def loss_figure(found: Pair) -> Shown:
    """Row by row: the loss of one model against that of the other."""
    better = float((found.difference > 0).mean())
    return shown(
        "figure-loss",
        f"Loss of each row: {found.best} against {found.other}",
        plots.loss_against_loss(found.other_loss, found.best_loss, found.other, found.best),
        f"the loss of each held-out row under {found.other} (across) and under {found.best} (up), "
        "binned; larger squares hold more rows, each size at most twice as many as the one before. "
        "The scale is linear below one nat and logarithmic beyond.",
        f"where the rows lie off the dashed line: below it {found.best} loses less.",
        f"{found.best} loses less on {percent(better)} of the rows. The largest loss of a row is "
        f"{number(float(found.best_loss.max()), 3)} nats under {found.best} and "
        f"{number(float(found.other_loss.max()), 3)} under {found.other}."
        + f" {found.dropped} rows of probability 0 are left out."
        * bool(found.dropped),
    )


def cumulative_figure(found: Pair) -> Shown:
    """How many rows make the difference."""
    d = found.difference
    at, times = found.deciding
    rest = (d.sum() - (d[at] * times).sum()) / d.size
    whole_error = information.mean(d).se
    turned = ": they turn its sign" if rest * d.mean() < 0 else ""
    return shown(
        "figure-cumulative",
        "How many rows make the difference",
        plots.cumulative_difference(d),
        f"the loss of {found.other} less that of {found.best}, summed over the rows that differ "
        "most, then over the others, divided by the number of all rows; at the right it is ΔCE, "
        "the dashed line.",
        "a curve that rises late: many rows agree. One that jumps early and then falls back is "
        "decided by few rows, which the table below names.",
        f"without the {len(at)} rows that differ most ΔCE would be "
        f"{plus_minus(float(rest), whole_error).partition(' ±')[0]} instead of "
        f"{plus_minus(float(d.mean()), whole_error).partition(' ±')[0]} nats per row{turned}.",
    )


def deciding_table(findings: Findings, found: Pair) -> Table:
    """The held-out rows on which the two models differ most."""
    values = _beside_losses(findings, found)
    d, (places, times), rows = found.difference, found.deciding, []
    for at, often in zip(places, times, strict=True):
        row = found.kept[at]
        losses = (found.best_loss[at], found.other_loss[at], d[at])
        rows.append(
            Row(
                cells(
                    Cell(
                        str(found.labels[at]),
                        f"counts for {whole(int(often))}" if often > 1 else "",
                    ),
                    *(told[row] for told in values.values()),
                    *(Cell(decimals(float(loss), 2)) for loss in losses),
                )
            )
        )
    caption = (
        f"Nats; a difference above zero speaks for {found.best}. Of the sum over all rows "
        f"these make {_share(float((d[places] * times).sum()), float(d.sum()))}."
    )
    heading = columns("Row", *values, f"NLL, {found.best}", f"NLL, {found.other}",
                      "difference")  # fmt: skip
    title = f"The rows that decide between {found.best} and {found.other}"
    return Table("table-deciding", title, caption, heading, tuple(rows))


def _beside_losses(findings: Findings, found: Pair) -> dict[str, list[str]]:
    """By its heading, what is known of each row: its outcome, and what each model expects."""
    best, other = (heldout_rows(findings, name) for name in (found.best, found.other))
    told = {}
    if best["observed"].ndim == 1:
        told[findings.data.outcome] = _outcomes(findings, best["observed"].values)
    for name, rows in ((found.best, best), (found.other, other)):
        if "mean" in rows:
            told[f"mean, {name}"] = [number(float(value), 3) for value in rows["mean"].values]
    return told


def _outcomes(findings: Findings, observed: Array) -> list[str]:
    """Numbers, or the labels of categories."""
    labels = findings.data.categories
    return [labels[int(value)] if labels else number(float(value), 3) for value in observed]


def shown(
    identifier: str, title: str, figure: Figure, shows: str, look_for: str, here: str
) -> Shown:
    svg = inline_svg(figure, identifier, title, f"Shows {shows} Here {here}")
    return Shown(identifier, title, shows, look_for, here, svg)


def _range(values: dict[str, float]) -> str:
    """`is .01 (A)`, `runs from .01 (A) to .02 (B)`."""
    if not values:
        return "is not known"
    ordered = sorted(values, key=lambda name: values[name])
    told = [f"{decimals(values[name], 4)} ({name})" for name in ordered]
    return f"is {told[0]}" if len(told) == 1 else f"runs from {told[0]} to {told[-1]}"


def known(value: float | None) -> float:
    return NAN if value is None else value


def _pooled(rows: xr.Dataset, last: int) -> Array:
    """Expected shares below `last`, and in one cell all that is left of the probability."""
    below = np.asarray(rows["frequency"].values, float)[:last]
    return np.append(below, max(0.0, 1 - below.sum()))


def _distance_from_uniform(pit: Array) -> float:
    """Kolmogorov's statistic: the largest distance of the ECDF from the diagonal."""
    ordered = np.sort(pit)
    steps = np.arange(ordered.size + 1) / ordered.size
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def _leaving(reach: dict[str, float], band: float) -> str:
    outside = [f"{name} ({number(most, 2)})" for name, most in reach.items() if most > band]
    inside = [f"{name} ({number(most, 2)})" for name, most in reach.items() if most <= band]
    said = []
    if outside:
        said.append(f"{enumeration(outside)} {'leaves' if len(outside) == 1 else 'leave'} the band")
    if inside:
        said.append(f"{enumeration(inside)} {'stays' if len(inside) == 1 else 'stay'} inside")
    return f"{'; '.join(said)}. In brackets the largest distance; the band is {number(band, 2)}."


def _no_contradiction(findings: Findings, reach: dict[str, float], band: float) -> str:
    """Why a model may stand above the floor of its calibration KL and yet inside the band."""
    both = [name for name, most in reach.items() if most <= band and _resolved(findings, name)]
    if not both:
        return ""
    stand = "stands" if len(both) == 1 else "stand"
    counts = findings.data.discrete and heldout_rows(findings, both[0])["observed"].max() > 1
    averaged = (
        f", and KL averages {RANDOMISATIONS} randomisations of the PIT where the figure shows one"
    ) * bool(counts)  # of binary outcomes it is another KL, which has none
    return (
        f" That {enumeration(both)} {stand} above the floor of the calibration KL is no "
        "contradiction: the band is a weaker test, against all kinds of misfit at once, that "
        f"sees little in the tails{averaged}."
    )


def _resolved(findings: Findings, name: str) -> bool:
    found = findings.fit(name).heldout.divergence
    value, floor = found.estimate.value, found.floor
    return value is not None and floor is not None and value > floor


def _share(part: float, total: float) -> str:
    """Of the sum of the differences, what the largest make; the sum may be nothing."""
    return percent(part / total) if total else "nothing, as it is 0"
