"""A fit on given rows: cross-entropy and its error, calibration, and what may be called KL."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import xarray as xr

from workbench import density, divergences, information, recorded
from workbench.density import Distribution
from workbench.divergences import SEVERAL, no_divergence
from workbench.errors import ModelError
from workbench.estimate import Estimate
from workbench.information import Divergence, InformationLeft, Mean
from workbench.optimum import Status
from workbench.problem import Problem, Rows
from workbench.problem.grouping import MEMBER
from workbench.recorded import Recording, recording_of

# One randomised PIT of counts moves the calibration KL by about its standard error from seed to
# seed; the mean of twenty does not.
RANDOMISATIONS = 20
FITTED = "the expected outcome"  # a column beside the predictors
TIME = "the time"
LEFT_OUT = "one by one"
MOST_REPEATED = 1_000_000  # rows that frequency weights may make


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A fit on rows it was not fitted on (or, if `heldout` is false, on its own).

    Lower is better for `nll` and `cross_entropy`. Losses are of the outcome as it was recorded:
    a change of variables (`log(y) ~ x`) is undone, and with a declared rounding width the loss of
    a continuous outcome is -log probability of its cell. Standard errors respect the declared
    groups, and else blocks of rows that are neighbours in time.
    """

    name: str
    heldout: bool
    pointwise: np.ndarray  # NLL of each row, nats, (m,)
    observed: np.ndarray  # outcome of each row, as recorded; several along a second axis
    labels: np.ndarray  # the rows' original labels
    weights: np.ndarray  # frequency weights
    groups: np.ndarray | None
    clusters: np.ndarray | None  # the groups, else blocks in time: what standard errors respect
    times: np.ndarray | None  # of each row, where declared
    recording: Recording  # between the recorded outcome and the one that the model takes in
    distribution: Distribution | None  # of each row as modelled; None where several have no one
    discrete: bool  # whether `pointwise` are log probabilities; else log densities, with units
    conditional: bool  # whether the distribution differs between rows
    training_nll: float  # NLL per training row, nats
    k: int  # free parameters of the fit
    status: str  # the verdict on the fit's optimum
    seed: int
    problem: Problem = field(repr=False)  # the declaration on these rows
    theta: np.ndarray  # where it was evaluated
    left_out: str = ""  # how rows were left out of the fits their losses are under; empty: not

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
        counted = self.weights > 0
        return float(self.weights[counted] @ self.pointwise[counted])

    @cached_property
    def cross_entropy(self) -> Mean:
        """nll / n: on held-out rows an estimate of H + KL, in nats per row."""
        return self.mean(self.pointwise)

    def mean(self, values: np.ndarray) -> Mean:
        """Of one value a row, in nats, with the error that these rows' weights and units give."""
        return information.mean(values, weights=self.weights, groups=self.clusters)

    @cached_property
    def unweighted(self) -> "Evaluation":
        """The same with each row as often as its weight says, where weights count few rows.

        So each has a draw of its own where the PIT is randomised. Itself for weights of 1, and
        for those that are no whole numbers or make more than a million rows.
        """
        times = self.weights
        if (times == 1).all() or (times % 1).any() or times.sum() > MOST_REPEATED:
            return self
        places = np.repeat(np.arange(len(times)), times.astype(int))
        return self._at(places, self.problem.unweighted())

    def _at(self, places: np.ndarray, problem: Problem) -> "Evaluation":
        """The rows at these places, as often as they are named, which are those of `problem`."""

        def taken(array: np.ndarray | None) -> np.ndarray | None:
            return None if array is None else array[places]

        return replace(
            self,
            pointwise=self.pointwise[places],
            observed=self.observed[places],
            labels=self.labels[places],
            weights=problem.rows.weights,
            groups=taken(self.groups),
            clusters=taken(self.clusters),
            times=taken(self.times),
            distribution=problem.distribution(self.theta) if self.distribution else None,
            problem=problem,
        )

    @property
    def _drawn_apart(self) -> "Evaluation":
        """With weights undone where repeated rows do not tie: their scores are randomised."""
        spread_out = self.ordered and density.has_atoms(self._single)
        return self.unweighted if spread_out or self.recording.width is not None else self

    def losses(self, theta: np.ndarray) -> np.ndarray:
        """The rows' losses under other parameters, unconstrained; nats, (m,)."""
        return recorded.losses(self.problem, theta, self.recording, self.observed)

    @property
    def modelled(self) -> np.ndarray:
        """The outcomes as the model takes them in."""
        return np.asarray(self.problem.rows.observed, float)

    @cached_property
    def atoms(self) -> np.ndarray:
        """Rows whose loss is -log of a probability; of the others it is of a density, (m,)."""
        rounded = self.recording.width is not None
        of = self.distribution if self.ordered else None
        return recorded.atoms(of, self.modelled, self.discrete or rounded)

    @property
    def atom_parts(self) -> tuple[float, Mean, Mean] | None:
        """Of a hurdle, or of censored rows: the share of rows at an atom, and CE's two parts.

        What rows at an atom add to CE, and what the others do, both per row of all; they add up.
        None where no row is at an atom, or every one.
        """
        share = float(self.weights @ self.atoms / self.weights.sum())
        if share in (0.0, 1.0):
            return None
        at, beside = (self.mean(np.where(part, self.pointwise, 0.0))
                      for part in (self.atoms, ~self.atoms))  # fmt: skip
        return share, at, beside

    @cached_property
    def normal_scores(self) -> np.ndarray:
        """The PIT as standard normal scores, accurate in both tails; SciPy's, (R, m).

        For outcomes with atoms it is randomised, R times; else R is 1. Raises ModelError for
        several outcomes on one row, as `pit`, `expected` and `frequencies` do.
        """
        of, rng = self._single, np.random.default_rng(self.seed)
        spread_out = density.has_atoms(of) or self.recording.width is not None
        repeats = RANDOMISATIONS if spread_out else 1
        return divergences.normal_scores(of, self.observed, rng, repeats, self.recording.cell)

    @cached_property
    def pit(self) -> np.ndarray:
        """The (first randomised) probability integral transform: uniform under the model, (m,)."""
        return information.uniform_scores(self.normal_scores[0])

    @cached_property
    def kl(self) -> Divergence:
        """What may be said of KL(truth || model) from these rows, with its conditions.

        For a model with predictors it is the calibration KL, a lower bound. On the training
        rows there is none: it would be biased by the fit. Rows of several numbers have it up to
        three; `further_kl` has what is known beyond.
        """
        if not self.heldout:
            return no_divergence(
                "no KL from the rows the model was fitted on; evaluate held-out rows, or take "
                "wb.leave_one_out(fit).kl"
            )
        if not self.ordered:
            return self._of_vectors[0]
        of, rounded = self._drawn_apart, self.recording.width is not None
        return divergences.divergence(
            of._single,
            of.observed if rounded else of.modelled,
            lambda: of.normal_scores,
            conditional=self.conditional,
            weights=of.weights,
            groups=of.clusters,
            cell=self.recording.cell if rounded else divergences.own_cell,
            width=self.recording.width,
        )

    @cached_property
    def further_kl(self) -> tuple[Divergence, ...]:
        """What else may be said of KL from these rows; each number stands for itself.

        Of several numbers a row lower bounds that exist in any number of dimensions. Of discrete
        outcomes that repeat with the same predictors, KL given these, or, where values that are
        hardly expected had to be put together, a lower bound of it.
        """
        if not self.heldout:
            return ()
        if not self.ordered:
            return self._of_vectors[1:]
        if not self.conditional or self.clusters is not None:
            return ()
        found = divergences.given_predictors(
            self._single, self.modelled, self.weights, [*_predictors(self.problem).values()]
        )
        return () if found is None else (found,)

    @cached_property
    def information_left(self) -> InformationLeft:
        """What the predictors still tell of the PIT, I(u; x) of each, against its null.

        With the calibration KL it makes up KL, of all predictors together; that of one is a part.
        The model's expected outcome stands among them, and the time where it is declared.
        """
        if not self.heldout:
            return information.nothing_left("asked of rows that are held out")
        if not self.ordered:
            return information.nothing_left("asked of one outcome a row alone")
        if not self.conditional and self.times is None:
            return information.nothing_left("the model has no predictors to ask")
        if not (self.weights == 1).all():
            apart = self._drawn_apart
            if apart is not self:
                return apart.information_left
            return information.nothing_left("not asked of weighted rows")
        columns = _predictors(self.problem)
        expected = np.broadcast_to(density.mean(self._single), self.observed.shape)
        if self._single.name != "Categorical" and np.isfinite(expected).all():
            columns[FITTED] = expected
        if self.times is not None:
            columns[TIME] = np.unique(self.times, return_inverse=True)[1].astype(float)
        columns = _distinct(columns)
        return information.information_left(
            self.normal_scores[0],
            np.array([*columns.values()]).T if columns else np.empty((len(self.labels), 0)),
            tuple(columns),
            groups=self.clusters,
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
        z = divergences.whitened(of, self.modelled, np.random.default_rng(self.seed))
        return divergences.vector_divergences(z, conditional=self.conditional, groups=self.clusters)

    @cached_property
    def expected(self) -> np.ndarray:
        """Expected outcome of each row, (m,). Raises ModelError where the outcome was changed."""
        if self.recording.change.steps:
            raise ModelError(
                f"the model expects a mean of {self.recording.change.text}, which is not that of "
                "the outcome itself"
            )
        return np.broadcast_to(density.mean(self._single), self.observed.shape).copy()

    @cached_property
    def rows_hash(self) -> str:
        """Identity of the rows: their labels and outcomes, in order; never their predictors.

        Outcomes to 12 digits: those that a change of variables was undone for have no more.
        """
        digest = hashlib.sha256()
        for label in self.labels:
            digest.update(f"{label}\0".encode())
        digest.update("\0".join(f"{value:.12g}" for value in np.ravel(self.observed)).encode())
        digest.update(np.ascontiguousarray(self.weights, float).tobytes())
        return digest.hexdigest()

    def simulated(self, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Outcomes drawn from the fitted model for the rows at these places, as recorded.

        Raises ModelError where rows are not separate or the model has no random draw.
        """
        return self.recording.drawn(self.problem.among(places).simulate(self.theta, rng))

    def quantiles_at(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nodes of an integral over the outcomes of these rows: weights (q,), as recorded (q, r).

        Of one of `density.FAMILIES` with a density.
        """
        law = self.problem.among(places).distribution(self.theta)
        ends = np.full(len(places), -np.inf), np.full(len(places), np.inf)
        nodes = list(density.quantiles_between(law, *ends))
        quantiles = np.array([np.broadcast_to(quantile, places.shape) for *_, quantile in nodes])
        return np.array([weight for weight, *_ in nodes]), self.recording.drawn(quantiles)

    def losses_at(self, places: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
        """The loss of other outcomes in the rows at these places, nats; infinite if impossible.

        Raises ModelError where rows are not separate, DataError for outcomes that do not fit.
        """
        problem, modelled = self.problem.among(places), self.recording.change(outcomes)
        possible = np.isfinite(modelled)
        if problem.graph.discrete:
            possible = possible & (modelled >= 0) & (modelled == np.floor(modelled))
        known = np.where(possible, modelled, problem.rows.observed)
        found = recorded.losses(problem.with_outcomes(known), self.theta, self.recording, outcomes)
        apart = possible.reshape(len(places), -1).all(axis=1)
        return np.where(apart, found, np.inf)

    def frequencies(self, values: np.ndarray) -> np.ndarray:
        """For counts: the share of rows that the model expects at each value."""
        wanted = [float(value) for value in values]
        return density.probabilities(self._single, wanted, weights=self.weights)

    @property
    def _single(self) -> Distribution:
        if self.distribution is None or not self.ordered:
            raise ModelError(SEVERAL)
        return self.distribution


def evaluate(
    fit: Estimate,
    data: xr.Dataset | None = None,
    *,
    change: str | None = None,
    blocks: int | None = None,
    seed: int = 0,
) -> Evaluation:
    """The fit on the rows of `data`, or on its own training rows where there are none.

    change
        The function of the recorded outcome, `log(visits)`, that the model's outcome is: losses
        are then told of the recorded one, and compare with those of models of that. A formula
        `log(visits) ~ x` has said so.
    blocks
        Into how many contiguous blocks rows are cut for standard errors: in time where it is
        declared, else in their order. By default, in time, as many as fit 2 m^(1/3) long. Groups,
        where they are declared, go before.
    seed
        Of the randomised PIT, and of outcomes simulated for comparisons.

    Raises ModelError for a fit without a finite optimum, DataError for rows that do not fit the
    declaration.
    """
    if not np.isfinite(fit.optimum.value):
        raise ModelError(
            f"{fit.problem.name} has no finite optimum to evaluate: {fit.optimum.verdict.advice}"
        )
    problem = fit.problem if data is None else fit.problem.on(data)
    known = fit.problem.dataset if data is None else data
    recording, training = (recording_of(one, of, change) for one, of in
                           ((problem, known), (fit.problem, fit.problem.dataset)))  # fmt: skip
    observed = recorded.outcomes(problem, recording, known)
    distribution = problem.distribution(fit.theta) if _told_apart(problem, observed) else None
    single = distribution if observed.ndim == 1 else None
    return Evaluation(
        name=fit.problem.name,
        heldout=data is not None and not _seen(fit.problem.rows, problem.rows),
        pointwise=recorded.losses(problem, fit.theta, recording, observed),
        observed=observed,
        labels=np.asarray(problem.rows.labels),
        weights=problem.rows.weights,
        groups=problem.rows.groups,
        clusters=recorded.clusters_of(problem, known, blocks),
        times=recorded.times_of(problem, known),
        recording=recording,
        distribution=distribution,
        discrete=density.is_discrete(single) if single else problem.graph.discrete,
        conditional=distribution is None or divergences.varies(distribution, len(observed)),
        training_nll=_training_nll(fit, training),
        k=fit.k,
        status=fit.status,
        seed=seed,
        problem=problem,
        theta=fit.theta,
    )


def left_out(fit: Estimate, losses: np.ndarray, how: str) -> Evaluation:
    """The training rows of a fit, each under one that has not seen it: losses (n,), nats.

    They are of the outcome as the model takes it in, and NaN for rows that no fit left out, which
    are left out here too. Such rows compare like held-out ones, but have no KL: the distributions
    are those of the whole fit.
    """
    seen = evaluate(fit)
    found = replace(
        seen, pointwise=seen.pointwise + losses + fit.problem.pointwise(fit.theta), left_out=how
    )
    kept = np.flatnonzero(~np.isnan(losses))
    return found if len(kept) == len(losses) else found._at(kept, seen.problem.among(kept))


def _training_nll(fit: Estimate, recording: Recording) -> float:
    """Of the recorded outcomes of the training rows, nats per row."""
    whole = -fit.llf if recording.plain else recorded.nll(fit.problem, fit.theta, recording)
    return whole / fit.nobs


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
