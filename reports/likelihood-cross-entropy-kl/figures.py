"""The numbers of steps.py as figures and tables; what is seen in each is computed, not claimed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import steps
from scipy import stats
from steps import CELLS, REPLICATES, TARGET

import workbench as wb
from workbench import plots
from workbench.plots import Panel
from workbench.report import (
    Cell,
    Row,
    Shown,
    Table,
    cells,
    columns,
    decimals,
    number,
    plus_minus,
    shown,
)

LEAST, GREATEST = np.nextafter(0.0, 1.0), np.finfo(float).max  # of a double's positive numbers
FIRST = 5  # rows whose terms are shown


# 1 The product and the sum


def terms_table(found: steps.Product) -> Table:
    density = np.exp(found.in_minutes)
    rows = (
        (
            str(row + 1),
            decimals(found.minutes[row], 3),
            number(density[row]),
            number(density[: row + 1].prod()),
            decimals(-found.in_minutes[row], 4),
            decimals(-found.in_minutes[: row + 1].sum(), 4),
        )
        for row in range(FIRST)
    )
    return _table(
        "table-terms",
        "The first rows' terms",
        "Under the fitted normal, densities per minute and logarithms in nats. The sum so far is "
        "−log of the product so far.",
        ("Row", "minutes", "density q", "product so far", "−log q", "sum so far"),
        rows,
    )


def product_figure(found: steps.Product) -> Shown:
    counted = np.arange(1, found.minutes.size + 1)
    minutes, hours = (np.cumsum(q) / np.log(10) for q in (found.in_minutes, found.in_hours))
    lost, over = (int(np.argmax(gone)) + 1 for gone in
                  (minutes < np.log10(LEAST), hours > np.log10(GREATEST)))  # fmt: skip
    panel = Panel(
        "power of ten of the product",
        {"waits in minutes": (counted, minutes), "the same waits in hours": (counted, hours)},
        levels={"greatest number of a machine": float(np.log10(GREATEST)),
                "least number above zero": float(np.log10(LEAST))},
    )  # fmt: skip
    told = " and ".join("infinity" if np.isinf(one) else number(one) for one in found.products)
    return shown(
        "figure-product",
        "The likelihood multiplied up row by row",
        plots.curves([panel], "rows multiplied"),
        "the product of the densities of the first rows as a power of ten, and between which "
        "powers a double-precision number can hold it.",
        "where a line leaves the two dashed ones: from there on the product is 0 or infinite for "
        "a machine, and every θ looks alike. Its logarithm, the sum, stays an ordinary number.",
        f"multiplied out, the likelihood in minutes and that in hours are {told}: the first is "
        f"lost at row {lost}, the second at row {over}. Their logarithms are "
        f"{decimals(found.in_minutes.sum(), 2)} and {decimals(found.in_hours.sum(), 2)} nats.",
    )


# 2 The rows as a distribution


def averages_table(found: Mapping[str, steps.Averages]) -> Table:
    names = {"best": "the normal closest to the truth", "fitted": "the normal fitted to these rows"}
    return _table(
        "table-averages",
        "Cross-entropy under the truth, and averages that estimate it",
        "Nats per row, lower is better; ± is one standard error.",
        ("Model", "CE under the truth", "average, training rows", "average, held-out rows"),
        ((names[key], decimals(one.exact, 4), _with_error(one.training), _with_error(one.heldout))
         for key, one in found.items()),
    )  # fmt: skip


# 3 Counts


def counts_figure(found: steps.Curves) -> Shown:
    best = found.best["log L"]
    panels = [*_likelihood_and_entropy(found), _one_curve("KL", found, found.divergences["KL"])]
    apart = max(abs(one - best) for one in found.best.values())
    return shown(
        "figure-counts",
        "Counts: log L, cross-entropy and KL over the mean of a Poisson distribution",
        plots.curves(panels, "mean μ of the Poisson distribution, whole minutes", at=best),
        "the three quantities for the whole minutes of each wait. The second is the first times "
        "−1/n; the third is the second less a constant, the entropy H of the observed shares.",
        "the optimum: one and the same μ, the dashed line, at three different values.",
        f"three searches, one on each curve, end at μ = {decimals(best, 6)}, the mean of the "
        f"counts; they are no further apart than {number(apart, 2)}.",
    )


def counts_table(found: steps.Curves) -> Table:
    rows, best = [], found.best["log L"]
    for mu in (1.0, best, 2.0, 3.0):
        at = int(np.abs(found.over - mu).argmin())
        divergence, value = found.divergences["KL"][at], found.cross_entropy[at]
        rows.append(
            (
                decimals(found.over[at], 3),
                decimals(found.log_likelihood[at], 3),
                *(decimals(nats, 6) for nats in (value, found.entropy, divergence)),
                number(abs(value - found.entropy - divergence), 1),
            )
        )
    return _table(
        "table-counts",
        "The decomposition, number by number",
        "In nats. CE comes from the likelihood of the PyMC declaration, H from the counts, KL from "
        "the shares and SciPy's probabilities; the last column is how far CE is from H + KL.",
        ("μ", "log L", "CE = −log L / n", "H", "KL", "CE − (H + KL)"),
        rows,
        best=decimals(best, 3),
    )


# 4 Continuous outcomes


def continuous_figure(found: steps.Curves) -> Shown:
    lines = {f"KL, cells of {width} min": (found.over, curve)
             for width, curve in found.divergences.items()}  # fmt: skip
    minima = {
        name: ([found.best[width]], [np.interp(found.best[width], found.over, curve)])
        for name, (width, curve) in zip(lines, found.divergences.items(), strict=True)
    }
    panels = [*_likelihood_and_entropy(found), Panel("KL, nats per row", lines, minima)]
    best = found.best["log L"]
    told = ", ".join(f"{decimals(found.best[width], 4)} ({width})" for width in found.divergences)
    return shown(
        "figure-continuous",
        "Continuous: log L and cross-entropy have an optimum, KL from the rows has no level",
        plots.curves(panels, "standard deviation σ of the normal, minutes", at=best),
        "the same quantities for the waits themselves under a normal distribution, μ at its "
        "estimate. KL is that from rows of which only the cell is known, for ever finer cells; "
        "the KL from the rows themselves is above all of these.",
        "curves of KL that keep their shape and rise without end as the cells get finer.",
        f"log L is greatest at σ = {decimals(best, 6)} and CE least at "
        f"{decimals(found.best['CE'], 6)} minutes; KL in cells is least at {told}.",
    )


def cells_table(data: steps.Waits, normal: wb.Estimate) -> Table:
    mean, sigma = normal.params
    near, far = (stats.norm(mean, factor * sigma) for factor in (1.0, 1.5))

    def told(name: str, first: float, second: float) -> tuple[str, ...]:
        return name, decimals(first, 4), decimals(second, 4), decimals(second - first, 5)

    rows = [
        told(number(width), *(steps.in_cells(data.minutes, width, q) for q in (near, far)))
        for width in CELLS
    ]
    rows.append(("the rows themselves", "∞", "∞", "none: ∞ − ∞"))
    rows.append(told("CE", *(float(-q.logpdf(data.minutes).mean()) for q in (near, far))))
    return _table(
        "table-cells",
        "KL from the rows, seen in ever finer cells",
        "Nats per row, at the fitted σ and at one half as large again. Once nearly every row is "
        f"alone in its cell, a tenth of the width adds log 10 = {decimals(np.log(10), 3)} to both.",
        ("Cells, minutes", "KL at σ̂", "KL at 1.5 σ̂", "difference"),
        rows,
        best="CE",
    )


# 5 Density estimates


def smooth_figure(
    found: Sequence[steps.Smooth], curved: steps.Curves, normal: wb.Estimate
) -> Shown:
    names = [f"h = {one.bandwidth:g} min" for one in found]
    lines = {name: (curved.over, one.curve) for name, one in zip(names, found, strict=True)}
    minima = {name: ([one.sigma], [one.divergence])
              for name, one in zip(names, found, strict=True)}  # fmt: skip
    first, last, sigma = found[0], found[-1], normal.params.iloc[1]
    return shown(
        "figure-smooth",
        "KL from the smoothed rows, by bandwidth",
        plots.curves([Panel("KL, nats per row", lines, minima)],
                     "standard deviation σ of the normal, minutes", at=sigma),
        "KL of a kernel density estimate of the waits from a normal with standard deviation σ, for "
        "several bandwidths h of the kernel; a mark at each minimum, the dashed line at the MLE.",
        "minima that move to the dashed line as h shrinks, while the curves rise.",
        f"from h = {first.bandwidth:g} to h = {last.bandwidth:g} the minimum moves from σ = "
        f"{decimals(first.sigma, 4)} to {decimals(last.sigma, 6)}, the MLE being "
        f"{decimals(sigma, 6)}, and its KL rises from {decimals(first.divergence, 3)} to "
        f"{decimals(last.divergence, 3)} nats.",
    )  # fmt: skip


def limits_figure(
    found: Sequence[steps.Smooth], histogram: Sequence[steps.Binned], normal: wb.Estimate
) -> Shown:
    h, w = [one.bandwidth for one in found], [one.width for one in histogram]
    sigma, grid = normal.params.iloc[1], np.geomspace(1e-5, 1.2, 200)
    wide = np.geomspace(1e-5, 2.2, 200)
    most = np.log(normal.nobs) + 0.5 * np.log(2 * np.pi * np.e * grid**2)  # of the entropy
    floor = -normal.llf / normal.nobs - most
    argmins = Panel(
        "σ at the minimum",
        {"√(σ̂² + h²)": (grid, np.hypot(sigma, grid)),
         "√(σ̂² + w²/12)": (wide, np.sqrt(sigma**2 + wide**2 / 12))},
        {"kernel": (h, [one.sigma for one in found]),
         "histogram, bars": (w, [one.by_density for one in histogram]),
         "histogram, probabilities": (w, [one.by_probability for one in histogram])},
        levels={"MLE": sigma},
    )  # fmt: skip
    level = Panel(
        "KL at the minimum",
        {"the kernel's lower bound": (grid[floor > 0], floor[floor > 0])},
        {"kernel": (h, [one.divergence for one in found]),
         "histogram, probabilities": (w, [one.divergence for one in histogram])},
    )  # fmt: skip
    off = max(abs(one.sigma**2 / (sigma**2 + one.bandwidth**2) - 1) for one in found)
    return shown(
        "figure-limits",
        "What becomes of the minimum, and of its level",
        plots.curves([argmins, level], "bandwidth h or width w, minutes", logarithmic=True),
        "above, the σ (in minutes) where KL is least, by the bandwidth of the kernel or the width "
        "of the histogram's cells; below, how large KL is there (in nats), and what the kernel's "
        "cannot be less than.",
        "read from right to left: marks above that come to the dashed line, and marks below that "
        "come to no level.",
        f"the kernel's σ² is σ̂² + h² but for a relative {number(off, 1)}. With a bandwidth of "
        f"{number(grid[0], 1)} minutes KL would be at least {decimals(floor[0], 1)} nats.",
    )


def histogram_table(found: Sequence[steps.Binned], normal: wb.Estimate) -> Table:
    sigma = normal.params.iloc[1]
    rows = [
        (
            f"{one.width:g}",
            decimals(one.by_probability, 4),
            decimals(one.by_density, 4),
            decimals(float(np.sqrt(sigma**2 + one.width**2 / 12)), 4),
            decimals(one.divergence, 4),
        )
        for one in found
    ]
    return _table(
        "table-histogram",
        "The normal closest to a histogram",
        "σ in minutes; KL in nats per row, of the cells' shares from their probabilities.",
        ("Width, minutes", "σ by probabilities", "σ by bars", "√(σ̂² + w²/12)", "KL"),
        [*rows, ("MLE", *[decimals(sigma, 4)] * 3, "∞")],
        best="MLE",
    )


# 6 A known truth


def distance_figure(found: Mapping[str, steps.Distance]) -> Shown:
    estimates = {
        "held-out CE − H": [one.less_entropy for one in found.values()],
        "against the truth, paired": [one.against_truth for one in found.values()],
        "by the PIT": [one.calibration.mean for one in found.values()],
    }
    known = [one.known.divergence for one in found.values()]
    drawn = {name: ([one.value for one in means], [one.se for one in means])
             for name, means in estimates.items()}  # fmt: skip
    within = {
        name: sum(abs(one.value - exact) <= 2 * one.se
                  for one, exact in zip(means, known, strict=True))
        for name, means in estimates.items()
    }  # fmt: skip
    told = ", ".join(f"{count} of {len(known)} ({name})" for name, count in within.items())
    return shown(
        "figure-distance",
        "KL of the known truth from the fitted families, and what held-out rows say of it",
        plots.known_and_estimated([*found], known, drawn, "KL, nats per row"),
        "KL computed from the known truth (strokes) and three estimates of it from held-out rows, "
        "with whiskers of two standard errors.",
        "whiskers that reach their stroke, and how long they are. The first carries all the "
        "randomness of the rows; the second takes it off row by row. Both need the truth, the "
        "third does not.",
        f"within two standard errors of the known KL are {told}.",
    )


def distance_table(found: Mapping[str, steps.Distance]) -> Table:
    return _table(
        "table-distance",
        "Known and estimated distances",
        "Nats per row; ± is one standard error. The known CE less the known KL is the entropy of "
        "the truth, in every row the same.",
        ("Family", "CE, known", "KL, known", "held-out CE", "held-out CE − H",
         "against the truth, paired", "by the PIT"),
        (
            (
                name,
                decimals(one.known.cross_entropy, 4),
                decimals(one.known.divergence, 4),
                *(_with_error(mean) for mean in (one.heldout, one.less_entropy,
                                                 one.against_truth, one.calibration.mean)),
            )
            for name, one in found.items()
        ),
    )  # fmt: skip


# 7 A prior


def prior_figure(found: steps.Prior) -> Shown:
    lines = {name: (found.over, curve) for name, curve in found.curves.items()}
    marks = {name: ([found.over[curve.argmin()]], [curve.min()])
             for name, curve in found.curves.items()}  # fmt: skip
    (mle, map_), inside = found.estimates, found.training
    return shown(
        "figure-prior",
        f"What MAP minimises, with {found.count} rows",
        plots.curves([Panel("nats per row", lines, marks)], "mean μ of the Poisson distribution"),
        "CE of the rows, the prior's −log density divided by n, and their sum, over μ; a mark at "
        "each minimum.",
        "the sum's minimum between the other two. The prior is in what is minimised; the CE that "
        "is reported of either estimate is read off the first curve.",
        f"with {found.count} rows the MLE is {decimals(mle, 3)} and the MAP {decimals(map_, 3)}; "
        f"their CE on these rows is {decimals(inside[0], 4)} and {decimals(inside[1], 4)} nats.",
    )


def prior_table(found: Sequence[steps.Prior]) -> Table:
    return _table(
        "table-prior",
        "The prior's worth, as the rows become more",
        "CE in nats per row, without the prior. Above 0 in the last column, MAP predicts the "
        "held-out rows better; ± is one standard error.",
        ("Rows", "MLE", "MAP", "training CE, MLE", "training CE, MAP", "held-out CE, MLE",
         "held-out CE, MAP", "MAP's gain, paired"),
        (
            (
                str(one.count),
                *(decimals(told, 4) for told in (*one.estimates, *one.training)),
                *(decimals(mean.value, 4) for mean in one.heldout),
                _with_error(one.worth),
            )
            for one in found
        ),
    )  # fmt: skip


# 8 Forward and reverse


def modes_figure(found: Mapping[str, steps.Approximation]) -> Shown:
    x = np.linspace(-7.5, 8.5, 401)
    lines = {name: (x, stats.norm(one.mean, one.sigma).pdf(x)) for name, one in found.items()}
    wide = found["forward"]
    share = float(np.exp(TARGET.logpdf(wide.mean)) / stats.norm.pdf(0, scale=wide.sigma))
    target = {"target p": (x, np.exp(TARGET.logpdf(x)))}
    return shown(
        "figure-modes",
        "A normal in the place of two modes",
        plots.curves([Panel("density", target | lines, filled="target p")], "x"),
        "a density p with two modes, and the normals q that are closest to it: by KL(p‖q), the "
        "forward KL, and by KL(q‖p), the reverse one, which has a minimum near each mode.",
        "the forward one covers both modes and the gap between them: it pays for every place where "
        "p draws and q has little density. A reverse one keeps to one mode: it pays where q "
        "has density and p has little.",
        f"the forward normal has p's own mean, {decimals(wide.mean, 3)}, and standard deviation, "
        f"{decimals(wide.sigma, 3)}. Where its density is highest, p's is {number(share, 2)} "
        "times as high.",
    )


def modes_table(found: Mapping[str, steps.Approximation]) -> Table:
    return _table(
        "table-modes",
        "Both directions at each minimum",
        "KL in nats. The first row is the least of its column of forward KL, the others are minima "
        "of the reverse.",
        ("Minimum", "mean", "σ", "KL(p‖q), forward", "KL(q‖p), reverse"),
        ((name, *(decimals(told, 4) for told in (one.mean, one.sigma, one.forward, one.reverse)))
         for name, one in found.items()),
    )  # fmt: skip


# 9 A wrong family


def learning_figure(found: Mapping[str, steps.Learning]) -> Shown:
    wrong, right = found["Normal"], found["Gamma"]
    grid = np.geomspace(20, 500, 100)
    panel = Panel(
        "KL of the truth, nats",
        {name: (grid, one.expected(grid)) for name, one in found.items()},
        {name: (one.sizes, [mean.value for mean in one.divergences])
         for name, one in found.items()},
        {name: [2 * mean.se for mean in one.divergences] for name, one in found.items()},
        {"the closest normal": wrong.least, "the closest gamma": right.least},
    )  # fmt: skip
    ends = [decimals(one.divergences[place].value, 4) for one in (wrong, right)
            for place in (0, -1)]  # fmt: skip
    return shown(
        "figure-learning",
        "What more rows remove, and what they do not",
        plots.curves([panel], "training rows n", logarithmic=True),
        f"KL of the truth from the fit to n rows, averaged over {REPLICATES} samples, with "
        "whiskers of two standard errors; the lines are KL of the family's closest member plus "
        "tr(J⁻¹K)/(2n).",
        "lines that fall to their own dashed level. Only the right family's level is zero.",
        f"from {wrong.sizes[0]} to {wrong.sizes[-1]} rows the normal's KL falls from {ends[0]} to "
        f"{ends[1]} nats; it cannot fall below {decimals(wrong.least, 4)}. The gamma's falls from "
        f"{ends[2]} to {ends[3]}.",
    )


def learning_table(found: Mapping[str, steps.Learning]) -> Table:
    sizes = (f"n = {size}" for size in steps.SIZES)
    return _table(
        "table-learning",
        "KL of the truth from a fit to n rows",
        "Nats, averaged over samples; ± is one standard error. The trace is taken at the family's "
        "closest member, under the truth.",
        ("Family", "KL of its closest member", "tr(J⁻¹K)", *sizes),
        (
            (
                name,
                decimals(one.least, 6),
                decimals(one.trace, 3),
                *(_error_beneath(mean) for mean in one.divergences),
            )
            for name, one in found.items()
        ),
    )  # fmt: skip


def _likelihood_and_entropy(found: steps.Curves) -> list[Panel]:
    return [
        _one_curve("log L", found, found.log_likelihood, "nats"),
        _one_curve("CE", found, found.cross_entropy),
    ]


def _one_curve(name: str, found: steps.Curves, y: Any, unit: str = "nats per row") -> Panel:
    at = int(np.abs(found.over - found.best["log L"]).argmin())
    return Panel(f"{name}, {unit}", {name: (found.over, y)}, {name: (found.over[[at]], y[[at]])})


def _table(
    identifier: str,
    title: str,
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Cell]],
    best: str = "",
) -> Table:
    """Rows of text, the one that is named `best` on a tint."""
    shown_rows = tuple(Row(cells(*row), "best" * (row[0] == best)) for row in rows)
    return Table(identifier, title, caption, columns(*headings), shown_rows)


def _with_error(mean: wb.Mean) -> str:
    return plus_minus(mean.value, mean.se)


def _error_beneath(mean: wb.Mean) -> Cell:
    value, _, error = _with_error(mean).partition(" ± ")
    return Cell(value, f"± {error}")
