"""What a comparison found, in words: the title by rule, the lede, and the tiles."""

from collections import Counter

from workbench.findings import (
    Contender,
    DataFound,
    DroppedFound,
    Findings,
    FitFound,
    Quantity,
    Ranking,
)
from workbench.report.layout import Cell, Tile, enumeration, status
from workbench.report.numbers import (
    away,
    in_bits,
    number,
    percent,
    plus_minus,
    quantity,
    ratio,
    whole,
)

ROOM = "Room left, estimated lower bound"


def title(findings: Findings) -> str:
    """The result: one model separated from all rivals, or those that these rows leave together."""
    contenders = findings.ranking.contenders if findings.ranking else ()
    if not contenders:
        return f"{_opened(findings.title)} no model could be ranked"
    best, *rivals = contenders
    together = [rival.name for rival in rivals if not rival.separated]
    if not rivals:
        return f"{_opened(findings.title)} {best.name} is the only model ranked"
    if together:
        names = enumeration([best.name, *together])
        return f"{_opened(findings.title)} {names} are not separated by these rows"
    return f"{_opened(findings.title)} {best.name} predicts best"


def _opened(title: str) -> str:
    """The study's title, before what was found; a question keeps its mark."""
    return title if title.endswith(("?", "!", ".")) else f"{title}:"


def lede(findings: Findings) -> list[str]:
    """The sentences beneath the title: what was measured, against what, and how far from truth."""
    ranking = findings.ranking
    if ranking is None or not ranking.contenders:
        return [
            "No model has a maximum in all parameters and held-out rows: there is nothing to rank."
        ]
    best, *rivals = ranking.contenders
    first = (
        f"{best.name} has the lowest held-out cross-entropy, {quantity(best.cross_entropy)} nats "
        f"per row ({in_bits(best.cross_entropy)} bits; lower is better), on {held_out(findings)}."
    )
    said = (
        " ".join([first, *_against_rivals(rivals, ranking.limit)]),
        _against_baseline(findings, best),
        _far_from_truth(findings, ranking),
        _by_group(findings),
    )
    return [sentence for sentence in said if sentence]


def held_out(findings: Findings) -> str:
    """The held-out rows, and the groups they come from."""
    data = findings.data
    rows = f"{whole(data.heldout_rows)} held-out rows"
    if data.heldout_weight is not None:
        rows += f" that count for {whole(round(data.heldout_weight))}"
    if data.heldout_blocks is not None:
        return f"{rows} in {whole(data.heldout_blocks)} blocks of neighbours{_in_time(data)}"
    if data.group is None or data.heldout_groups is None:
        return rows
    return f"{rows} in {whole(data.heldout_groups)} groups by {data.group}"


def _in_time(data: DataFound) -> str:
    return f" in time ({data.time})" if data.time else ""


def as_recorded(findings: Findings) -> list[str]:
    """What stands between the outcome and its model, and what was made of it in the losses."""
    data, said = findings.data, []
    for change in dict.fromkeys(fit.change for fit in findings.fits if fit.change):
        names = [fit.name for fit in findings.fits if fit.change == change]
        verb = "take" if len(names) > 1 else "takes"
        said.append(
            f"{enumeration(names)} {verb} in {change}. Every loss on this page is of "
            f"{data.outcome} itself all the same: log |d {change} / d {data.outcome}| is taken off "
            "in each row, so that models of either compare. What the check against statsmodels "
            "shows is of the outcome as the model takes it in."
        )
    if data.rounded and data.width is not None:
        said.append(
            f"{data.outcome} is rounded to multiples of {data.width:g}, and a loss is −log of the "
            "probability of such a cell, from the model's distribution function. CE left out, AIC "
            "and its kin take the density times the width instead. The fits are to densities."
        )
    if data.drawn_whole:
        said.append(
            f"Rows that count for several (by {data.weight}) were drawn whole, each for one side. "
            "Where they are cells of a table, alike but for the outcome, training and held-out "
            "rows then differ by more than chance, and no error on this page knows it: mark the "
            "rows to hold out in a column, of each cell a part, or give each its own row."
        )
    return said


def _by_group(findings: Findings) -> str:
    """What a row is, where a likelihood takes several rows of the table together."""
    by_group = [fit.name for fit in findings.fits if fit.by_group]
    if not by_group:
        return ""
    whose = "" if len(by_group) == len(findings.fits) else f" of {enumeration(by_group)}"
    return (
        f"The likelihood{whose} takes the rows of a group by {findings.data.group} together: a "
        "group is its unit, and what is told per row on this page is told per group."
    )


def missing_values(dropped: DroppedFound) -> str:
    """The rows that were dropped for their missing values, and where those stood."""
    if not dropped.rows:
        return "none in the columns that a model uses; a row with one would have been dropped"
    counts = sorted(dropped.counts.items(), key=lambda item: (-item[1], item[0]))
    told = enumeration([f"{column} ({whole(count)})" for column, count in counts])
    rows = "1 row was" if dropped.rows == 1 else f"{whole(dropped.rows)} rows were"
    return f"{rows} dropped before the split, for missing values in {told}"


def separation_rule(ranking: Ranking) -> str:
    """What separated means on this page."""
    rivals = len(ranking.contenders) - 1
    at_once = f" for {rivals} rivals at once" if rivals > 1 else ""
    return (
        f"Separated means that the paired difference exceeds {ranking.limit:.2f} of its standard "
        f"errors, the {percent(ranking.level)} limit{at_once}, and is worth "
        f"{number(ranking.smallest, 1)} nats or more over all rows."
    )


def tiles(findings: Findings) -> list[Tile]:
    """Four numbers, each leading to its section."""
    made = [_best_tile(findings), _checks_tile(findings), _statsmodels_tile(findings)]
    return made + _room_tile(findings)


def counted(outcomes: Counter[str]) -> tuple[Cell, ...]:
    """How many checks had each outcome; a failure is never left out, nor is its absence."""
    shown = [outcome for outcome in ("pass", "look", "fail") if outcomes[outcome]]
    return tuple(status(outcome, f"{outcomes[outcome]} {outcome}") for outcome in shown)


def _against_rivals(rivals: list[Contender], limit: float) -> list[str]:
    if not rivals:
        return []
    told = [
        f"{rival.name} by {quantity(rival.above_best)} "
        f"({away(ratio(rival.above_best), limit)} standard errors)"
        for rival in rivals
    ]
    verb = "the others are" if len(rivals) > 1 else "the other is"
    return [f"Paired on the same rows, {verb} worse: {enumeration(told)}."]


def _against_baseline(findings: Findings, best: Contender) -> str:
    if findings.no_baseline:
        return f"There is no baseline, since its fit is {findings.no_baseline}"
    if findings.baseline is None:
        return ""
    gain = findings.fit(best.name).heldout.gain
    return (
        f"The baseline ({findings.baseline.define}, intercept alone) stands at "
        f"{quantity(findings.baseline.cross_entropy)}; {best.name} gains {quantity(gain)} over it."
    )


def _far_from_truth(findings: Findings, ranking: Ranking) -> str:
    """One kind of bound a model, fixed beforehand: the larger of two, picked, would be no bound."""
    bounds = [(one.name, one.above_competitor) for one in ranking.contenders]
    above = [(name, bound) for name, bound in bounds if bound is not None]
    told = [f"{name} {quantity(bound)}" for name, bound in above if _above_zero(bound)]
    none = [f"{name} none" for name, bound in above if not _above_zero(bound)]
    said = []
    if above:
        lost = "they lose" if len(above) > 1 else "it loses"
        said.append(f"{enumeration(told + none)}, by what {lost} to {ranking.competitor}")
    said += [f"{name} {resolved(findings.fit(name))}" for name, bound in bounds if bound is None]
    return (
        "Estimated lower bounds of the distance from the truth, as KL in nats per row: "
        f"{'; '.join(said)}."
    )


def _above_zero(bound: Quantity) -> bool:
    return bound.value is not None and bound.value > 0


def resolved(fit: FitFound) -> str:
    """The calibration KL, or that it stands below what a perfect model gives by chance."""
    found = fit.heldout.divergence
    if found.estimate.value is None:
        return f"{quantity(found.estimate)} ({found.reason})"
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
    if not outcomes:
        return Tile("checks", "Checks", (Cell("none made"),), "no fit was checked")
    failing = "see which fail" if outcomes["fail"] else "none fails"
    absent = outcomes["n/a"]
    verb = "does" if absent == 1 else "do"
    applying = f"{absent} {verb} not apply" if absent else "all apply"
    shown = counted(outcomes) or (Cell("none applies"),)
    return Tile("checks", "Checks", shown, f"{failing}, {applying}")


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
        return [Tile("truth", ROOM, (Cell(quantity(found.estimate)),), found.reason)]
    seen = floor is None or value > floor
    text = plus_minus(value, found.estimate.se) if seen else "none resolved"
    shown = "" if seen else f"; {quantity(found.estimate)}"
    note = f"nats per row{shown}; {found.label}, floor {number(floor, 2)}"
    return [Tile("truth", ROOM, (Cell(text),), note)]
