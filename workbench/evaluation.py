"""A fit on given rows: cross-entropy and its error, calibration, and what may be called KL."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from workbench import density, divergences, information
from workbench.density import Distribution
from workbench.divergences import SEVERAL, no_divergence
from workbench.errors import ModelError
from workbench.estimate import Estimate
from workbench.information import Divergence, InformationLeft, Mean
from workbench.optimum import Status
from workbench.problem import Problem, Rows
from workbench.problem.grouping import MEMBER

# One randomised PIT of counts moves the calibration KL by about its standard error from seed to
# seed; the mean of twenty does not.
RANDOMISATIONS = 20
FITTED = "the expected outcome"  # a column beside the predictors


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A fit on rows it was not fitted on (or, if `heldout` is false, on its own).

    Lower is better for `nll` and `cross_entropy`. Standard errors respect the declared groups.
    """

    name: str
    heldout: bool
    pointwise: np.ndarray  # NLL of each row, nats, (m,)
    observed: np.ndarray  # outcome of each row; several numbers along a second axis
    labels: np.ndarray  # the rows' original labels
    weights: np.ndarray  # frequency weights
    groups: np.ndarray | None
    distribution: Distribution | None  # of each row; None where several outcomes have no one
    discrete: bool  # whether `pointwise` are log probabilities; else log densities, with units
    conditional: bool  # whether the distribution differs between rows
    training_nll: float  # NLL per training row, nats
    status: str  # the verdict on the fit's optimum
    predictors: Mapping[str, np.ndarray]  # by name, what the model reads that differs by row, (m,)
    seed: int

    @property
    def ranked(self) -> bool:
        """Whether the fit has a maximum that can be compared with others."""
        return Status(self.status).determined

    @property
    def ordered(self) -> bool:
        """Whether an outcome is one number, which has a distribution function and a mean."""
        return self.distribution is not None and self.observed.ndim == 1

    @property
    def nll(self) -> float:
        """The sum over rows, in nats."""
        return float(self.weights @ self.pointwise)

    @cached_property
    def cross_entropy(self) -> Mean:
        """nll / n: on held-out rows an estimate of H + KL, in nats per row."""
        return information.mean(self.pointwise, weights=self.weights, groups=self.groups)

    @cached_property
    def normal_scores(self) -> np.ndarray:
        """The PIT as standard normal scores, accurate in both tails; SciPy's, (R, m).

        For outcomes with atoms it is randomised, R times; else R is 1. Raises ModelError for
        several outcomes on one row, as `pit`, `expected` and `frequencies` do.
        """
        of, rng = self._single, np.random.default_rng(self.seed)
        repeats = RANDOMISATIONS if density.has_atoms(of) else 1
        return divergences.normal_scores(of, self.observed, rng, repeats)

    @cached_property
    def pit(self) -> np.ndarray:
        """The (first randomised) probability integral transform: uniform under the model, (m,)."""
        return information.uniform_scores(self.normal_scores[0])

    @cached_property
    def kl(self) -> Divergence:
        """What may be said of KL(truth || model) from these rows, with its conditions.

        For a model with predictors it is the calibration KL, a lower bound. On the training
        rows there is none: it would be biased by the fit. Rows of several numbers have it up to
        three; `kl_bounds` has what is known beyond.
        """
        if not self.heldout:
            return no_divergence(
                "no KL from the rows the model was fitted on; evaluate held-out rows"
            )
        if not self.ordered:
            return self._of_vectors[0]
        return divergences.divergence(
            self._single,
            self.observed,
            lambda: self.normal_scores,
            conditional=self.conditional,
            weights=self.weights,
            groups=self.groups,
        )

    @property
    def kl_bounds(self) -> tuple[Divergence, ...]:
        """For several numbers a row: lower bounds of KL that exist in any number of dimensions."""
        return self._of_vectors[1:] if self.heldout and not self.ordered else ()

    @cached_property
    def information_left(self) -> InformationLeft:
        """What the predictors still tell of the PIT, I(u; x) of each, against its null.

        With the calibration KL it makes up KL, of all predictors together; that of one is a part.
        The model's expected outcome stands among them, as a column of its own.
        """
        if not self.heldout or not self.ordered or not self.conditional:
            return information.nothing_left("asked of one outcome a row, held out, with predictors")
        if not (self.weights == 1).all():
            return information.nothing_left("not asked of weighted rows")
        columns = dict(self.predictors)
        expected = np.broadcast_to(density.mean(self._single), self.observed.shape)
        if self._single.name != "Categorical" and np.isfinite(expected).all():
            columns[FITTED] = expected
        columns = _distinct(columns)
        return information.information_left(
            self.normal_scores[0],
            np.array([*columns.values()]).T if columns else np.empty((len(self.labels), 0)),
            tuple(columns),
            groups=self.groups,
            rng=np.random.default_rng(self.seed),
        )

    @cached_property
    def _of_vectors(self) -> tuple[Divergence, ...]:
        of = self.distribution
        if of is None:
            return (no_divergence(SEVERAL),)
        if density.is_vector(of) and of.name != "MultivariateNormal":
            return (no_divergence("no KL of several numbers a row that are no normal vector"),)
        if not (self.weights == 1).all():
            return (no_divergence("no KL for weighted rows: neighbours at no distance"),)
        z = divergences.whitened(of, self.observed, np.random.default_rng(self.seed))
        return divergences.vector_divergences(z, conditional=self.conditional, groups=self.groups)

    @cached_property
    def expected(self) -> np.ndarray:
        """Expected outcome of each row, (m,)."""
        return np.broadcast_to(density.mean(self._single), self.observed.shape).copy()

    @property
    def rows_hash(self) -> str:
        """Identity of the rows: their labels and outcomes, in order; never their predictors."""
        digest = hashlib.sha256()
        for label in self.labels:
            digest.update(f"{label}\0".encode())
        digest.update(np.ascontiguousarray(self.observed, float).tobytes())
        digest.update(np.ascontiguousarray(self.weights, float).tobytes())
        return digest.hexdigest()

    def frequencies(self, values: np.ndarray) -> np.ndarray:
        """For counts: the share of rows that the model expects at each value."""
        wanted = [float(value) for value in values]
        return density.probabilities(self._single, wanted, weights=self.weights)

    @property
    def _single(self) -> Distribution:
        if self.distribution is None or not self.ordered:
            raise ModelError(SEVERAL)
        return self.distribution


def evaluate(fit: Estimate, data: xr.Dataset | None = None, *, seed: int = 0) -> Evaluation:
    """The fit on the rows of `data`, or on its own training rows where there are none.

    seed
        Of the randomised PIT. Raises ModelError for a fit without a finite optimum, DataError
        for rows that do not fit the declaration.
    """
    if not np.isfinite(fit.optimum.value):
        raise ModelError(
            f"{fit.problem.name} has no finite optimum to evaluate: {fit.optimum.verdict.advice}"
        )
    problem = fit.problem if data is None else fit.problem.on(data)
    observed = np.asarray(problem.rows.observed, float)
    distribution = problem.distribution(fit.theta) if _told_apart(problem, observed) else None
    single = distribution is not None and observed.ndim == 1
    return Evaluation(
        name=fit.problem.name,
        heldout=data is not None and not _seen(fit.problem.rows, problem.rows),
        pointwise=-problem.pointwise(fit.theta),
        observed=observed,
        labels=np.asarray(problem.rows.labels),
        weights=problem.rows.weights,
        groups=problem.rows.groups,
        distribution=distribution,
        discrete=density.is_discrete(distribution)
        if single and distribution
        else problem.graph.discrete,
        conditional=distribution is None or divergences.varies(distribution, len(observed)),
        training_nll=-fit.llf / fit.nobs,
        status=fit.status,
        predictors=_predictors(problem),
        seed=seed,
    )


def _seen(training: Rows, rows: Rows) -> bool:
    """Whether all the rows are training rows: by label, and by everything that they hold."""
    place = {label: index for index, label in enumerate(training.labels.tolist())}
    at = [place.get(label, -1) for label in rows.labels.tolist()]
    if -1 in at:
        return False
    pairs = zip(training.arrays, rows.arrays, strict=True)
    return all(
        np.array_equal(known[at], new) for known, new in pairs if len(known) == training.count
    )


def _told_apart(problem: Problem, observed: np.ndarray) -> bool:
    """Whether the outcome has a distribution of its own in each row, and is not a whole group's.

    Several numbers a row have one if they are independent, or a vector's that is known.
    """
    tree = problem.graph.distribution
    if tree is None or observed.ndim > 2:
        return False
    known = tree.name in density.FAMILIES or tree.name in density.VECTORS
    by_group = any(MEMBER in row.dims for row in problem.graph.inputs)
    return observed.ndim == 1 or (known and not by_group)


def _predictors(problem: Problem) -> dict[str, np.ndarray]:
    """Columns that differ between rows, of all that the likelihood reads but the outcome.

    By the coordinate of their column, or their own name. None where the outcome is computed
    inside the model, and may be among them.
    """
    graph, found = problem.graph, dict[str, np.ndarray]()
    if graph.outcome is None:
        return found
    for row, array in zip(graph.inputs, problem.rows.arrays, strict=True):
        if not row.varies_by_row or row.name == graph.outcome or array.ndim not in (1, 2):
            continue
        labels = graph.coords.get(row.dims[-1] or "") if array.ndim == 2 else (row.name,)
        columns = array.reshape(len(array), -1).T.astype(float)
        for place, column in enumerate(columns):
            label = f"{row.name}[{place}]" if labels is None else str(labels[place])
            found[f"{row.name}[{label}]" if label in found else label] = column
    return found


def _distinct(columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without those that are the same in all rows, or in the order of rows like another."""
    found, orders = dict[str, np.ndarray](), set[bytes]()
    for name, column in columns.items():
        ranks = np.unique(column, return_inverse=True)[1]
        alike = {ranks.tobytes(), (ranks.max() - ranks).tobytes()}
        if ranks.max() > 0 and not alike & orders:
            found[name] = column
            orders |= alike
    return found
