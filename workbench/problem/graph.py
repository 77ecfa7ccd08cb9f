"""A PyMC model as symbolic functions of one flat vector, its rows' data and their weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
from pymc.initial_point import make_initial_point_expression
from pymc.pytensorf import constant_fold
from pytensor.compile.mode import Mode
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.replace import graph_replace
from pytensor.graph.traversal import ancestors
from pytensor.scalar.basic import Cast
from pytensor.tensor.random.op import RandomVariable

from workbench.errors import ModelError
from workbench.problem.deterministics import Deterministics, Rewriting
from workbench.problem.draws import SymbolicDraw, read_draw
from workbench.problem.kinks import Rounding, rounding
from workbench.problem.lowerings import made_safe
from workbench.problem.symbolic import SymbolicDistribution, read_distribution

# A transform's name in PyMC -> the support it stands for, and how its argument is labelled.
SUPPORTS = {
    "log": ("(0, ∞)", "log {}"),
    "log_exp_m1": ("(0, ∞)", "log(exp({}) - 1)"),
    "logodds": ("(0, 1)", "logit {}"),
    "circular": ("(-π, π]", "angle {}"),
    "ordered": ("increasing", "ordered {}"),
    "simplex": ("simplex", "simplex {}"),
    "cholesky-cov-packed": ("Cholesky factor", "{}, a diagonal's logarithm"),
}

COMPUTED = "<constant>"  # what PyMC prints for a number that it computes
SCALED = {"Gamma": 1, "Exponential": 0}  # the place of the scale, where a rate is declared


@dataclass(frozen=True)
class Parameter:
    """One free variable of the declaration: where it lives and what was said of it."""

    name: str
    shape: tuple[int, ...]
    dims: tuple[str | None, ...]  # as declared, one an axis of `shape`
    labels: tuple[str, ...]  # one per natural value, e.g. "beta[age]"
    theta_labels: tuple[str, ...]  # one per unconstrained value, e.g. "log alpha"
    prior: str
    support: str


@dataclass(frozen=True)
class RowInput:
    """An array that the likelihood reads: a `pm.Data`, or a constant that stands in the graph."""

    name: str
    variable: Variable
    value: np.ndarray
    dims: tuple[str | None, ...]  # as declared, one an axis
    varies_by_row: bool
    constant: bool  # written into the model; other rows cannot be put in its place


@dataclass(frozen=True)
class Graph:
    """Everything symbolic; `inputs` and the outputs are PyTensor variables."""

    model: pm.Model  # as it was read
    theta: Variable
    naturals: Variable  # an input: the flat natural vector
    inputs: tuple[RowInput, ...]
    pointwise: Variable
    log_prior: Variable
    prior_reads_rows: bool
    log_jacobian: Variable  # log |d natural / d theta|, of theta
    natural: Variable  # of theta
    unconstrained: Variable  # theta of naturals
    distribution: SymbolicDistribution | None  # None when several outcomes share the rows
    draw: SymbolicDraw | None  # likewise
    deterministics: Deterministics
    rounding: Rounding | None  # of `pointwise` and `log_prior`; None where they have no kinks
    parameters: tuple[Parameter, ...]
    latent: tuple[str, ...]  # free variables whose prior depends on another free variable
    discrete: bool
    single_precision: tuple[str, ...]
    start: np.ndarray
    observed: np.ndarray
    outcome: str | None  # the input that the outcome is; None where it is computed from inputs
    outcomes: tuple[str, ...]  # observed variables, by name
    coords: Mapping[str, tuple[Any, ...]]  # labels by dimension, where declared

    @property
    def gaps(self) -> tuple[Variable, ...]:
        """What is zero on each kink."""
        return () if self.rounding is None else self.rounding.gaps


def rounded(graph: Graph) -> Graph:
    """A graph with kinks, rounded there: its last input holds their widths, one for each gap."""
    smooth = graph.rounding
    if smooth is None:
        raise ValueError("a graph without kinks has nothing to round")
    pointwise, log_prior = smooth.outputs
    none = np.zeros(len(smooth.gaps))
    widths = RowInput("widths", smooth.widths, none, (None,), varies_by_row=False, constant=False)
    return replace(
        graph,
        inputs=(*graph.inputs, widths),
        pointwise=pointwise,
        log_prior=log_prior,
        rounding=None,
    )


def read_graph(model: pm.Model) -> Graph:
    """Read the model's likelihood, prior and transforms; raise ModelError where it has none."""
    refuse_what_has_no_likelihood(model)
    free, initial = model.free_RVs, initial_point(model)
    starts = [np.asarray(initial[model.rvs_to_values[rv].name], dtype=float) for rv in free]
    shapes = [tuple(int(s) for s in shape) for shape in _natural_shapes(model, initial)]
    naturals = pt.vector("natural", shape=(sum(int(np.prod(shape)) for shape in shapes),))
    tree = read_distribution(model.observed_RVs[0]) if len(model.observed_RVs) == 1 else None
    theta, (pointwise, log_prior, *others) = _of_theta(model, tree, starts)
    seen = model.rvs_to_values[model.observed_RVs[0]]
    observed = value_of(seen)
    outputs = _with_lengths_written_in(model, [pointwise, log_prior, *others])
    count = observed.shape[0] if observed.ndim else 1
    inputs = _inputs(model, outputs, count)
    replaced = {old: new.variable for old, new in inputs.items()}
    pointwise, log_prior, *others = graph_replace(outputs, replaced, strict=False)
    by_row = [row.variable for row in inputs.values() if row.varies_by_row]
    of_theta = dict(zip(free, others[: len(free)], strict=True))
    return Graph(
        model=model,
        theta=theta,
        naturals=naturals,
        inputs=tuple(inputs.values()),
        pointwise=pointwise,
        log_prior=log_prior,
        prior_reads_rows=_reads_rows(log_prior, inputs),
        log_jacobian=others[-1],
        natural=_flat(others[: len(free)]),
        unconstrained=_unconstrained(model, naturals, shapes),
        distribution=tree.with_leaves(others[len(free) : -1]) if tree else None,
        draw=_draw(model, of_theta, replaced) if tree else None,
        deterministics=Deterministics(
            model, _rewriting(model, of_theta, inputs, count), _row_dims(model, inputs)
        ),
        rounding=rounding([pointwise, log_prior], theta, by_row),
        parameters=tuple(
            _parameter(model, rv, shape, start.shape)
            for rv, shape, start in zip(free, shapes, starts, strict=True)
        ),
        latent=tuple(rv.name for rv in free if _depends_on_others(rv, free)),
        discrete=np.dtype(model.observed_RVs[0].dtype).kind in "iub",
        single_precision=_single_precision(pointwise),
        start=np.concatenate([start.ravel() for start in starts]),
        observed=observed,
        outcome=inputs[_uncast(seen)].name if _uncast(seen) in inputs else None,
        outcomes=tuple(rv.name for rv in model.observed_RVs),
        coords={dim: tuple(labels) for dim, labels in model.coords.items() if labels is not None},
    )


def _of_theta(
    model: pm.Model, tree: SymbolicDistribution | None, starts: Sequence[np.ndarray]
) -> tuple[Variable, list[Variable]]:
    """theta; of it the rows' terms, log prior, natural values, `tree`'s leaves, log Jacobian."""
    terms, log_prior = _log_densities(model)
    natural = model.replace_rvs_by_values(model.free_RVs)
    others = [*(tree.leaves if tree else ()), _log_jacobian(model)]
    others = model.replace_rvs_by_values(others)
    outputs = made_safe([_by_row(terms), log_prior, *natural, *others])
    theta = pt.vector("theta", shape=(sum(start.size for start in starts),))
    values = [model.rvs_to_values[rv] for rv in model.free_RVs]
    pieces = zip(values, _cut(theta, [start.shape for start in starts]), strict=True)
    from_theta = {value: piece.astype(value.dtype) for value, piece in pieces}
    return theta, graph_replace(outputs, from_theta, strict=False)


def initial_point(model: pm.Model) -> dict[str, np.ndarray]:
    """PyMC's, by value variable in the order of `free_RVs`, without the C that it would compile."""
    expressions = make_initial_point_expression(
        free_rvs=model.free_RVs,
        rvs_to_transforms=model.rvs_to_transforms,
        initval_strategies=model.rvs_to_initial_values,
        return_transformed=True,
    )
    function = pytensor.function([], expressions, mode=Mode(linker="py", optimizer=None))
    names = [model.rvs_to_values[rv].name for rv in model.free_RVs]
    return dict(zip(names, function(), strict=True))


def _log_densities(model: pm.Model) -> tuple[list[Variable], Variable]:
    """Of the rows, term by term, and of the prior."""
    # By this PyMC says that it can derive no density; the message names the operation.
    try:
        terms = model.logp(vars=model.observed_RVs, jacobian=False, sum=False)
        return terms, model.logp(vars=model.free_RVs, jacobian=False)
    except NotImplementedError as reason:
        raise ModelError(
            f"PyMC knows no log density for a part of this model ({str(reason).splitlines()[0]}); "
            "declare the outcome and the priors by distributions that have one"
        ) from reason


def _log_jacobian(model: pm.Model) -> Variable:
    """The log Jacobian determinant of all transforms, as `model.logp(jacobian=True)` adds it."""
    transforms = ((rv, model.rvs_to_transforms[rv]) for rv in model.free_RVs)
    parts = (
        transform.log_jac_det(model.rvs_to_values[rv], *rv.owner.inputs).sum()
        for rv, transform in transforms
        if transform is not None
    )
    return sum(parts, start=pt.zeros(()))


def refuse_what_has_no_likelihood(model: pm.Model) -> None:
    """Raise ModelError for a declaration that is not a density of observed rows given theta."""
    observed = {rv.name for rv in model.observed_RVs}
    halves = [rv.name.removesuffix("_unobserved") for rv in model.free_RVs]
    imputed = [half for half in halves if f"{half}_observed" in observed]
    if imputed:
        name = imputed[0]
        raise ModelError(
            f"'{name}' has missing values, which PyMC would turn into unknowns to be optimised; "
            "drop these rows, or model why they are missing, before binding"
        )
    if not model.observed_RVs:
        raise ModelError(
            "the model observes nothing, so it has no likelihood; "
            "give the outcome's distribution observed=..."
        )
    if model.potentials:
        raise ModelError(
            f"'{model.potentials[0].name}' is a pm.Potential, which is neither prior nor row of "
            "the likelihood; write it as a distribution with observed=..., or as a prior"
        )
    discrete = [v.name for v in model.free_RVs if np.dtype(v.dtype).kind in "iub"]
    if discrete:
        raise ModelError(
            f"'{discrete[0]}' is a discrete unknown, over which no optimiser can move; "
            "sum it out, for instance with pm.Mixture"
        )
    if not model.free_RVs:
        raise ModelError("the model has no free variable, so there is nothing to estimate")
    lengths = {rv.name: value_of(model.rvs_to_values[rv]).shape[:1] for rv in model.observed_RVs}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"'{name}' has {n[0] if n else 1}" for name, n in lengths.items())
        raise ModelError(
            f"the observed variables stand on different numbers of rows ({said}); "
            "bind one model for each, or lay them out on the same rows"
        )


def _depends_on_others(rv: Variable, free: Sequence[Variable]) -> bool:
    others = set(free) - {rv}
    return any(ancestor in others for ancestor in ancestors(list(rv.owner.inputs)))


def value_of(variable: Variable) -> np.ndarray:
    """The array behind an observed value, before PyMC cast it to the outcome's type."""
    root = _uncast(variable)
    if isinstance(root, Constant):
        return np.asarray(root.data)
    if isinstance(root, SharedVariable):
        return np.asarray(root.get_value(borrow=True))
    return np.asarray(root.eval())


def _uncast(variable: Variable) -> Variable:
    """What a chain of casts starts from: a cast of 1.9 to an integer would hide it."""
    while variable.owner is not None and isinstance(
        getattr(variable.owner.op, "scalar_op", None), Cast
    ):
        variable = variable.owner.inputs[0]
    return variable


def _by_row(terms: Sequence[Variable]) -> Variable:
    """One term a row: axes beyond the first are summed into it, outcomes on one row added."""
    summed = [term.reshape((term.shape[0], -1)).sum(axis=1) if term.ndim > 1 else term
              for term in terms]  # fmt: skip
    return sum(pt.atleast_1d(term) for term in summed)


def _flat(pieces: Sequence[Variable]) -> Variable:
    return pt.concatenate([piece.ravel().astype("float64") for piece in pieces])


def _cut(vector: Variable, shapes: Sequence[tuple[int, ...]]) -> list[Variable]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [
        vector[int(end - np.prod(shape)) : int(end)].reshape(shape)
        for end, shape in zip(ends, shapes, strict=True)
    ]


def _with_lengths_written_in(model: pm.Model, outputs: list[Variable]) -> list[Variable]:
    """Coordinate lengths as numbers, but the rows' own as the length of the outcome."""
    observed = model.observed_RVs[0]
    row_dim = (model.named_vars_to_dims.get(observed.name) or (None,))[0]
    written: dict[Variable, Variable] = {}
    for dim, length in model.dim_lengths.items():
        if dim == row_dim and not isinstance(model.rvs_to_values[observed], Constant):
            written[length] = model.rvs_to_values[observed].shape[0].astype(length.dtype)
        elif isinstance(length, SharedVariable):
            written[length] = pt.constant(length.get_value(), dtype=length.dtype)
    return graph_replace(outputs, written, strict=False) if written else outputs


def _draw(
    model: pm.Model, of_theta: dict[Variable, Variable], inputs: dict[Variable, Variable]
) -> SymbolicDraw:
    drawn = graph_replace(list(model.observed_RVs), of_theta, strict=False)
    [outcome] = _with_lengths_written_in(model, drawn)
    return read_draw(outcome, model.rvs_to_values[model.observed_RVs[0]], inputs)


def _inputs(model: pm.Model, outputs: Sequence[Variable], count: int) -> dict[Variable, RowInput]:
    """What the outputs read: every `pm.Data`, and every constant as long as the rows."""
    found: dict[Variable, RowInput] = {}
    dims = model.named_vars_to_dims
    observed = {model.rvs_to_values[rv]: rv.name for rv in model.observed_RVs}
    row_dims = {dims[rv.name][0] for rv in model.observed_RVs if dims.get(rv.name)}
    for variable in ancestors(list(outputs)):
        if isinstance(variable, SharedVariable):
            value = np.asarray(variable.get_value(borrow=True))
            declared = dims.get(variable.name)
            by_row = (
                declared[0] in row_dims if declared and row_dims else value.shape[:1] == (count,)
            )
            name, kind = variable.name or "data", variable.type()
            along = _dims(model, variable.name, value.ndim)
            found[variable] = RowInput(name, kind, value, along, bool(by_row), constant=False)
        elif (
            isinstance(variable, Constant) and np.shape(variable.data)[:1] == (count,) and count > 1
        ):
            value = np.asarray(variable.data)
            name = observed.get(variable) or variable.name or _described(value)
            kind = pt.tensor(dtype=value.dtype, shape=(None,) * value.ndim)
            along = (None,) * value.ndim
            found[variable] = RowInput(name, kind, value, along, True, constant=True)
    return found


def _reads_rows(output: Variable, inputs: dict[Variable, RowInput]) -> bool:
    read = set(ancestors([output]))
    return any(row.varies_by_row and row.variable in read for row in inputs.values())


def _dims(model: pm.Model, name: str | None, axes: int) -> tuple[str | None, ...]:
    """The declared dimensions of a variable, None where an axis has none."""
    return tuple(model.named_vars_to_dims.get(name) or (None,) * axes)


def _rewriting(
    model: pm.Model,
    of_theta: dict[Variable, Variable],
    inputs: dict[Variable, RowInput],
    count: int,
) -> Rewriting:
    """What makes any expression of the model's unknowns and data one of theta and `inputs`."""

    def rewritten(expression: Variable) -> tuple[Variable, tuple[RowInput, ...]]:
        [output] = graph_replace([expression], of_theta, strict=False)
        [output] = _with_lengths_written_in(model, made_safe([output]))
        found = _inputs(model, [output], count)
        further = {old: new for old, new in found.items() if old not in inputs}
        replaced = {old: new.variable for old, new in {**inputs, **further}.items()}
        [output] = graph_replace([output], replaced, strict=False)
        return output.astype("float64"), tuple(further.values())

    return rewritten


def _row_dims(model: pm.Model, inputs: dict[Variable, RowInput]) -> set[str]:
    """The names that the declaration gives to the rows' dimension."""
    dims = model.named_vars_to_dims
    by_row = [rv.name for rv in model.observed_RVs]
    by_row += [row.name for row in inputs.values() if row.varies_by_row]
    return {dims[name][0] for name in by_row if dims.get(name) and dims[name][0]}


def _described(value: np.ndarray) -> str:
    first = ", ".join(f"{x:g}" for x in value.ravel()[:3])
    return f"the constant array of shape {value.shape} that begins {first}"


def _natural_shapes(model: pm.Model, initial: dict[str, np.ndarray]) -> list[tuple[int, ...]]:
    point = {model.rvs_to_values[rv].name: initial[model.rvs_to_values[rv].name]
             for rv in model.free_RVs}  # fmt: skip
    shapes = []
    for rv in model.free_RVs:
        if model.rvs_to_transforms[rv] is None:
            shapes.append(np.shape(point[model.rvs_to_values[rv].name]))
        elif all(length is not None for length in rv.type.shape):
            shapes.append(rv.type.shape)
        else:
            shapes.append(tuple(rv.shape.eval()))
    return shapes


def _unconstrained(
    model: pm.Model, naturals: Variable, shapes: Sequence[tuple[int, ...]]
) -> Variable:
    pieces = dict(zip(model.free_RVs, _cut(naturals, shapes), strict=True))
    forward = []
    for rv, piece in pieces.items():
        transform = model.rvs_to_transforms[rv]
        forward.append(piece if transform is None else transform.forward(piece, *rv.owner.inputs))
    return graph_replace([_flat(forward)], pieces, strict=False)[0]


def _parameter(
    model: pm.Model, rv: Any, shape: tuple[int, ...], theta_shape: tuple[int, ...]
) -> Parameter:
    transform = model.rvs_to_transforms[rv]
    support, label = "(-∞, ∞)", "{}"
    if transform is not None:
        support, label = SUPPORTS.get(transform.name, (transform.name, transform.name + " {}"))
    labels = _labels(model, rv.name, shape)
    same = len(labels) == int(np.prod(theta_shape))
    theta_labels = labels if same else _labels(None, rv.name, theta_shape)
    return Parameter(
        name=rv.name,
        shape=shape,
        dims=_dims(model, rv.name, len(shape)),
        labels=labels,
        theta_labels=tuple(label.format(name) for name in theta_labels),
        prior=_prior(rv),
        support=support,
    )


def _prior(rv: Any) -> str:
    """As PyMC prints it, with the numbers that it computes from those declared.

    A rate is one over a scale to PyMC, which is what stands there then, by its name.
    """
    said = rv.str_repr().split("~", 1)[-1].strip() if hasattr(rv, "str_repr") else rv.name
    if COMPUTED not in said or not isinstance(rv.owner.op, RandomVariable):
        return said
    family, _, rest = said.partition("(")
    shown = rest.removesuffix(")").split(", ")
    known = constant_fold(rv.owner.op.dist_params(rv.owner), raise_not_constant=False)
    if len(shown) != len(known):
        return said.replace(COMPUTED, "...")
    for place, (text, value) in enumerate(zip(shown, known, strict=True)):
        if text == COMPUTED:
            numbers = np.unique(value) if isinstance(value, np.ndarray) else np.empty(0)
            scale = "scale " * (place == SCALED.get(family, -1))
            shown[place] = f"{scale}{numbers[0]:.3g}" if len(numbers) == 1 else "..."
    return f"{family}({', '.join(shown)})"


def _labels(model: pm.Model | None, name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    if not shape:
        return (name,)
    dims = _dims(model, name, len(shape)) if model else (None,) * len(shape)
    axes = []
    for dim, length in zip(dims, shape, strict=True):
        coordinate = model.coords.get(dim) if model and dim else None
        axes.append(range(length) if coordinate is None else coordinate)
    return tuple(f"{name}[{', '.join(str(c) for c in point)}]" for point in product(*axes))


def _single_precision(pointwise: Variable) -> tuple[str, ...]:
    """Python literals of a ready model that the likelihood holds to 7 digits only.

    With 0 and 1 nothing inexact is computed; a function of any other number is.
    """
    found = set()
    for variable in ancestors([pointwise]):
        single = getattr(variable.type, "dtype", "") in ("float32", "float16")
        if single and isinstance(variable, Constant):
            found |= {
                f"{value:g}" for value in np.unique(variable.data) if abs(value) not in (0, 1)
            }
    return tuple(sorted(found))
