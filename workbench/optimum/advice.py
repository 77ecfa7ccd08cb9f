"""What a verdict says: the advice, with the parameters concerned."""

from collections.abc import Sequence

import numpy as np

NAMED = 4  # parameters spelled out in a direction
# What helps where the data alone do not, by what is maximised.
REMEDY = {
    "likelihood": "use MAP with an informative prior",
    "posterior": "give the parameter a more informative prior",
}


def _spelled(direction: np.ndarray, labels: Sequence[str]) -> str:
    """The direction's main parameters with signed shares, each in its own unit."""
    share = direction / np.linalg.norm(direction)
    order = np.argsort(-np.abs(share))
    main = [index for index in order if abs(share[index]) > 0.05]
    said = " ".join(
        f"{'+' if share[i] > 0 else '-'}{abs(share[i]):.2f} {labels[i]}" for i in main[:NAMED]
    )
    return said + (" ..." if len(main) > NAMED else "")


def saddle(direction: np.ndarray, labels: Sequence[str], what: str) -> str:
    return (
        f"The {what} bends upwards along {_spelled(direction, labels)}, and the search came to no "
        "end there. Give the parameters another initval."
    )


def not_reached(direction: np.ndarray, labels: Sequence[str], what: str) -> str:
    return (
        f"Better points lie along {_spelled(direction, labels)}, and the search did not come to "
        "an end there. Give the parameters another initval, or rescale the columns."
    )


def short_of_it(step: float) -> str:
    return (
        f"The search stopped {step:.2g} standard errors short of the minimum it was heading for. "
        "Give the parameters another initval, or rescale the columns."
    )


def not_finite(value: float) -> str:
    if np.isfinite(value):
        return "The derivatives are not finite here, so no search can go on and no error be given."
    return (
        f"The objective is {value} at every start. Look for a row that is impossible under "
        "the model, or give the parameters an initval within its support."
    )


def beyond_derivatives(nats: float) -> str:
    return (
        f"A start stopped {nats:.2g} nats better, where the derivatives are not finite and no "
        "search can go on. Give the parameters an initval nearer to the data."
    )


def not_identified(direction: np.ndarray, labels: Sequence[str], what: str) -> str:
    return (
        f"The {what} does not change along {_spelled(direction, labels)}: these parameters are "
        "not told apart by the data. Drop a column that the others repeat, or "
        f"{REMEDY[what]}."
    )


def running_away(direction: np.ndarray, labels: Sequence[str], what: str) -> str:
    return (
        f"The {what} keeps growing as the parameters move along {_spelled(direction, labels)}: "
        "it has no maximum there (separated outcomes, an empty cell, or a parameter whose limit "
        f"is a simpler model). Use the simpler model, or {REMEDY[what]}."
    )


def without_bound(direction: np.ndarray, labels: Sequence[str], what: str) -> str:
    return (
        f"The {what} grows without bound as the parameters move along "
        f"{_spelled(direction, labels)}: a scale collapses on rows that are fitted exactly. Share "
        f"one scale, record the outcome's rounding, or {REMEDY[what]} that keeps it from zero."
    )


def at_an_edge(direction: np.ndarray, labels: Sequence[str], what: str) -> str:
    return (
        f"The {what} still grows towards {_spelled(direction, labels)}, where the support "
        "ends: the estimate stands at an edge, and has no standard error from the information. "
        "How far off it may be, data simulated from the fitted model would tell."
    )


def at_bounds(stopped: Sequence[tuple[str, float, float]], what: str) -> str:
    """`stopped` are the user's labels, with the bound and the slope there in nats per unit."""
    said = ", ".join(
        f"{label} = {bound:g} (by {slope:.2g} nats per unit)"
        for label, bound, slope in stopped[:NAMED]
    )
    fixed = ", ".join(f"'{label}': {bound!r}" for label, bound, _ in stopped)
    fixed = f"{{{fixed}}}" if len(stopped) <= NAMED else "fit.at_bounds"
    more = " ..." if len(stopped) > NAMED else ""
    them, bounds = ("it", "bound") if len(stopped) == 1 else ("them", "bounds")
    return (
        f"The {what} still grows towards the {bounds} {said}{more}: the estimate stands at an "
        "edge, and has no standard error from the information. For errors of the others given "
        f"{them}, hold {them} with fixed={fixed}, or widen the {bounds}."
    )


def at_a_limit(direction: np.ndarray, labels: Sequence[str], what: str) -> str:
    return (
        f"The {what} grows towards a limit along {_spelled(direction, labels)}: the maximum "
        "lies at an edge of the parameter space (a variance, a weight or a rate at zero), and has "
        "no standard error from the information. Use the simpler model without it, or "
        f"{REMEDY[what]}."
    )


def on_kinks(labels: Sequence[str], what: str, scattered: bool) -> str:
    """`labels` are the coordinates that the kinks hold; `scattered` ones are a few rows' alone."""
    said = ", ".join(labels[:NAMED]) + (" ..." if len(labels) > NAMED else "")
    kink = (
        f"The {what} has a kink here: it falls at once to either side of {said}, and without "
        "curvature the observed information gives no standard error."
    )
    if not scattered:
        return f"{kink} Use the bootstrap."
    return (
        f"{kink} If the family is the truth, kind='opg' or kind='expected' gives one; the "
        "bootstrap does in any case."
    )


def level(here: np.ndarray, there: np.ndarray | None, labels: Sequence[str], what: str) -> str:
    """`there` is the other end of a stretch where the objective is what it is here, if known."""
    if there is None:
        return f"The {what} is level on a way off the kink that it stands on: {REMEDY[what]}."
    moved = np.flatnonzero(np.abs(there - here) > 1e-9 * (np.abs(here) + np.abs(there)))
    said = ", ".join(f"{labels[i]} from {here[i]:.6g} to {there[i]:.6g}" for i in moved[:NAMED])
    more = " ..." if len(moved) > NAMED else ""
    return (
        f"The {what} is level between two kinks, {said}{more}: the data do not tell these values "
        f"apart, and the estimate is one of them. Another row would, or {REMEDY[what]}."
    )


def off_kinks(direction: np.ndarray, labels: Sequence[str], what: str) -> str:
    return (
        f"The search ended on a kink of the {what}, which does not hold it: better points lie "
        f"along {_spelled(direction, labels)}. Give the parameters another initval."
    )


def beside_kinks(what: str) -> str:
    return (
        f"The search ended between kinks of the {what}, and found none that hold it. Give the "
        "parameters another initval, or rescale the columns."
    )


def kinks_untold(what: str) -> str:
    return (
        f"The search ended on a kink of the {what}, and its slopes to either side cannot be told, "
        "so neither can whether this is a maximum. Give the parameters another initval."
    )


def several(others: int, nats: float, apart: float) -> str:
    optima = "Another optimum was" if others == 1 else f"{others} other optima were"
    return (
        f"{optima} found within 2 nats: the nearest in value is worse by "
        f"{nats:.2g} nats and lies {apart:.2g} standard errors apart. The errors given are those "
        "of the best one alone."
    )


def mirrored(others: int) -> str:
    starts = "One start" if others == 1 else f"{others} starts"
    return (
        f"{starts} found it with the same likelihood elsewhere: components relabelled or signs "
        "turned, another name for the same distribution."
    )


def local(direction: str) -> str:
    return f"It is the best regular one, and no global one exists. {direction}"
