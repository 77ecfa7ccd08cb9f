"""Tables of the fits themselves: parameters, statsmodels, checks, optima, declarations."""

from dataclasses import replace

from workbench.findings import CheckFound, Findings, FitFound, ParameterFound
from workbench.report.formulas import mathml
from workbench.report.layout import NONE, Cell, Row, Table, cells, columns, enumeration, status
from workbench.report.numbers import UNKNOWN, decimals, number, plus_minus, to_error

KINDS = {
    "statsmodels-llf": "log-likelihood",
    "statsmodels-estimate": "estimates",
    "statsmodels-se": "standard errors",
    "statsmodels-aic": "AIC",
    "statsmodels-better": "gained from our estimate",
    "statsmodels": "the search",
    "namesake": "own class",
    "namesake-llf": "log-likelihood, own class",
    "namesake-estimate": "estimates, own class",
}
UNITS = {"AIC": "units of AIC"}  # where a check's own word for its unit says too little
# The statuses of a search that found what it was sent for, if not always the best there is.
DETERMINED = ("a minimum", "several minima", "a local minimum", "a minimum on a kink")
LOCAL = DETERMINED[2]
SEVERITY = ("n/a", "pass", "look", "fail")
SHIFT_SHOWN = 0.1  # standard errors by which the prior must move an estimate to be worth a line


def parameter_table(findings: Findings) -> Table:
    """Parameters side by side; empty where a model has no such parameter."""
    found = [{one.label: one for one in fit.parameters} for fit in findings.fits]
    labels = list(dict.fromkeys(label for parameters in found for label in parameters))
    rows = []
    for label in labels:
        shown = [Cell(label)]
        for fit, parameters in zip(findings.fits, found, strict=True):
            one = parameters.get(label)
            if one is None:
                shown.append(Cell(NONE))
                continue
            if one.label in fit.held or one.label.partition("[")[0] in fit.held:
                shown.append(Cell(f"{one.estimate:g}", "held"))
                continue
            error = UNKNOWN if one.se is None else plus_minus(one.estimate, one.se)
            error = error.partition("±")[2].strip() or error
            shown.append(Cell(to_error(one.estimate, one.se), f"± {error}{_moved(fit, one)}"))
        rows.append(Row(tuple(shown)))
    rows.append(Row(cells("Largest shift by the prior", *map(_largest_shift, findings.fits))))
    kinds = enumeration(sorted({fit.se_kind for fit in findings.fits})) if found else ""
    caption = (
        f"Maximum likelihood, beneath it one standard error ({kinds}). MAP: how far the prior "
        f"moves the estimate, in standard errors, where that is {SHIFT_SHOWN} or more; or why "
        "there is no MAP."
    )
    if findings.data.time and not findings.data.group:
        caption += (
            " These errors take rows for independent, also where neighbours in time are not; only "
            "those of losses respect blocks of neighbours."
        )
    heading = columns("Parameter", *(fit.name for fit in findings.fits))
    return Table("table-parameters", "Parameters side by side", caption, heading, tuple(rows))


def statsmodels_summary(findings: Findings) -> Table:
    """Kind of quantity by model: the largest distance to statsmodels, and the worst outcome."""
    found = [[check for check in fit.checks if _by_statsmodels(check)] for fit in findings.fits]
    by_kind = [
        {kind: [check for check in checks if _kind(check) == kind] for kind in map(_kind, checks)}
        for checks in found
    ]
    kinds = dict.fromkeys(kind for one in by_kind for kind in one)
    rows = tuple(
        Row((Cell(KINDS.get(code, code), allowed),
             *(_worst(one.get((code, allowed), [])) for one in by_kind)))
        for code, allowed in kinds
    )  # fmt: skip
    caption = (
        "Distance between this workbench and statsmodels' GenericLikelihoodModel, which is given "
        "SciPy's density, starts where the model starts, and differentiates numerically; and its "
        "own class for the model, where there is one, with a density of its own. Beneath each "
        "quantity stands the distance that is allowed, and its unit; of several parameters the "
        "one that differs most is shown."
    )
    heading = columns("Quantity", *(fit.name for fit in findings.fits))
    return Table("table-statsmodels", "Distance to statsmodels", caption, heading, rows)


def statsmodels_table(findings: Findings) -> Table:
    """Every quantity by model: the distance to statsmodels in its unit, and what came of it."""
    found = [
        {(check.quantity, _allowed(check)): check for check in fit.checks if _by_statsmodels(check)}
        for fit in findings.fits
    ]
    keys = dict.fromkeys(key for checks in found for key in checks)
    rows = tuple(
        Row((Cell(*key), *(_distance(checks.get(key)) for checks in found))) for key in keys
    )
    heading = columns("Quantity", *(fit.name for fit in findings.fits))
    title = "Distance to statsmodels, quantity by quantity"
    return Table("table-statsmodels-all", title, "", heading, rows)


def check_table(findings: Findings, title: str, *outcomes: str) -> Table:
    """The checks with these outcomes, worst first."""
    found = [
        (fit, check)
        for outcome in outcomes
        for fit in findings.fits
        for check in fit.checks
        if check.outcome == outcome
    ]
    rows = tuple(
        Row(
            (
                Cell(check.quantity, check.code), Cell(fit.name), status(check.outcome),
                Cell(_value(check.ours)), Cell(_value(check.theirs)),
                Cell(_value(check.distance), _unit(check)), Cell(_value(check.limit)),
                Cell(check.why or NONE),
            )
        )
        for fit, check in found
    )  # fmt: skip
    heading = columns("Check", "Model", "Outcome", "Ours", "Theirs", "Distance", "Allowed", "Why",
                      text=("Model", "Outcome", "Why"))  # fmt: skip
    name = "-".join(outcomes).replace("/", "")
    return Table(f"table-{name}", title, "", heading, rows)


def optimum_table(findings: Findings) -> Table:
    """The verdict on each search."""
    rows = tuple(
        Row(
            cells(
                fit.name, _arrived(fit), number(fit.verdict.step, 2), str(len(fit.verdict.starts)),
                fit.map_status, _engines(fit),
                fit.verdict.advice or NONE,
            )
        )
        for fit in findings.fits
    )  # fmt: skip
    heading = columns("Model", "Optimum", "Step left, SE", "Starts", "MAP", "Engine", "Advice",
                      text=("Optimum", "MAP", "Engine", "Advice"))  # fmt: skip
    caption = "What the search found, and how far the next Newton step would go."
    return Table("table-optimum", "The optimum of each model", caption, heading, rows)


def declaration_table(findings: Findings) -> Table:
    """What differs between the declarations, and only that."""
    declared = [_declared(fit) for fit in findings.fits]
    keys = dict.fromkeys(key for one in declared for key in one)
    rows = tuple(
        Row(cells(key, *(one.get(key, NONE) for one in declared)))
        for key in keys
        if len({one.get(key) for one in declared}) > 1
    )
    names = [fit.name for fit in findings.fits]
    heading = columns("Part", *names, text=tuple(names))
    return Table("table-declarations", "What differs", "", heading, rows)


def shared_declaration(findings: Findings) -> list[tuple[str, str]]:
    """What all declarations have in common, said once."""
    declared = [_declared(fit) for fit in findings.fits]
    shared = set.intersection(*(set(one.items()) for one in declared)) if declared else set()
    return [item for item in declared[0].items() if item in shared] if declared else []


def formulas(findings: Findings) -> list[Cell]:
    """Each density as MathML, or its LaTeX as it stands where that cannot be read."""
    written = dict.fromkeys(fit.latex for fit in findings.fits if fit.latex)
    names = {
        latex: enumeration([fit.name for fit in findings.fits if fit.latex == latex])
        for latex in written
    }
    return [Cell(names[latex], note=latex, formula=mathml(latex)) for latex in written]


def optimum(fit: FitFound) -> Cell:
    """The verdict in its colour."""
    return status("pass" if fit.verdict.determined else "look", fit.verdict.status)


def _arrived(fit: FitFound) -> Cell:
    """The verdict, and what a minimum means: the best of these starts, not of all points."""
    found, starts = optimum(fit), len(fit.verdict.starts)
    if not fit.verdict.determined or fit.verdict.status == LOCAL or not starts:
        return found
    tried = f"no better point from {starts} start{'s' * (starts > 1)}"
    return replace(found, text=f"{found.text}:", note=tried)


def _engines(fit: FitFound) -> str:
    """One name if one engine did it all."""
    if len(set(fit.engines.values())) == 1:
        return next(iter(fit.engines.values()))
    return ", ".join(f"{part}: {engine}" for part, engine in fit.engines.items()) or NONE


def _declared(fit: FitFound) -> dict[str, str]:
    """The parts of a declaration by name; priors by the parameter's name without coordinates."""
    priors: dict[str, str] = {}
    for one in fit.parameters:
        priors.setdefault(one.label.partition("[")[0], f"{one.prior}, {one.support}")
    return (
        {"Definition": fit.define, "In words": fit.description, "Formula": fit.formula}
        | {f"Formula of {name}": formula for name, formula in fit.predictors.items()}
        | {f"Prior of {name}": prior for name, prior in priors.items()}
        | {f"Held: {name}": f"at {value:g}" for name, value in fit.held.items()}
    )


def _shift(moved: float | None, estimate: float | None, se: float | None) -> float | None:
    if moved is None or estimate is None or not se:
        return None
    return (moved - estimate) / se


def _moved(fit: FitFound, one: ParameterFound) -> str:
    if fit.map_status not in DETERMINED:
        return f", MAP: {fit.map_status}"
    shift = _shift(one.map_estimate, one.estimate, one.se)
    if shift is None or abs(shift) < SHIFT_SHOWN:
        return ""
    return f", MAP {decimals(shift, 1) if shift < 0 else '+' + decimals(shift, 1)}"


def _largest_shift(fit: FitFound) -> str:
    if fit.map_status not in DETERMINED:
        return f"MAP: {fit.map_status}"
    shifts = [_shift(one.map_estimate, one.estimate, one.se) for one in fit.parameters]
    known = [abs(shift) for shift in shifts if shift is not None]
    return f"{number(max(known), 2)} SE" if known else UNKNOWN


def _by_statsmodels(check: CheckFound) -> bool:
    return check.code.startswith(("statsmodels", "namesake"))


def _worst(checks: list[CheckFound]) -> Cell:
    """The worst outcome, and of those checks the one at the largest distance."""
    if not checks:
        return Cell(NONE)
    worst = max(checks, key=lambda check: (SEVERITY.index(check.outcome), check.distance or 0.0))
    shown = _distance(worst)
    return replace(shown, note=worst.quantity) if len(checks) > 1 else shown


def _kind(check: CheckFound) -> tuple[str, str]:
    """What is compared, and the distance that is allowed."""
    return check.code, _allowed(check)


def _allowed(check: CheckFound) -> str:
    unit = _unit(check)
    return unit if check.limit is None else f"{number(check.limit, 2)} {unit}"


def _unit(check: CheckFound) -> str:
    return UNITS.get(check.unit, check.unit)


def _distance(check: CheckFound | None) -> Cell:
    if check is None:
        return Cell(NONE)
    if check.distance is None:
        return status(check.outcome)
    return status(check.outcome, number(check.distance, 2))


def _value(value: float | None) -> str:
    return NONE if value is None else number(value, 6)
