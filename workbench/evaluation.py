"""A fit on given rows: cross-entropy and its error, calibration, and what may be called KL."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import xarray as xr

from workbench import density, information
from workbench.density import Distribution
from workbench.errors import ModelError
from workbench.estimate import Estimate
from workbench.information import Divergence, Mean
from workbench.optimum import Status
from workbench.problem import Problem, Rows

# One randomised PIT of counts moves the calibration KL by about its standard error from seed to
# seed; the mean of twenty does not.
RANDOMISATIONS = 20
SEVERAL = "rows with several outcomes have no single distribution, and so no PIT, mean or shares"


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
    distribution: Distribution | None  # of each row's outcome; None where a row has several
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
        return information.mean(self.pointwise, weights=self.weights, groups=self.groups)

    @cached_property
    def normal_scores(self) -> np.ndarray:
        """The PIT as standard normal scores, accurate in both tails; SciPy's, (R, m).

        For outcomes with atoms it is randomised, R times; else R is 1. Raises ModelError for
        several outcomes on one row, as `pit`, `expected` and `frequencies` do.
        """
        of, below, at = self._single, density.just_below(self.observed), self.observed
        low, high = density.log_distribution_function, density.log_survival_function
        lower, upper = (low(of, below), low(of, at)), (high(of, below), high(of, at))
        rng = np.random.default_rng(self.seed)
        repeats = RANDOMISATIONS if density.has_atoms(of) else 1
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
            self.normal_scores, groups=self.groups, label=label
        )

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

    def simulated(self, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Outcomes drawn from the fitted model for the rows at these places, repeats apart.

        Raises ModelError where rows are not separate or the model has no random draw.
        """
        return self.problem.among(places).simulate(self.theta, rng)

    def losses_at(self, places: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
        """The loss of other outcomes in the rows at these places, nats; infinite if impossible.

        Raises ModelError where rows are not separate, DataError for outcomes that do not fit.
        """
        return -self.problem.among(places).with_outcomes(outcomes).pointwise(self.theta)

    def frequencies(self, values: np.ndarray) -> np.ndarray:
        """For counts: the share of rows that the model expects at each value."""
        wanted = [float(value) for value in values]
        return density.probabilities(self._single, wanted, weights=self.weights)

    @property
    def _single(self) -> Distribution:
        if self.distribution is None:
            raise ModelError(SEVERAL)
        return self.distribution


def evaluate(fit: Estimate, data: xr.Dataset | None = None, *, seed: int = 0) -> Evaluation:
    """The fit on the rows of `data`, or on its own training rows where there are none.

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
    observed = np.asarray(problem.rows.observed, float)
    single = observed.ndim == 1 and problem.graph.distribution is not None
    distribution = problem.distribution(fit.theta) if single else None
    return Evaluation(
        name=fit.problem.name,
        heldout=data is not None and not _seen(fit.problem.rows, problem.rows),
        pointwise=-problem.pointwise(fit.theta),
        observed=observed,
        labels=np.asarray(problem.rows.labels),
        weights=problem.rows.weights,
        groups=problem.rows.groups,
        distribution=distribution,
        discrete=density.is_discrete(distribution) if distribution else problem.graph.discrete,
        conditional=distribution is None or _varies(distribution),
        training_nll=-fit.llf / fit.nobs,
        k=fit.k,
        status=fit.status,
        seed=seed,
        problem=problem,
        theta=fit.theta,
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


def _varies(distribution: Distribution) -> bool:
    """Whether any parameter differs between rows."""
    own = any(np.size(p) > 1 and np.ptp(p, axis=0).max() > 0 for p in distribution.parameters)
    return own or any(_varies(component) for component in distribution.components)


def _no_divergence(reason: str) -> Divergence:
    nothing = Mean(float("nan"), float("nan"), 0)
    return Divergence(nothing, "KL", float("nan"), None, reason)
