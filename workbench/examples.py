"""A small data set for each kind of outcome, to which a definition can be bound for a look."""

from typing import Any

import numpy as np
import xarray as xr

# Kinds of outcomes, and how they are told.
KINDS = {
    "real": "any number",
    "positive": "a number above zero",
    "excess": "an amount above a threshold, or its ratio to it",
    "share": "a share between 0 and 1, neither of them",
    "closed share": "a share from 0 to 1, both of them included",
    "binary": "0 or 1, or successes out of trials",
    "count": "a whole number 0, 1, 2, ...",
    "positive count": "a whole number 1, 2, 3, ...",
    "ordered": "one of several categories in order",
    "category": "one of several categories",
    "choice": "1 for the chosen row of each group, 0 for the others",
    "angle": "an angle in radians, from -pi to pi",
    "composition": "several shares above zero that add up to 1",
    "composition of counts": "several whole numbers whose sum is given",
    "vector": "several numbers",
}
ROWS, TERMS = 24, ("Intercept", "x")


def example(definition: Any, rows: int = ROWS) -> xr.Dataset:
    """Data of the kind that the definition takes, by its `outcome`, `predictors` and `needs`.

    The outcome is valid and nothing more: no model fits it.
    """
    kind = getattr(definition, "outcome", "")
    cycle = np.arange(rows) / rows
    X = np.column_stack([np.ones(rows), np.cos(6 * np.pi * cycle)])
    y, dims, further = _outcome(kind, rows, cycle)
    data = xr.Dataset(
        {"y": (dims, y), "X": (("row", "term"), X)},
        coords={"term": list(TERMS), "row": np.arange(rows)} | further,
    )
    for predictor in getattr(definition, "predictors", ()):
        data = data.assign({f"X_{predictor}": (("row", f"term_{predictor}"), X)})
        data = data.assign_coords({f"term_{predictor}": list(TERMS)})
    if "trials" in getattr(definition, "needs", ()):
        data = data.assign(trials=("row", np.full(rows, 10.0)))
    if getattr(definition, "unit", "row") == "group":
        data = data.assign(group=("row", np.arange(rows) // 3)).sel(term=["x"])
    return data


def _outcome(
    kind: str, rows: int, cycle: np.ndarray
) -> tuple[np.ndarray, tuple[str, ...], dict[str, Any]]:
    """Values, their dimensions, and the coordinates of those beyond the rows."""
    wave = np.sin(4 * np.pi * cycle + 0.3)
    codes = np.arange(rows) % 3
    single: dict[str, np.ndarray] = {
        "real": wave,
        "positive": np.exp(wave),
        "excess": 1 + np.exp(wave),
        "share": 0.5 + 0.4 * wave,
        "closed share": np.clip(0.5 + 0.7 * wave, 0, 1),
        "binary": np.arange(rows) % 2,
        "count": np.arange(rows) % 5,
        "positive count": 1 + np.arange(rows) % 5,
        "ordered": codes,
        "category": codes,
        "choice": codes == 0,
        "angle": 2 * wave,
    }
    if kind in ("composition", "composition of counts", "vector"):
        names = {"outcome": ["first", "second", "third"]}
        counts = np.column_stack([1 + np.arange(rows) % k for k in (2, 3, 5)]).astype(float)
        shares = counts / counts.sum(axis=1, keepdims=True)
        several = {"composition": shares, "composition of counts": counts}
        return several.get(kind, counts + wave[:, None]), ("row", "outcome"), names
    labels = {"category": ["low", "middle", "high"]} if kind in ("ordered", "category") else {}
    return single.get(kind, wave).astype(float), ("row",), labels
