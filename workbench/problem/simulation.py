"""Outcomes drawn from the declared model, and a problem with other outcomes on the same rows."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from workbench.errors import DataError, ModelError, foreign_code, nearest
from workbench.problem import pytensor_engine
from workbench.problem.draws import SymbolicDraw
from workbench.problem.rows import chosen, refuse_impossible_counts

if TYPE_CHECKING:
    from workbench.problem.binding import Problem


def simulated(problem: "Problem", theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One draw of every row's outcome; see `Problem.simulate`."""
    own = getattr(problem.source, "simulate", None)
    if own is not None and problem.dataset is not None:
        drawn = _by_the_definition(problem, theta, rng)
    else:
        drawn = _by_pymc(problem, theta, rng)
    return _as_observed(problem, drawn)


def _by_pymc(problem: "Problem", theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    draw = _single_draw(problem)
    # Each random variable has a stream of its own, all of them from the caller's.
    seeds = rng.integers(2**32, size=(len(draw.generators), 4))
    generators = [np.random.default_rng(seed) for seed in seeds]
    arrays = pytensor_engine.put(problem.rows.arrays)
    with foreign_code(problem.name, "cannot be simulated:"):
        try:  # by NotImplementedError PyMC and PyTensor say that a distribution has no random draw
            return np.asarray(problem.functions("outcome", theta, *generators, *arrays))
        except NotImplementedError as reason:
            raise ModelError(
                f"{problem.name} has no random draw of its outcome ("
                f"{str(reason).partition(chr(10))[0]}); give its distribution one: "
                "pm.CustomDist(..., random=...), or @definition(simulate=...)"
            ) from reason


def _single_draw(problem: "Problem") -> SymbolicDraw:
    draw = problem.graph.draw
    if draw is None:
        raise ModelError("with several outcomes on one row there is no single one to simulate")
    if draw.fed_back:
        raise ModelError(
            f"{problem.name} reads the outcome's own values beside its distribution, so a draw "
            "would follow the observed ones; simulate it by @definition(simulate=...)"
        )
    return draw


def _by_the_definition(
    problem: "Problem", theta: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    outcome = _outcome(problem)
    natural, values, end = problem.natural(theta), {}, 0
    for parameter in problem.parameters:
        begin, end = end, end + len(parameter.labels)
        values[parameter.name] = natural[begin:end].reshape(parameter.shape)
    with foreign_code(f"the simulator of {problem.name}"):
        offered = problem.source.simulate(problem.dataset, values, rng)  # type: ignore[union-attr]
        drawn = {name: np.asarray(outcomes, float) for name, outcomes in offered.items()}
    if outcome not in drawn:
        raise ModelError(
            f"the simulator of {problem.name} draws {', '.join(map(repr, drawn)) or 'nothing'}, "
            f"and the outcome is '{outcome}'{nearest(outcome, drawn)}"
        )
    return drawn[outcome]


def _as_observed(problem: "Problem", drawn: np.ndarray) -> np.ndarray:
    """The draw in the outcome's shape and type, refused where it would not be the draw."""
    observed = problem.rows.observed
    if drawn.shape != observed.shape:
        raise ModelError(
            f"a draw of {problem.name}'s outcome has shape {drawn.shape}, where {observed.shape} "
            "was observed"
        )
    if not np.isfinite(drawn).all():
        place = tuple(np.argwhere(~np.isfinite(drawn))[0])
        raise ModelError(
            f"a draw of {problem.name}'s outcome is {drawn[place]} at row "
            f"{problem.rows.labels[place[0]] if place else 0}: at these parameters the "
            "distribution reaches beyond all numbers"
        )
    return _cast(drawn, observed.dtype)


def _cast(outcomes: np.ndarray, dtype: np.dtype) -> np.ndarray:
    cast = outcomes.astype(dtype)
    if dtype.kind in "biu" and not np.array_equal(cast, outcomes):
        raise ModelError(
            f"the outcome is stored in whole numbers ({dtype}), and these are not; store its "
            "column as float64"
        )
    return cast


def with_outcomes(problem: "Problem", observed: np.ndarray) -> "Problem":
    """The same rows with other outcomes; see `Problem.with_outcomes`."""
    outcome, rows, given = _outcome(problem), problem.rows, np.asarray(observed)
    if given.shape != rows.observed.shape:
        raise DataError(
            f"other outcomes on the same rows have shape {rows.observed.shape}, not {given.shape}"
        )
    if not np.isfinite(given).all():
        raise DataError("an outcome is NaN or infinite, and has no likelihood")
    cast = _cast(given, rows.observed.dtype)
    arrays = tuple(
        np.asarray(cast, dtype=array.dtype) if row.name == outcome else array
        for row, array in zip(problem.graph.inputs, rows.arrays, strict=True)
    )
    other = replace(rows, arrays=arrays, observed=cast)
    refuse_impossible_counts(problem.graph.discrete, other, f"'{outcome}'")
    data = problem.dataset
    if data is not None:
        column = problem.outcome_column
        data = data.assign({column: (data[column].dims, cast.astype(data[column].dtype))})
    return replace(problem, dataset=data, rows=other)


def _outcome(problem: "Problem") -> str:
    """The name of the array that the outcome is."""
    if problem.graph.draw is None:
        raise ModelError("with several outcomes on one row, no single one can be replaced")
    if problem.graph.outcome is None:
        raise ModelError(
            "the outcome is computed inside the model, so simulated outcomes cannot take its "
            "place; observe a pm.Data as it is"
        )
    return problem.graph.outcome


def outcome_column(problem: "Problem") -> str:
    """The column of the data that holds the outcome as the model observes it.

    Raises ModelError where there is none, or more than one: a copy would keep the old outcomes.
    """
    data, observed, name = problem.dataset, problem.rows.observed, problem.graph.outcome
    columns = [] if data is None else [
        str(column) for column, values in data.data_vars.items()
        if values.shape == observed.shape and np.array_equal(values, observed)
    ]  # fmt: skip
    if name in columns:
        return str(name)
    if len(columns) == 1:
        return columns[0]
    found = f"{' and '.join(map(repr, columns))} alike" if columns else "in no column of the data"
    raise ModelError(
        f"the outcome '{name}' stands {found}, so simulated outcomes cannot take its place; "
        "let the definition put one column into pm.Data as it is"
    )


def unweighted(problem: "Problem") -> "Problem":
    """The same likelihood, a row of frequency weight w standing there w times with weight one.

    So each of them has an outcome of its own. Raises ModelError where weights are no whole
    numbers, or the rows cannot be taken apart.
    """
    rows = problem.rows
    if (rows.weights == 1).all():
        return problem
    problem.require_movable()
    if (rows.weights != np.floor(rows.weights)).any():
        raise ModelError(
            "a row of frequency weight w stands for w rows with outcomes of their own, and some "
            "weights here are no whole numbers; simulate from a fit without weights"
        )
    places = np.repeat(np.arange(rows.count), rows.weights.astype(int))
    repeated = chosen(rows, problem.graph, places, np.ones(len(places)))
    data = problem.dataset
    if data is not None:
        data = data.isel(row=places).drop_vars("weight", errors="ignore")
    return replace(problem, dataset=data, rows=repeated)
