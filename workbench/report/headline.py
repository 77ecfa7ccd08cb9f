"""What a comparison found, in words: the title by rule, the lede, and the tiles."""

from collections import Counter

from workbench.findings import Contender, Findings, FitFound, Ranking
from workbench.report.layout import Cell, Tile, enumeration, status
from workbench.report.numbers import (
    UNKNOWN,
    decimals,
    in_bits,
    number,
    plus_minus,
    quantity,
    ratio,
    whole,
)


def title(findings: Findings) -> str:
    """The result: one model separated from all rivals, or those that these rows leave together."""
    contenders = findings.ranking.contenders if findings.ranking else ()
    if not contenders:
        return f"{findings.title}: no model could be ranked"
    best, *rivals = contenders
    together = [rival.name for rival in rivals if not rival.separated]
    if not rivals:
        return f"{findings.title}: {best.name} is the only model ranked"
    if together:
        names = enumeration([best.name, *together])
        return f"{findings.title}: {names} are not separated by these rows"
    return f"{findings.title}: {best.name} predicts best"


def lede(findings: Findings) -> list[str]:
    """The sentences beneath the title: what was measured, against what, and how far from truth."""
    ranking = findings.ranking
    if ranking is None or not ranking.contenders:
        return ["No model has a regular optimum and held-out rows, so there is nothing to rank."]
    best, *rivals = ranking.contenders
    first = (
        f"{best.name} has the lowest held-out cross-entropy, {quantity(best.cross_entropy)} nats "
        f"per row ({in_bits(best.cross_entropy)} bits; lower is better), on {held_out(findings)}."
    )
    said = [first, *_against_rivals(rivals, ranking), _against_baseline(findings, best)]
    return [" ".join(filter(None, said)), _far_from_truth(findings, ranking)]


def held_out(findings: Findings) -> str:
    """The held-out rows, and the groups they come from."""
    data = findings.data
    rows = f"{whole(data.heldout_rows)} held-out rows"
    if data.group is None or data.heldout_groups is None:
        return rows
    return f"{rows} in {whole(data.heldout_groups)} groups by {data.group}"


def separation_rule(ranking: Ranking) -> str:
    """What separated means on this page."""
    rivals = len(ranking.contenders) - 1
    at_once = f" for {rivals} rivals at once" if rivals > 1 else ""
    return (
        f"Separated means that the paired difference exceeds {ranking.limit:.2f} of its standard "
        f"errors: the {ranking.level:.0%} limit{at_once}."
    )


def tiles(findings: Findings) -> list[Tile]:
    """Four numbers, each leading to its section."""
    made = [_best_tile(findings), _checks_tile(findings), _statsmodels_tile(findings)]
    return made + _room_tile(findings)


def counted(outcomes: Counter[str]) -> tuple[Cell, ...]:
    """How many checks had each outcome; a failure is never left out, nor is its absence."""
    shown = [outcome for outcome in ("pass", "look", "fail") if outcomes[outcome]]
    return tuple(status(outcome, f"{outcomes[outcome]} {outcome}") for outcome in shown)


def _against_rivals(rivals: list[Contender], ranking: Ranking) -> list[str]:
    if not rivals:
        return []
    told = [
        f"{rival.name} is {quantity(rival.above_best)} nats per row worse "
        f"({decimals(ratio(rival.above_best), 1)} standard errors)"
        for rival in rivals
    ]
    return [f"On the same rows, paired: {enumeration(told)}.", separation_rule(ranking)]


def _against_baseline(findings: Findings, best: Contender) -> str:
    if findings.baseline is None:
        return ""
    gain = findings.fit(best.name).heldout.gain
    return f"Over the baseline, which knows no predictor, {best.name} gains {quantity(gain)}."


def _far_from_truth(findings: Findings, ranking: Ranking) -> str:
    bounds = [_bound(findings.fit(one.name), one, ranking) for one in ranking.contenders]
    return f"At least how far from the truth, as KL in nats per row: {'; '.join(bounds)}."


def _bound(fit: FitFound, contender: Contender, ranking: Ranking) -> str:
    """Above the competitor, where there is one; a bound chosen by its value would be none."""
    above = contender.above_competitor
    if above is not None:
        if above.value is None or above.value <= 0:
            return f"{fit.name} none, as it does not lose to {ranking.competitor}"
        return f"{fit.name} {quantity(above)}, its loss to {ranking.competitor}"
    return f"{fit.name} {resolved(fit)}"


def resolved(fit: FitFound) -> str:
    """The calibration KL, or that it stands below what a perfect model gives by chance."""
    found = fit.heldout.divergence
    if found.estimate.value is None:
        return f"{UNKNOWN} ({found.reason})"
    if found.floor is not None and found.estimate.value <= found.floor:
        return f"none resolved by its calibration (floor {number(found.floor, 2)})"
    return f"{quantity(found.estimate)} by its calibration"


def _best_tile(findings: Findings) -> Tile:
    ranking = findings.ranking
    if ranking is None or not ranking.contenders:
        return Tile("ranking", "Lowest cross-entropy", (Cell("none ranked"),), "see why")
    best, *rivals = ranking.contenders
    clear = sum(rival.separated for rival in rivals)
    against = f"; separated from {clear} of {len(rivals)} rivals" if rivals else ""
    note = f"{quantity(best.cross_entropy)} nats per row{against}"
    return Tile("ranking", "Lowest cross-entropy", (Cell(best.name),), note)


def _checks_tile(findings: Findings) -> Tile:
    outcomes = Counter(check.outcome for fit in findings.fits for check in fit.checks)
    absent = f"{outcomes['fail']} fail · {outcomes['n/a']} not applicable"
    return Tile("checks", "Checks", counted(outcomes) or (Cell("none made"),), absent)


def _statsmodels_tile(findings: Findings) -> Tile:
    label = "Against statsmodels"
    found = [
        (check.distance, check.limit, fit.name)
        for fit in findings.fits
        for check in fit.checks
        if check.code == "statsmodels-estimate" and check.distance is not None
    ]
    if not found:
        return Tile("statsmodels", label, (Cell("not compared"),), "no model could be compared")
    distance, limit, _ = max(found)
    models = len({name for *_, name in found})
    note = f"largest difference of an estimate, {models} of {len(findings.fits)} models"
    allowed = f"; allowed {number(limit, 2)} SE" if limit is not None else ""
    return Tile("statsmodels", label, (Cell(f"{number(distance, 2)} SE"),), note + allowed)


def _room_tile(findings: Findings) -> list[Tile]:
    if findings.ranking is None or not findings.ranking.contenders:
        return []
    best = findings.fit(findings.ranking.contenders[0].name)
    found = best.heldout.divergence
    value, floor = found.estimate.value, found.floor
    if value is None:
        return [Tile("truth", "Room left, at least", (Cell(UNKNOWN),), found.reason)]
    seen = floor is None or value > floor
    text = f"{plus_minus(value, found.estimate.se)}" if seen else "none resolved"
    note = f"{found.label}: {quantity(found.estimate)} nats per row, floor {number(floor, 2)}"
    return [Tile("truth", "Room left, at least", (Cell(text),), note)]
