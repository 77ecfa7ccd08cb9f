"""Tables of what the rows say of the models: ranking, distance from the truth, optimism."""

from collections import Counter

from workbench.findings import Findings, FitFound, Ranking
from workbench.report.differences import used
from workbench.report.estimates import DETERMINED, optimum
from workbench.report.headline import counted, separation_rule
from workbench.report.layout import NONE, Cell, Column, Row, Table, cells, columns, enumeration
from workbench.report.numbers import (
    UNKNOWN,
    away,
    decimals,
    in_bits,
    number,
    percent,
    plus_minus,
    quantity,
    ratio,
    whole,
)

FAR_ABOVE = 2.0  # times k, from which on effective parameters are remarked on


def ranking_table(findings: Findings) -> Table:
    """Models in order of held-out cross-entropy, then baseline, then what could not be ranked."""
    heading = columns(
        "Model", "k", "Training NLL per row", "Held-out CE", "ΔCE to the best", "ΔCE / SE",
        "CE in bits", "Checks", "Optimum", text=("Checks", "Optimum"),
    )  # fmt: skip
    ranking = findings.ranking
    rows = _contender_rows(findings, ranking) if ranking else []
    rows += _baseline_row(findings)
    rows += [_reason(name, f"not ranked: {why}", heading) for name, why in _unranked(findings)]
    rows += [_reason(one.name, f"failed: {one.reason}", heading) for one in findings.failed]
    rule = separation_rule(ranking) if ranking and len(ranking.contenders) > 1 else ""
    caption = (
        "Nats per row; lower is better. ± is one standard error"
        f"{_by_group(findings)}; that of ΔCE is paired, row by row. {rule}"
    )
    return Table("table-ranking", "Ranking on held-out rows", caption, heading, tuple(rows))


def atoms_table(findings: Findings) -> Table:
    """The two parts of the cross-entropy of a mixed outcome; empty where rows are of one kind."""
    rows = []
    for fit in _ranked(findings):
        parts = fit.heldout.atoms
        if parts is not None:
            contents = (percent(parts.share, 1), quantity(parts.at), quantity(parts.beside),
                        quantity(fit.heldout.cross_entropy))  # fmt: skip
            rows.append(Row(cells(fit.name, *contents)))
    caption = (
        "Nats per row of all rows. At an atom (a hurdle's zeros, censored rows) a loss is −log of "
        "a probability, elsewhere of a density, which changes with the unit; the two add up to CE."
    )
    heading = columns("Model", "Rows at an atom", "CE from these", "CE from the others", "CE")
    return Table("table-atoms", "Two parts of the cross-entropy", caption, heading, tuple(rows))


def optimism_table(findings: Findings) -> Table:
    """What the training rows promise, and what the held-out rows made of it."""
    rows = []
    for fit in _ranked(findings):
        effective = fit.effective_parameters
        expected = None if effective is None else effective / fit.training_rows
        found = fit.heldout.cross_entropy
        observed = None if found.value is None else found.value - fit.training_nll_per_row
        rows.append(
            Row(
                cells(
                    fit.name,
                    str(fit.k),
                    Cell(decimals(effective, 1), _far_above(effective, fit.k)),
                    decimals(expected, 4),
                    plus_minus(observed, found.se),
                    _left_out(fit),
                    decimals(fit.aic, 1),
                    decimals(fit.aicc, 1),
                    decimals(fit.bic, 1),
                    decimals(fit.tic, 1),
                )
            )
        )
    units = enumeration(sorted({fit.bic_units for fit in findings.fits})) if findings.fits else ""
    caption = (
        "Optimism is held-out CE less training NLL per row. Expected: effective parameters over "
        "training rows; effective parameters far above k say that the rows spread more, or "
        "hang together more, than the model allows. The ± of the observed optimism is the "
        "held-out rows' alone. CE left out is that of the training rows, each under the fit made "
        "without it or its group, by a Newton step: what new rows are expected to show. AIC, "
        f"AICc and BIC (the last two count {units}) belong to the maximum of the "
        "likelihood; TIC puts the effective parameters in the place of k, and shows "
        "less a truth than whether they differ."
    )
    heading = columns("Model", "k", "Effective parameters", "Expected optimism",
                      "Observed optimism", "CE left out", "AIC", "AICc", "BIC", "TIC")  # fmt: skip
    return Table("table-optimism", "What the training rows promise", caption, heading, tuple(rows))


def _far_above(effective: float | None, k: int) -> str:
    """Said where the rows spread, or hang together, far more than the model allows."""
    if effective is None or effective <= FAR_ABOVE * k:
        return ""
    return f"{number(effective / k, 2)} × k"


def _left_out(fit: FitFound) -> Cell:
    """The cross-entropy by leaving out, and what is to be known of it."""
    found = fit.left_out
    if found is None or found.reason:
        return Cell(UNKNOWN, found.reason if found else "")
    again = f"{found.refitted} fitted again" if found.refitted else ""
    return Cell(quantity(found.cross_entropy), found.advice or again)


def chain_table(findings: Findings) -> Table:
    """From the sum of the training rows to the gain on the held-out ones."""
    rows, counted = [], " (by weight)" * bool(findings.data.weight)
    for fit in _ranked(findings):
        found = fit.heldout
        rows.append(
            Row(
                cells(
                    fit.name,
                    decimals(fit.training_nll, 1),
                    whole(fit.training_rows),
                    decimals(fit.training_nll_per_row, 4),
                    quantity(found.cross_entropy),
                    in_bits(found.cross_entropy),
                    quantity(found.gain),
                    _prior_worth(fit),
                )
            )
        )
    heading = columns("Model", "NLL, sum", f"Rows n{counted}", "NLL / n", "Held-out CE", "in bits",
                      "Gain over baseline", "The prior's worth")  # fmt: skip
    caption = (
        "One line a model: the sum, the average over n, the average over held-out rows. Gain and "
        "worth are paired, row by row: CE of the baseline less this one, above 0 where the model "
        "is better, by its predictors or by its family; and this one less that of MAP, which "
        "takes the prior in, above 0 where the prior helps."
    )
    return Table("table-chain", "The same numbers, step by step", caption, heading, tuple(rows))


def _prior_worth(fit: FitFound) -> str:
    """What the prior makes of the held-out CE, or why there is no maximum a posteriori to ask."""
    if fit.map_status not in DETERMINED:
        return fit.map_status
    return quantity(fit.heldout.prior_worth)


def predictive_table(findings: Findings) -> Table:
    """Plug-in beside Laplace-predictive cross-entropy, where there are few rows a parameter."""
    rows = []
    for fit in _ranked(findings):
        for found in fit.heldout.predictive:
            open_ = NONE if found.reason else number(found.monte_carlo, 1)
            rows.append(
                Row(
                    cells(
                        Cell(fit.name, found.label),
                        number(fit.k / fit.training_rows, 2),
                        Cell(quantity(found.cross_entropy), found.reason),
                        quantity(found.gain),
                        open_,
                    )
                )
            )
    caption = (
        "CE elsewhere on this page is plug-in: it takes the estimate for the truth. Predictive "
        "averages the density over what the training rows leave open of the parameters: draws "
        "from the normal of Laplace's approximation, around the maximum of the likelihood, or of "
        "the posterior. The gain is plug-in less predictive, paired; above 0 averaging helps. It "
        "is shown where a parameter has fewer than 50 training rows."
    )
    heading = columns("Model", "k / n", "Laplace-predictive CE", "Gain over plug-in",
                      "left open by the draws")  # fmt: skip
    title = "Plug-in against Laplace-predictive, in nats per row"
    return Table("table-predictive", title, caption, heading, tuple(rows))


def _contender_rows(findings: Findings, ranking: Ranking) -> list[Row]:
    rows = []
    for place, one in enumerate(ranking.contenders):
        fit = findings.fit(one.name)
        gap = one.above_best
        delta, distance = (
            (NONE, NONE) if gap is None else (quantity(gap), away(ratio(gap), ranking.limit))
        )
        told = "" if gap is None else "separated" if one.separated else "not separated"
        told = ", ".join(filter(None, (told, used(one))))
        contents = cells(
            one.name, str(fit.k), decimals(fit.training_nll_per_row, 4),
            quantity(one.cross_entropy), Cell(delta, told), distance,
            in_bits(one.cross_entropy), _checks(fit), optimum(fit),
        )  # fmt: skip
        rows.append(Row(contents, "" if place else "best"))
    return rows


def _baseline_row(findings: Findings) -> list[Row]:
    baseline, ranking = findings.baseline, findings.ranking
    if baseline is None:
        return []
    gap = None
    if ranking and ranking.contenders:
        gap = findings.fit(ranking.contenders[0].name).heldout.gain
    name = Cell("Baseline", f"{baseline.define}, intercept alone")
    return [
        Row(
            cells(
                name, NONE, decimals(baseline.training_nll_per_row, 4),
                quantity(baseline.cross_entropy), quantity(gap), decimals(ratio(gap), 1),
                in_bits(baseline.cross_entropy), NONE, NONE,
            )
        )
    ]  # fmt: skip


def _reason(name: str, why: str, heading: tuple[Column, ...]) -> Row:
    return Row((Cell(name), Cell(why, span=len(heading) - 1)), "muted")


def _unranked(findings: Findings) -> list[tuple[str, str]]:
    if findings.ranking:
        return list(findings.ranking.unranked.items())
    return [(fit.name, f"{fit.verdict.status}. {fit.verdict.advice}") for fit in findings.fits]


def _ranked(findings: Findings) -> list[FitFound]:
    names = [one.name for one in findings.ranking.contenders] if findings.ranking else []
    return [findings.fit(name) for name in names]


def _checks(fit: FitFound) -> Cell:
    """The worst outcome in its colour, the others beneath."""
    outcomes = Counter(check.outcome for check in fit.checks)
    found = counted(outcomes)
    if not found:
        return Cell(NONE)
    *better, worst = found
    note = " · ".join(one.text for one in better)
    return Cell(worst.text, note, tone=worst.tone, sign=worst.sign)


def _by_group(findings: Findings) -> str:
    if findings.data.heldout_blocks is not None:
        return " by blocks of neighbouring rows"
    return f" by {findings.data.group}" if findings.data.group else ""
