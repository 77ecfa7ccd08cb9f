"""A fit on given rows: cross-entropy and its error, calibration, and what may be called KL."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import xarray as xr

from workbench import density, information, recorded
from workbench.density import Distribution
from workbench.errors import ModelError
from workbench.estimate import Estimate
from workbench.information import Divergence, Mean
from workbench.optimum import Status
from workbench.problem import Problem, Rows
from workbench.recorded import Recording, recording_of

# One randomised PIT of counts moves the calibration KL by about its standard error from seed to
# seed; the mean of twenty does not.
RANDOMISATIONS = 20
SEVERAL = "rows with several outcomes have no single distribution, and so no PIT, mean or shares"


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
    blocks: np.ndarray | None  # of neighbours in time, where it is declared and no group is
    recording: Recording  # between the recorded outcome and the one that the model takes in
    distribution: Distribution | None  # of the outcome as modelled; None where a row has several
    discrete: bool  # whether `pointwise` are log probabilities; else log densities, with units
    conditional: bool  # whether the distribution differs between rows
    training_nll: float  # NLL per training row, nats
    k: int  # free parameters of the fit
    status: str  # the verdict on the fit's optimum
    seed: int
    problem: Problem = field(repr=False)  # the declaration on these rows
    theta: np.ndarray  # where it was evaluated

    @property
    def ranked(self) -> bool:
        """Whether the fit has a maximum that can be compared with others."""
        return Status(self.status).determined

    @property
    def ordered(self) -> bool:
        """Whether an outcome is one number, which has a distribution function and a mean."""
        return self.distribution is not None

    @property
    def nll(self) -> float:
        """The sum over rows, in nats."""
        return float(self.weights @ self.pointwise)

    @cached_property
    def cross_entropy(self) -> Mean:
        """nll / n: on held-out rows an estimate of H + KL, in nats per row."""
        return self.mean(self.pointwise)

    def mean(self, values: np.ndarray) -> Mean:
        """Of one value a row, in nats, with the error that these rows' weights and units give."""
        return information.mean(values, weights=self.weights, groups=self.units)

    def losses(self, theta: np.ndarray) -> np.ndarray:
        """The rows' losses under other parameters, unconstrained; nats, (m,)."""
        return recorded.losses(self.problem, theta, self.recording, self.observed)

    @property
    def units(self) -> np.ndarray | None:
        """Of each row the unit that is independent of others: group or block; None for the row."""
        return self.blocks if self.groups is None else self.groups

    @property
    def modelled(self) -> np.ndarray:
        """The outcomes as the model takes them in."""
        return np.asarray(self.problem.rows.observed, float)

    @cached_property
    def atoms(self) -> np.ndarray:
        """Rows whose loss is -log of a probability; of the others it is of a density, (m,)."""
        rounded = self.recording.width is not None
        return recorded.atoms(self.distribution, self.modelled, self.discrete or rounded)

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
        of, (below, at) = self._single, self.recording.cell(self.observed)
        low, high = density.log_distribution_function, density.log_survival_function
        lower, upper = (low(of, below), low(of, at)), (high(of, below), high(of, at))
        rng = np.random.default_rng(self.seed)
        spread_out = density.has_atoms(of) or self.recording.width is not None
        repeats = RANDOMISATIONS if spread_out else 1
        return np.array([information.normal_scores(lower, upper, rng) for _ in range(repeats)])

    @cached_property
    def pit(self) -> np.ndarray:
        """The (first randomised) probability integral transform: uniform under the model, (m,)."""
        return information.uniform_scores(self.normal_scores[0])

    @cached_property
    def kl(self) -> Divergence:
        """What may be said of KL(truth || model) from these rows, with its conditions.

        For a model with predictors it is the calibration KL, a lower bound. On the training
        rows there is none: it would be biased by the fit.
        """
        if not self.heldout:
            return _no_divergence(
                "no KL from the rows the model was fitted on; evaluate held-out rows"
            )
        if not (self.weights == 1).all():
            return _no_divergence("no KL for weighted rows: the spacings of repeated rows are zero")
        if not self.ordered:
            return _no_divergence(SEVERAL)
        scores = self.normal_scores[0]
        if len(np.unique(scores)) < len(scores):
            return _no_divergence(
                "no KL for outcomes that repeat under a continuous model: their rounding is not "
                "declared, or a model for counts is wanted"
            )
        label = "calibration KL, a lower bound" if self.conditional else "KL"
        return information.calibration_divergence(
            self.normal_scores, groups=self.units, label=label
        )

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
        if self.distribution is None:
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
    single = observed.ndim == 1 and problem.graph.distribution is not None
    distribution = problem.distribution(fit.theta) if single else None
    return Evaluation(
        name=fit.problem.name,
        heldout=data is not None and not _seen(fit.problem.rows, problem.rows),
        pointwise=recorded.losses(problem, fit.theta, recording, observed),
        observed=observed,
        labels=np.asarray(problem.rows.labels),
        weights=problem.rows.weights,
        groups=problem.rows.groups,
        blocks=recorded.blocks_of(problem, known, blocks),
        recording=recording,
        distribution=distribution,
        discrete=density.is_discrete(distribution) if distribution else problem.graph.discrete,
        conditional=distribution is None or _varies(distribution),
        training_nll=_training_nll(fit, training),
        k=fit.k,
        status=fit.status,
        seed=seed,
        problem=problem,
        theta=fit.theta,
    )


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


def _varies(distribution: Distribution) -> bool:
    """Whether any parameter differs between rows."""
    own = any(np.size(p) > 1 and np.ptp(p, axis=0).max() > 0 for p in distribution.parameters)
    return own or any(_varies(component) for component in distribution.components)


def _no_divergence(reason: str) -> Divergence:
    nothing = Mean(float("nan"), float("nan"), 0)
    return Divergence(nothing, "KL", float("nan"), None, reason)
