"""A definition, or a ready model, bound to data: the problem as functions of one flat vector."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from typing import Any

import cloudpickle
import numpy as np
import pymc as pm
import xarray as xr

from workbench.density import Distribution
from workbench.errors import DataError, ModelError, foreign_code
from workbench.problem import simulation
from workbench.problem.blocks import Block, cut, length_of
from workbench.problem.declaring import (
    Declaration,
    arrays_of,
    declared,
    graph_of,
    observed_in,
    refuse_unused,
)
from workbench.problem.deterministics import ENGINE_NAME, DeterministicValues, read_further
from workbench.problem.functions import Functions
from workbench.problem.graph import Graph, Parameter
from workbench.problem.rows import (
    Rows,
    chosen,
    refuse_impossible_counts,
    roles,
    rows_are_independent,
    rows_by_name,
    taken_rows,
    unchanged,
)
from workbench.problem.symbolic import SymbolicDistribution
from workbench.problem.total import pymc_total

FEWEST_BLOCKS = 4  # that a sample of one block is to stand for


@dataclass(frozen=True, eq=False)
class Problem:
    """A likelihood of rows given `theta`, the flat unconstrained parameter vector, shape (k,).

    All values are in nats. `prior` is 0 to leave the prior out (maximum likelihood; its support
    stays) and 1 to take it in (maximum a posteriori). No Jacobian is ever added: both are
    statements about the parameters as declared. `weights` are row weights, by default the
    declared frequency weights.
    """

    name: str
    source: Declaration | pm.Model
    dataset: xr.Dataset | None
    graph: Graph
    functions: Functions
    rows: Rows
    independent: bool  # each row's term depends on its own data alone
    bound_together: Callable[[], str]  # what the definition computes from all rows at once

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled functions do not travel; the declaration does, and is bound again on arrival.
        return _revive, (
            cloudpickle.dumps((self.source, self.dataset, self.rows, self.functions.engine)),
        )

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.graph.parameters

    @property
    def labels(self) -> tuple[str, ...]:
        """One label a natural value, in the order of declaration: `beta[age]`."""
        return tuple(label for parameter in self.parameters for label in parameter.labels)

    @property
    def theta_labels(self) -> tuple[str, ...]:
        return tuple(label for parameter in self.parameters for label in parameter.theta_labels)

    @cached_property
    def _arrays(self) -> tuple[Any, ...]:
        blocks = self._blocks_as_declared
        if len(blocks) == 1 and (self.rows.weights > 0).all():  # they stand there as they are
            return blocks[0][1:]
        return self.functions.put(self.rows.arrays)

    def values(
        self, thetas: np.ndarray, prior: float = 0.0, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """The same at each of `thetas` (m, k): weighted NLL, less `prior` log priors, (m,)."""
        value = self.functions("values", thetas, self._blocks(weights))
        if not prior:
            return value
        return value + prior * self.functions("prior_values", thetas, *self._arrays)

    def value_and_gradient(
        self, theta: np.ndarray, prior: float = 0.0, weights: np.ndarray | None = None
    ) -> tuple[float, np.ndarray]:
        """Weighted NLL, less `prior` times the log prior, and its gradient (k,)."""
        found = self.functions("value_and_gradient", theta, self._blocks(weights))
        if not prior:
            return found
        more = self.functions("prior_value_and_gradient", theta, *self._arrays)
        return found[0] + prior * more[0], found[1] + prior * more[1]

    def derivatives(
        self, theta: np.ndarray, prior: float = 0.0, weights: np.ndarray | None = None
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """The same value, its gradient (k,) and its Hessian (k, k), in one pass."""
        found = self.functions("derivatives", theta, self._blocks(weights))
        if not prior:
            return found
        penalty = self.functions("prior_derivatives", theta, *self._arrays)
        value, gradient, hessian = (
            part + prior * more for part, more in zip(found, penalty, strict=True)
        )
        return value, gradient, hessian

    def hessian(
        self, theta: np.ndarray, prior: float = 0.0, weights: np.ndarray | None = None
    ) -> np.ndarray:
        """Second derivatives of the same value, shape (k, k)."""
        return self.derivatives(theta, prior, weights)[2]

    def hessian_product(
        self,
        theta: np.ndarray,
        direction: np.ndarray,
        prior: float = 0.0,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:
        """The Hessian times a direction (k,), without the Hessian."""
        product = self.functions("hessian_product", theta, direction, self._blocks(weights))
        if not prior:
            return product
        penalty = self.functions("prior_hessian_product", theta, direction, *self._arrays)
        return product + prior * penalty

    def pointwise(self, theta: np.ndarray) -> np.ndarray:
        """Log-likelihood of each row, unweighted, shape (n,)."""
        return self.functions("pointwise", theta, *self._arrays)

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Gradient of each row's log-likelihood, unweighted, shape (n, k)."""
        self._require_independent_rows("scores by row")
        return self.functions("scores", theta, *self._arrays)

    def row_hessians(self, theta: np.ndarray) -> np.ndarray:
        """Second derivatives of each row's log-likelihood, unweighted, shape (n, k, k)."""
        self._require_independent_rows("second derivatives by row")
        return self.functions("row_hessians", theta, *self._arrays)

    def pointwise_apart(self, thetas: np.ndarray) -> np.ndarray:
        """Log-likelihood of each row, unweighted, at a theta of its own (n, k); shape (n,)."""
        self._require_independent_rows("log-likelihood of rows apart")
        return self.functions("pointwise_apart", thetas, *self._arrays)

    def log_prior(self, theta: np.ndarray) -> float:
        """Log prior density of the natural parameters at theta."""
        return float(self.functions("log_prior", theta, *self._arrays))

    def pymc_total(self, theta: np.ndarray) -> float:
        """log p(rows, parameters) as PyMC adds it up, rows unweighted and without Jacobians, nats.

        A second opinion on `pointwise` and `log_prior` together.
        """
        return pymc_total(self.graph, self.rows, theta)

    def log_jacobians(self, thetas: np.ndarray) -> np.ndarray:
        """log |d natural / d theta| at each of `thetas` (m, k), shape (m,).

        Added to log likelihood and log prior it makes the density of theta itself, as PyMC's
        samplers see it.
        """
        return self.functions("log_jacobians", thetas, *self._arrays)

    def log_jacobian(self, theta: np.ndarray) -> float:
        """log |d natural / d theta| at theta."""
        return float(self.log_jacobians(theta[None])[0])

    def log_jacobian_derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """log |d natural / d theta|, its gradient (k,) and its Hessian (k, k)."""
        return self.functions("log_jacobian_derivatives", theta, *self._arrays)

    def natural(self, theta: np.ndarray) -> np.ndarray:
        """The parameters as declared, flat, in the order of `labels`."""
        return self.functions("natural", theta, *self._arrays)

    def natural_jacobian(self, theta: np.ndarray) -> np.ndarray:
        """d natural / d theta, one row a natural value."""
        return self.functions("natural_jacobian", theta, *self._arrays)

    def unconstrained(self, natural: np.ndarray) -> np.ndarray:
        """theta of natural values; NaN outside their support."""
        return self.functions("unconstrained", np.asarray(natural, float), *self._arrays)

    def deterministics(self, theta: np.ndarray, *names: str) -> DeterministicValues:
        """The named `pm.Deterministic`s (default: all) on these rows, with their exact Jacobian.

        Those that are functions of the parameters; compiled when first asked for. Raises
        ModelError for an unknown name, for one that depends on the outcome or on chance, and where
        there is none.
        """
        symbolic = self.graph.deterministics
        movable = not any(row.constant for row in self.graph.inputs)
        labels: list[str] = []
        values, slopes = [np.empty(0)], [np.empty((0, len(theta)))]
        for name in symbolic.chosen(names):
            further = read_further(symbolic[name], self.rows, movable, self.name)
            arrays = (*self._arrays, *self.functions.put(further))
            value, slope = self.functions(ENGINE_NAME + name, theta, *arrays)
            labels += symbolic[name].labels(value.shape, self.rows.labels)
            values.append(value.ravel())
            slope = slope.reshape((value.size, len(theta)))
            slopes.append(slope * np.nan if symbolic[name].steps else slope)
        return DeterministicValues(tuple(labels), np.concatenate(values), np.concatenate(slopes))

    def distribution(self, theta: np.ndarray) -> Distribution:
        """The outcome's distribution in each row, by name and parameters, as numbers."""
        tree = self._single_distribution
        return tree.numbers(self.functions("distribution", theta, *self._arrays))

    def distribution_jacobian(self, theta: np.ndarray) -> list[np.ndarray]:
        """d parameter / d theta in each row, (n, k), of the parameters of `distribution`.

        Depth first; weights of components and probabilities of categories one by one.
        """
        spread = self._single_distribution.spread
        by_column = zip(self.distribution_slopes(theta), spread, strict=True)
        columns = [column for slope, along in by_column
                   for column in (np.moveaxis(slope, -2, 0) if along else [slope])]  # fmt: skip
        return [np.broadcast_to(column, (self.rows.count, len(theta))) for column in columns]

    def distribution_slopes(self, theta: np.ndarray) -> list[np.ndarray]:
        """d parameter / d theta of each parameter of `distribution` as it stands there.

        In its own shape, with theta along a new last axis.
        """
        if not self._single_distribution.leaves:
            return []
        self._require_independent_rows("distribution by row")
        if np.ndim(self.rows.observed) > 1:
            raise ModelError("with several values on one row there is no single distribution")
        return self.functions("distribution_jacobian", theta, *self._arrays)

    @property
    def kinked(self) -> bool:
        """Whether log-likelihood or prior have kinks in theta, as |theta| has at zero."""
        return self.graph.rounding is not None

    def rounded(self, widths: np.ndarray) -> "Problem":
        """The same problem with its kinks rounded over `widths`, one for each kind of kink."""
        functions = self.functions.rounded
        [width] = functions.put([np.asarray(widths, float)])
        rows = replace(self.rows, arrays=(*self.rows.arrays, widths))
        other = replace(self, graph=functions.graph, functions=functions, rows=rows)
        vars(other)["_arrays"] = (*self._arrays, width)
        vars(other)["_blocks_as_declared"] = tuple(
            (*block, width) for block in self._blocks_as_declared
        )
        return other

    def gaps(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """What is zero on each kink and changes sign across it: |x| has its kink at x = 0.

        Values (m,), their slopes by theta (m, k), the kind of each, a place among the widths (m,),
        and whether each row has its own of that kind (m,). Rows of weight zero have none.
        """
        smooth, counted = self.graph.rounding, self.rows.weights > 0
        if smooth is None:
            raise ModelError("a model without kinks has no gaps to them")
        found, count = self.functions("gaps", theta, *self._arrays), len(smooth.gaps)
        pairs = list(zip(found[:count], found[count:], strict=True))
        by_row = np.array(
            [
                reads and value.shape[:1] == counted.shape
                for reads, (value, _) in zip(smooth.by_row, pairs, strict=True)
            ]
        )
        pairs = [(value[counted], slope[counted]) if rows else (value, slope)
                 for rows, (value, slope) in zip(by_row, pairs, strict=True)]  # fmt: skip
        kinds = np.repeat(np.arange(count), [value.size for value, _ in pairs])
        values = np.concatenate([value.ravel() for value, _ in pairs])
        slopes = np.concatenate([slope.reshape(-1, len(theta)) for _, slope in pairs])
        return values, slopes, kinds, by_row[kinds]

    @property
    def _single_distribution(self) -> SymbolicDistribution:
        if self.graph.distribution is None:
            raise ModelError("with several outcomes on one row there is no single distribution")
        return self.graph.distribution

    def start(self) -> np.ndarray:
        """PyMC's initial point, shape (k,)."""
        return self.graph.start.copy()

    def data_start(self) -> np.ndarray | None:
        """A start from the data, where the definition offers one; the rest from PyMC's."""
        offer = getattr(self.source, "start", None)
        if offer is None or self.dataset is None:
            return None
        with foreign_code(f"the start of {self.name}"):
            known = offer(self.dataset)
        natural = self.natural(self.graph.start)
        pieces, end = [], 0
        for parameter in self.parameters:
            begin, end = end, end + len(parameter.labels)
            pieces.append(np.ravel(known.get(parameter.name, natural[begin:end])))
        return self.unconstrained(np.concatenate(pieces))

    def on(self, other: xr.Dataset | Mapping[str, Any]) -> "Problem":
        """The same functions on other rows; nothing is compiled anew.

        For a definition `other` is a Dataset like the first; for a ready model it holds the
        `pm.Data` by name (and `weight`, `group` where wanted). Raises ModelError for a model
        with its rows written into it as constants, DataError for rows that do not fit.
        """
        self.require_movable()
        if isinstance(self.source, pm.Model):
            rows = rows_by_name(self.graph, other)
            refuse_impossible_counts(self.graph.discrete, rows, "the outcome")
            return replace(self, rows=rows)
        if not isinstance(other, xr.Dataset):
            raise DataError(f"other rows come as an xarray.Dataset, not {type(other).__name__}")
        if together := self.bound_together():
            raise ModelError(
                f"{self.name} computes {together} from all its rows together (a mean, a "
                "scale, a shape), so other rows would be treated otherwise than these; do it in "
                "the formula, or store the column, and let pm.Data take the columns as they are"
            )
        complete, model = declared(self.source, other, self.name)
        rows = taken_rows(self.graph, arrays_of(model), observed_in(model), complete)
        refuse_impossible_counts(self.graph.discrete, rows, _outcome_name(complete))
        return replace(self, dataset=complete, rows=rows)

    def simulate(self, theta: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One draw of every row's outcome from the declared model, shaped as `rows.observed`.

        By the definition's own `simulate` where it has one, else by PyMC's forward draw at theta
        and these rows' data. Raises ModelError for several outcomes on one row, for a
        distribution without a random draw, and for one that reads the outcome's own values.
        """
        return simulation.simulated(self, theta, rng)

    def with_outcomes(self, observed: np.ndarray) -> "Problem":
        """The same rows with other outcomes, shaped as `rows.observed`; nothing compiled anew.

        All other columns stay, also one that holds the outcome of an earlier row. Raises
        DataError for outcomes that do not fit, ModelError where the model computes its outcome
        from the data, so that no column can take them.
        """
        return simulation.with_outcomes(self, observed)

    def unweighted(self) -> "Problem":
        """The same likelihood, a row of frequency weight w standing there w times."""
        return simulation.unweighted(self)

    def sample(self, rng: np.random.Generator) -> "Problem | None":
        """A block of rows drawn without replacement, weighted up to stand for all.

        None where there are less than four blocks of rows, or where they are not separate.
        """
        rows, length = self.rows, length_of(self.graph, self.rows.arrays)
        places = np.flatnonzero(rows.weights > 0)
        if len(places) < FEWEST_BLOCKS * length or not self._apart:
            return None
        places = np.sort(rng.choice(places, length, replace=False))
        weights = rows.weights[places] * (rows.weights.sum() / rows.weights[places].sum())
        return self.among(places, weights)

    def among(self, places: np.ndarray, weights: np.ndarray | None = None) -> "Problem":
        """The rows at these places, as often as they are named, with their own weights or others.

        Raises ModelError where rows cannot be taken apart.
        """
        self.require_movable()
        given = self.rows.weights[places] if weights is None else weights
        data = self.dataset.isel(row=places) if weights is None and self.dataset else None
        return replace(self, dataset=data, rows=chosen(self.rows, self.graph, places, given))

    def redrawn(self, weights: np.ndarray) -> "Problem":
        """The same rows with other frequency weights, for a point where each term is finite.

        A row that is drawn no more keeps its place in the arrays, of which there is no copy.
        """
        other = replace(self, rows=replace(self.rows, weights=weights))
        lengths = [len(block[0]) for block in self._blocks_as_declared]
        filled = np.append(weights, np.zeros(sum(lengths) - len(weights)))
        pieces = np.split(filled, np.cumsum(lengths)[:-1])
        vars(other)["_arrays"] = self._arrays  # where the cached properties are kept
        vars(other)["_blocks_as_declared"] = tuple(
            (piece, *block[1:])
            for piece, block in zip(pieces, self._blocks_as_declared, strict=True)
        )
        return other

    @cached_property
    def outcome_column(self) -> str:
        """The column of the data that holds the outcome as the model observes it."""
        return simulation.outcome_column(self)

    def require_movable(self) -> None:
        """Raise ModelError where the same functions cannot stand on other rows."""
        constants = [row.name for row in self.graph.inputs if row.constant]
        if constants:
            raise ModelError(
                f"{constants[0]} stands in the model as a constant, so other rows cannot take its "
                f"place; wrap it in pm.Data: pm.Data({_plain(constants[0])!r}, values)"
            )
        self._require_independent_rows("the likelihood of other rows")

    @cached_property
    def _blocks_as_declared(self) -> tuple[Block, ...]:
        return self._cut(self.rows.weights)

    @property
    def _apart(self) -> bool:
        """Whether a sum over rows can be taken block by block."""
        return self.independent and not self.graph.prior_reads_rows

    def _blocks(self, weights: np.ndarray | None) -> tuple[Block, ...]:
        """Row weights and arrays, block by block, as sums over rows take them."""
        if weights is None:
            return self._blocks_as_declared
        self._require_independent_rows("weighted rows")
        return self._cut(np.asarray(weights, float))

    def _cut(self, weights: np.ndarray) -> tuple[Block, ...]:
        blocks = cut(self.graph, self.rows.arrays, weights, self._apart)
        return tuple(self.functions.put(block) for block in blocks)

    def _require_independent_rows(self, what: str) -> None:
        if not self.independent:
            raise ModelError(
                f"{self.name} has no {what}: one row's data change another row's term, so the "
                "rows are not separate contributions to the likelihood"
            )


def bind(
    declaration: Declaration | pm.Model,
    data: xr.Dataset | None = None,
    *,
    weight: np.ndarray | None = None,
    group: np.ndarray | None = None,
    engine: str = "auto",
) -> Problem:
    """Bind a definition to its data, or take a ready `pm.Model` as it is.

    `weight` (frequency) and `group` are for a ready model; a definition's Dataset carries its
    own. `engine` is "auto", "jax" or "pytensor". Raises ModelError for a declaration without a
    likelihood of its rows, DataError for data that the declaration cannot stand on.
    """
    if isinstance(declaration, pm.Model):
        return _bind_model(declaration, weight, group, engine)
    name = getattr(declaration, "__name__", type(declaration).__name__)
    if data is None:
        raise DataError(f"the definition {name} needs data: wb.bind({name}, design(train))")
    if weight is not None or group is not None:
        raise DataError("a definition takes weight and group from its Dataset, not from bind()")
    complete, model = declared(declaration, data, name)
    graph = graph_of(model)
    refuse_unused(complete, model, name)
    arrays = arrays_of(model) | {row.name: row.value for row in graph.inputs}
    rows = taken_rows(graph, arrays, graph.observed, complete)
    return _problem(name, declaration, complete, graph, rows, engine)


def _bind_model(
    model: pm.Model, weight: np.ndarray | None, group: np.ndarray | None, engine: str
) -> Problem:
    name = model.name or "model"
    graph = graph_of(model)
    arrays = arrays_of(model) | {row.name: row.value for row in graph.inputs}
    given = roles({"weight": weight, "group": group})
    rows = taken_rows(graph, arrays, graph.observed, given)
    return _problem(name, model, None, graph, rows, engine)


def _problem(
    name: str,
    source: Declaration | pm.Model,
    data: xr.Dataset | None,
    graph: Graph,
    rows: Rows,
    engine: str,
) -> Problem:
    if engine not in ("auto", "jax", "pytensor"):
        raise ModelError(f"engine is 'auto', 'jax' or 'pytensor', not {engine!r}")
    refuse_impossible_counts(graph.discrete, rows, _outcome_name(data))
    independent = rows_are_independent(graph, rows, name)
    # Asked of those alone that are moved to other rows, and once: it declares the model again.
    together = cache(partial(_bound_together, source, data, graph, rows, name))
    functions = Functions(graph, engine, independent)
    return Problem(name, source, data, graph, functions, rows, independent, together)


def _bound_together(
    definition: Declaration | pm.Model,
    data: xr.Dataset | None,
    graph: Graph,
    rows: Rows,
    name: str,
) -> str:
    """The arrays that come out otherwise when the definition sees only half of the rows."""
    kept = rows.count // 2
    if data is None or isinstance(definition, pm.Model) or kept < 2 or "row" not in data.dims:
        return ""
    try:
        _, model = declared(definition, data.isel(row=slice(0, kept)), name)
    except (DataError, ModelError):
        return "something"
    half = arrays_of(model)
    moved = [
        f"'{row.name}'"
        for row, array in zip(graph.inputs, rows.arrays, strict=True)
        if row.name not in half or not unchanged(array, half[row.name], row.varies_by_row, kept)
    ]
    return ", ".join(moved)


def _revive(state: bytes) -> Problem:
    source, data, rows, engine = cloudpickle.loads(state)
    if isinstance(source, pm.Model):
        return replace(_bind_model(source, None, None, engine), rows=rows)
    return replace(bind(source, data, engine=engine), rows=rows)


def _outcome_name(data: xr.Dataset | None) -> str:
    named = data is not None and "outcome" in data.attrs
    return f"'{data.attrs['outcome']}'" if named else "the outcome"  # type: ignore[union-attr]


def _plain(name: str) -> str:
    return name if name.isidentifier() else "X"
