"""An estimate in ArviZ's container: a point, or the Laplace draws of a posterior."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from workbench.errors import ModelError
from workbench.problem import Problem

if TYPE_CHECKING:
    from workbench.estimate.laplace import Laplace
    from workbench.estimate.result import Estimate

Simulator = Callable[[np.ndarray, np.random.Generator], np.ndarray]  # outcomes like the observed

TAKEN = ("chain", "draw", "row")  # dimensions of ours
SEVERAL = "outcome"  # what several observed variables add up to
BOUND = (
    "rows are not known to stand apart: the model binds them together, or holds them as constants, "
    "so leaving one out may mean nothing"
)
GROUPED = "rows belong to groups, so leaving out one row is not leaving out a group"
POINT = {
    "likelihood": "maximum likelihood: the estimate as one draw, which is no sample",
    "joint": "maximum a posteriori: the estimate as one draw, which is no sample",
}


def datatree(fit: "Estimate", draws: int, rng: np.random.Generator | None) -> xr.DataTree:
    """ArviZ's container; see `Estimate.to_datatree`."""
    if fit.objective == "likelihood" or draws == 0:
        return _point(fit)
    rng = rng or np.random.default_rng(0)
    try:
        laplace = fit.laplace(draws, rng=rng)
    except ModelError as reason:
        raise ModelError(f"{reason}; to_datatree(draws=0) holds the MAP as one draw") from reason
    return from_laplace(laplace, fit.problem.simulate, rng)


def _point(fit: "Estimate") -> xr.DataTree:
    """The estimate as one draw."""
    problem, attrs = fit.problem, {"draws": POINT[fit.objective]}
    return xr.DataTree.from_dict(
        {
            "posterior": _natural(problem, fit.params.to_numpy()[None], attrs),
            "log_likelihood": _log_likelihood(problem, problem.pointwise(fit.theta)[None]),
        }
        | _beside(fit)
    )


def from_laplace(laplace: "Laplace", simulate: Simulator, rng: np.random.Generator) -> xr.DataTree:
    """The draws, and outcomes simulated at each of them.

    Where none can be simulated, an attribute of `posterior` says why.
    """
    problem, outcomes = laplace.fit.problem, {}
    attrs = {"draws": "Laplace approximation", "k_hat": laplace.k_hat, "advice": laplace.advice}
    try:
        outcomes = _posterior_predictive(problem, laplace.thetas, simulate, rng)
    except ModelError as reason:
        attrs["no_posterior_predictive"] = str(reason)
    return xr.DataTree.from_dict(
        {
            "posterior": _natural(problem, laplace.draws.to_numpy(), attrs),
            "sample_stats": _log_densities(laplace),
            "laplace": _mode(laplace),
            "log_likelihood": _log_likelihood(problem, laplace.log_likelihood()),
        }
        | outcomes
        | _beside(laplace.fit)
    )


def _beside(fit: "Estimate") -> dict[str, xr.Dataset]:
    """What stands in every container: the data, the estimate, and the searches."""
    return _observed(fit.problem) | {
        "constant_data": _constant_data(fit.problem),
        "fit": _normal_approximation(fit),
        "estimates": _estimates(fit),
        "starts": _starts(fit),
    }


def _natural(problem: Problem, values: np.ndarray, attrs: dict[str, Any]) -> xr.Dataset:
    """Natural values (draws, p) as variables with the dimensions they were declared with."""
    variables: dict[str, Any] = {}
    end = 0
    for parameter in problem.parameters:
        begin, end = end, end + len(parameter.labels)
        dims = _dims(parameter.name, parameter.dims)
        array = values[:, begin:end].reshape((1, len(values), *parameter.shape))
        variables[_free(parameter.name)] = (("chain", "draw", *dims), array)
    used = (dim for dims, _ in variables.values() for dim in dims)
    coords = _sample(values) | _coords(problem, used)
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _log_densities(laplace: "Laplace") -> xr.Dataset:
    """What `loo_approximate_posterior` wants: both are densities of theta, in nats."""
    densities = {"log_p": laplace.log_p, "log_q": laplace.log_q}
    return xr.Dataset(
        {name: (("chain", "draw"), values[None]) for name, values in densities.items()},
        coords=_sample(laplace.thetas),
    )


def _mode(laplace: "Laplace") -> xr.Dataset:
    """The normal that the draws are of, on the unconstrained scale."""
    return _normal(laplace.fit, laplace.optimum.theta, laplace.theta_covariance)


def _log_likelihood(problem: Problem, values: np.ndarray) -> xr.Dataset:
    """Of each draw and row, with a word where rows may be no separate contributions."""
    grouped = {"caution": GROUPED} if problem.rows.groups is not None else {}
    attrs = grouped if problem.independent else {"caution": BOUND}
    variables = {_outcome(problem): (("chain", "draw", "row"), values[None])}
    return xr.Dataset(variables, coords=_sample(values) | _row(problem), attrs=attrs)


def _posterior_predictive(
    problem: Problem, thetas: np.ndarray, simulate: Simulator, rng: np.random.Generator
) -> dict[str, xr.Dataset]:
    """Outcomes simulated once at each draw, in the shape of the observed ones."""
    if len(problem.graph.outcomes) > 1:
        return {}
    outcomes = np.array([np.atleast_1d(simulate(theta, rng)) for theta in thetas])[None]
    variables = _outcomes(problem, outcomes, ("chain", "draw"))
    return {"posterior_predictive": xr.Dataset(variables, coords=_sample(thetas) | _row(problem))}


def _observed(problem: Problem) -> dict[str, xr.Dataset]:
    """The outcome; of several observed variables each stands among the constant data."""
    if len(problem.graph.outcomes) > 1:
        return {}
    variables = _outcomes(problem, np.atleast_1d(problem.rows.observed), ())
    return {"observed_data": xr.Dataset(variables, coords=_row(problem))}


def _outcomes(problem: Problem, values: np.ndarray, sample: tuple[str, ...]) -> dict[str, Any]:
    """Outcomes (*sample, n, ...) as a variable; counts as integers, by which ArviZ knows them."""
    name, axes = _outcome(problem), values.ndim - len(sample) - 1
    further = (f"{name}_dim_{axis}" for axis in range(1, axes + 1))
    kind = np.int64 if problem.graph.discrete else values.dtype
    return {name: ((*sample, "row", *further), values.astype(kind))}


def _constant_data(problem: Problem) -> xr.Dataset:
    """What the likelihood read, by the names of its `pm.Data`, and the rows' frequencies."""
    weights, variables = problem.rows.weights, dict[str, Any]()
    if (weights != 1).any():
        variables["weight"] = ("row", weights)
    for row, array in zip(problem.graph.inputs, problem.rows.arrays, strict=True):
        if not row.constant:
            dims = _dims(row.name, row.dims, taken=("row",))
            dims = ("row", *dims[1:]) if row.varies_by_row else dims
            variables[_free(row.name)] = (dims, array)
    used = (dim for dims, _ in variables.values() for dim in dims)
    return xr.Dataset(variables, coords=_coords(problem, used) | _row(problem))


def _normal_approximation(fit: "Estimate") -> xr.Dataset:
    """theta and its covariance from the observed information, as `pm.find_MAP` stores them."""
    covariance = np.full((len(fit.theta), len(fit.theta)), np.nan)
    if fit.optimum.verdict.regular:
        covariance = fit.theta_covariance("observed")
    return _normal(fit, fit.theta, covariance)


def _normal(fit: "Estimate", mean: np.ndarray, covariance: np.ndarray) -> xr.Dataset:
    labels = list(fit.problem.theta_labels)
    return xr.Dataset(
        {
            "mean_vector": ("rows", mean),
            "covariance_matrix": (("rows", "columns"), covariance),
        },
        coords={"rows": labels, "columns": labels},
    )


def _estimates(fit: "Estimate") -> xr.Dataset:
    limits = fit.conf_int()
    return xr.Dataset(
        {
            "value": ("parameter", fit.params.to_numpy()),
            "se": ("parameter", fit.bse.to_numpy()),
            "lower": ("parameter", limits["lower"].to_numpy()),
            "upper": ("parameter", limits["upper"].to_numpy()),
        },
        coords={"parameter": list(fit.params.index)},
    )


def _starts(fit: "Estimate") -> xr.Dataset:
    starts = fit.optimum.starts
    longest = max(len(start.values) for start in starts)
    path = np.full((len(starts), longest), np.nan)
    for row, start in zip(path, starts, strict=True):
        row[: len(start.values)] = start.values
    return xr.Dataset(
        {
            "objective": (("start", "iteration"), path),
            "theta": (("start", "coordinate"), np.array([start.end.theta for start in starts])),
        },
        coords={
            "start": [start.name for start in starts],
            "coordinate": list(fit.problem.theta_labels),
        },
    )


def _outcome(problem: Problem) -> str:
    """The observed variable's name."""
    outcomes = problem.graph.outcomes
    return _free(outcomes[0]) if len(outcomes) == 1 else SEVERAL


def _free(name: str) -> str:
    """The name, where no dimension of ours bears it."""
    return f"{name}_" if name in TAKEN else name


def _dims(
    name: str, declared: tuple[str | None, ...], taken: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Declared dimensions; ArviZ's stand-in where there is none, or it is there already."""
    return tuple(
        f"{name}_dim_{axis}" if dim is None or dim in (*taken, *declared[:axis]) else dim
        for axis, dim in enumerate(declared)
    )


def _coords(problem: Problem, dims: Iterable[str]) -> dict[str, np.ndarray]:
    """The declared labels of the dimensions in use."""
    known = problem.graph.coords
    return {dim: _labels(known[dim]) for dim in dims if dim in known}


def _row(problem: Problem) -> dict[str, np.ndarray]:
    return {"row": _labels(problem.rows.labels)}


def _sample(draws: np.ndarray) -> dict[str, np.ndarray]:
    return {"chain": np.arange(1), "draw": np.arange(len(draws))}


def _labels(values: Iterable[Any]) -> np.ndarray:
    """Labels as NetCDF can keep them: what is neither number, text nor date, by its text."""
    every = list(values)
    array = np.asarray(every)
    return array if array.ndim == 1 and array.dtype.kind != "O" else np.array(list(map(str, every)))
