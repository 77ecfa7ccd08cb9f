"""Maximum likelihood and maximum a posteriori: from starts to the judged estimate."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import DataError, ModelError
from workbench.estimate.bounds import Bounds, Given, bounds_of, entered, require_inside
from workbench.estimate.minimised import minimised
from workbench.estimate.objective import PRIOR, Loss, held_at, model_starts, natural_start, released
from workbench.estimate.rehearsal import found_by_sample
from workbench.estimate.result import Estimate
from workbench.optimum import Held, Objective, Optimum, Point, find, jittered, point
from workbench.problem import Problem, bind

STARTS = 3


def maximum_likelihood(
    problem: Problem,
    *,
    fixed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    bounds: Given | None = None,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """The maximum of the likelihood; priors are left out, but for their support.

    fixed
        Parameters held at a value on the natural scale, by label (`beta[age]`) or by the
        parameter's name for all of its coordinates.
    start
        Natural values to search from, too, by label or name; the rest from PyMC's initial point.
    bounds
        Pairs (lower, upper) on the natural scale, None for no limit, by label or by name for those
        of its values that no label names. The objective is not evaluated outside. One that holds
        the optimum makes it irregular; profile and bootstrap limits keep to the bounds, Wald's
        do not know of them.
    rng
        For the jittered starts; None means a generator seeded with 0.

    Raises ModelError for a declaration with latent variables, for a name or a value that the
    declaration does not have, for bounds that are none, and for a held value or a start outside of
    them. A numerical outcome never raises: it is the estimate's `status`.
    """
    if problem.graph.latent:
        name = problem.graph.latent[0]
        raise ModelError(
            f"the prior of '{name}' depends on another unknown, so '{name}' is latent and maximum "
            "likelihood would cut the link; integrate it out, or use wb.maximum_a_posteriori"
        )
    return _estimate(problem, "likelihood", fixed or {}, start or {}, bounds or {}, rng)


def fit(
    definition: Callable[[xr.Dataset], Any],
    y: Any,
    *,
    fixed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    bounds: Given | None = None,
    rng: np.random.Generator | None = None,
    **columns: Any,
) -> Estimate:
    """The maximum of the likelihood of a distribution, without regressors: the intercepts alone.

    y
        Outcomes, (n,), or (n, m) for outcomes of several numbers; a Series or a data frame gives
        rows and outcomes their labels.
    columns
        What else the definition reads of each row, by its name (`trials`, `exposure`), and
        `weight` and `group`.

    The other arguments are those of `maximum_likelihood`. Raises DataError and ModelError as
    `bind` and it do.
    """
    data = _intercepts(definition, y, columns)
    problem = bind(definition, data)
    return maximum_likelihood(problem, fixed=fixed, start=start, bounds=bounds, rng=rng)


def _intercepts(definition: Callable[..., Any], y: Any, columns: Mapping[str, Any]) -> xr.Dataset:
    """The outcomes, and an intercept for each linear predictor."""
    values = np.asarray(y, float)
    if values.ndim not in (1, 2) or not values.size:
        raise DataError(f"outcomes come as (rows,) or (rows, outcomes), not as {values.shape}")
    labelled = isinstance(y, pd.Series | pd.DataFrame)  # a list has an index, too: a method
    rows = np.asarray(y.index if labelled else np.arange(len(values)))
    dims: tuple[str, ...] = ("row",)
    coords: dict[str, Any] = {"row": rows}
    if values.ndim == 2:
        dims = ("row", "outcome")
        coords["outcome"] = np.asarray(getattr(y, "columns", np.arange(values.shape[1])))
    data: dict[str, Any] = {"y": (dims, values)}
    for suffix in ("", *(f"_{one}" for one in getattr(definition, "predictors", ()))):
        data[f"X{suffix}"] = (("row", f"term{suffix}"), np.ones((len(values), 1)))
        coords[f"term{suffix}"] = np.array(["Intercept"])
    for name, column in columns.items():
        if np.shape(column) != (len(values),):
            raise DataError(f"{name} needs one value for each of the {len(values)} outcomes")
        data[name] = (("row",), np.asarray(column))
    if "group" in data:
        data["group"] = (("row",), pd.factorize(data["group"][1])[0])
    return xr.Dataset(data, coords)


def maximum_a_posteriori(
    problem: Problem,
    *,
    fixed: Mapping[str, float] | None = None,
    start: Mapping[str, float] | None = None,
    bounds: Given | None = None,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """The maximum of likelihood times prior, both as declared: no Jacobian is added.

    The arguments are those of `maximum_likelihood`.
    """
    return _estimate(problem, "joint", fixed or {}, start or {}, bounds or {}, rng)


def _estimate(
    problem: Problem,
    name: str,
    fixed: Mapping[str, float],
    start: Mapping[str, float],
    bounds: Given,
    rng: np.random.Generator | None,
) -> Estimate:
    theta, free = held_at(problem, fixed) if fixed else (problem.start(), None)
    given = {"given": natural_start(problem, start)} if start else {}
    starts = given | model_starts(problem)
    rng = rng or np.random.default_rng(0)
    within = _bounds(problem, bounds, fixed, start, free) if bounds else None
    moves = np.ones(len(theta), dtype=bool) if free is None else free
    held = Held(Loss(problem, PRIOR[name]), theta, moves)
    objective_on = partial(minimised, held, within, PRIOR[name])
    objective = objective_on(problem)
    begins = {which: entered(objective, one[moves]) for which, one in starts.items()}
    optimum = _found(problem, objective_on, begins, held.named(problem.theta_labels), rng)
    return Estimate(problem, name, released(optimum, held), free, within)


def _found(
    problem: Problem,
    objective_on: Callable[[Problem], Objective],
    begins: Mapping[str, np.ndarray],
    labels: Sequence[str],
    rng: np.random.Generator,
) -> Optimum:
    """The optimum from these starts and jittered ones; of many rows by way of a sample."""
    objective, rows, sample = objective_on(problem), problem.rows.weights.sum(), problem.sample(rng)
    if sample is None:
        return find(objective, _points(objective, begins, rows, rng), labels, rows)
    rehearsal = objective_on(sample)
    return found_by_sample(
        rehearsal, objective, _points(rehearsal, begins, rows, rng), labels, rows
    )


def _bounds(
    problem: Problem,
    given: Given,
    fixed: Mapping[str, float],
    start: Mapping[str, float],
    free: np.ndarray | None,
) -> Bounds | None:
    """The bounds, to which what is held and where to start must keep; None if none is left."""
    within = bounds_of(problem, given)
    require_inside(problem, within, fixed, "fixed")
    require_inside(problem, within, start, "start")
    bounded = np.isfinite(within.lower) | np.isfinite(within.upper)
    return within if bounded[slice(None) if free is None else free].any() else None


def _points(
    objective: Objective, starts: Mapping[str, np.ndarray], rows: float, rng: np.random.Generator
) -> dict[str, Point]:
    """The objective at the starts, and at others by jitter around the last of them."""
    points = {name: point(objective, theta) for name, theta in starts.items()}
    centre = list(points.values())[-1]
    for number in range(1, max(STARTS - len(points), 1) + 1):
        away = entered(objective, jittered(centre, rows, rng))
        points[f"jittered {number}"] = point(objective, away)
    return points
