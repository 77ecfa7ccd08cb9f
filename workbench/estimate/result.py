"""A point estimate as users meet it: labelled, on the natural scale, with its uncertainty."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workbench.errors import ModelError
from workbench.estimate import covariances, hypotheses, prediction, score_test
from workbench.estimate.bootstrap import Bootstrap, Note, bootstrap, on_terminal
from workbench.estimate.bounds import Bounds, standing
from workbench.estimate.consistency import ConsistencyTest, consistency_test
from workbench.estimate.datatree import datatree
from workbench.estimate.intervals import contour, limits, profile
from workbench.estimate.laplace import DRAWS, Laplace, laplace
from workbench.estimate.minimised import minimised
from workbench.estimate.objective import PRIOR, Loss
from workbench.estimate.summary import summary
from workbench.optimum import Held, Objective, Optimum, Point
from workbench.problem import Problem


@dataclass(frozen=True, eq=False)
class Estimate:
    """A point estimate on the natural scale, its uncertainty, and the verdict on the optimum.

    `objective` is "likelihood" or "joint" (likelihood and prior). All values are in nats;
    `params`, `bse` and limits are labelled by parameter and coordinate, as declared.
    """

    problem: Problem
    objective: str
    optimum: Optimum
    free: np.ndarray | None = None  # coordinates of theta that were not held; None for all
    bounds: Bounds | None = None

    @property
    def theta(self) -> np.ndarray:
        return self.optimum.theta

    @property
    def moves(self) -> np.ndarray:
        """Which coordinates of theta were free to move, (k,)."""
        return np.ones(len(self.theta), dtype=bool) if self.free is None else self.free

    @property
    def loss(self) -> Held:
        """What was minimised, as a function of the coordinates that move; nats."""
        return Held(Loss(self.problem, PRIOR[self.objective]), self.theta, self.moves)

    @property
    def point(self) -> Point:
        """The optimum by the coordinates that move, from which others are searched."""
        whole = self.optimum
        every = Point(whole.theta, whole.value, whole.gradient, whole.information)
        return every.among(self.moves)

    @property
    def within(self) -> Objective:
        """The same within the bounds, where there are any: infinite beyond."""
        return self.on(self.problem)

    def on(self, problem: Problem) -> Objective:
        """The same of another problem with these parameters: other weights, other outcomes."""
        return minimised(self.loss, self.bounds, PRIOR[self.objective], problem)

    @property
    def at_bounds(self) -> dict[str, float]:
        """Natural values that a bound holds, as `fixed=` takes them for errors of the others."""
        if self.bounds is None or self.optimum.verdict.regular:
            return {}
        return standing(self.bounds, self.problem, self.theta)

    @property
    def status(self) -> str:
        """The verdict in a word or two; its advice is in `summary()`."""
        return str(self.optimum.verdict.status)

    @cached_property
    def params(self) -> pd.Series:
        """Estimates on the natural scale."""
        return pd.Series(self.problem.natural(self.theta), index=list(self.problem.labels))

    @cached_property
    def llf(self) -> float:
        """The log-likelihood at the estimate, without prior, in nats."""
        return -self.problem.derivatives(self.theta)[0]

    @property
    def nobs(self) -> float:
        """Rows, counted by their frequency weights."""
        return float(self.problem.rows.weights.sum())

    @property
    def k(self) -> int:
        """Free parameters: the length of theta, less what was held."""
        return len(self.theta) if self.free is None else int(self.free.sum())

    @property
    def aic(self) -> float:
        """2 k - 2 log L. Raises ModelError for a MAP."""
        self._require_likelihood("AIC")
        return 2 * self.k - 2 * self.llf

    @property
    def bic(self) -> float:
        """k log n - 2 log L, where n counts groups if they are declared. Raises for a MAP."""
        self._require_likelihood("BIC")
        return float(self.k * np.log(self._units) - 2 * self.llf)

    @property
    def aicc(self) -> float:
        """AIC + 2 k (k + 1) / (n - k - 1) (Hurvich and Tsai 1989); raises for a MAP.

        n counts groups if they are declared. The correction is exact for a normal regression, and
        leads the right way elsewhere. Infinite where n is k + 1 or less.
        """
        self._require_likelihood("AICc")
        left = self._units - self.k - 1
        return self.aic + 2 * self.k * (self.k + 1) / left if left > 0 else float("inf")

    @property
    def tic(self) -> float:
        """2 tr(H^-1 K) - 2 log L: AIC that does not take the model for right (Takeuchi 1976).

        tr(H^-1 K) is `effective_parameters`. For a MAP H has the prior's curvature: the
        regularisation information criterion (Shibata 1989). The trace is too low in small samples
        with heavy tails, so leave-one-out is to be preferred; far above k it says that the model
        is wrong, or that rows hang together. NaN without a regular optimum.
        """
        return float(2 * self.effective_parameters - 2 * self.llf)

    @property
    def edf(self) -> float:
        """tr(H^-1 H_likelihood), H with the prior's curvature in it; k without a prior.

        How many parameters the rows, and not the prior, have decided. NaN without a regular
        optimum.
        """
        return covariances.decided_by_rows(self)

    @property
    def _units(self) -> float:
        """Independent contributions: groups where they are declared, else rows."""
        groups = self.problem.rows.groups
        return self.nobs if groups is None else float(len(np.unique(groups)))

    @property
    def covariance_kind(self) -> str:
        """What `cov_params()` and `bse` are: `cluster` where a group is declared."""
        return "observed" if self.problem.rows.groups is None else "cluster"

    def cov_params(self, kind: str | None = None, *, factor: str | None = None) -> pd.DataFrame:
        """Covariance on the natural scale.

        kind
            One of "observed", "expected", "opg", "sandwich", "cluster". By default
            "cluster" where a group is declared, else "observed".
        factor
            What multiplies it: "none", "rows" (n / (n - k)), "groups"
            (G / (G - 1)), "groups and rows" (G / (G - 1) x (n - 1) / (n - k)). By default
            "groups" for "cluster", as in Stata's likelihood models, else "none".

        Raises ModelError where the optimum has none of that kind, with the reason: a minimum on a
        kink has "expected" and "opg" alone, what is not regular otherwise has none.
        """
        kind = kind or self.covariance_kind
        if covariances.irregular(self, kind):
            raise ModelError(f"no covariance: {self.status}. {self.optimum.verdict.advice}")
        labels = list(self.problem.labels)
        covariance = covariances.natural_covariance(self, kind, factor)
        return pd.DataFrame(covariance, index=labels, columns=labels)

    def standard_errors(self, kind: str | None = None, *, factor: str | None = None) -> pd.Series:
        """Square roots of the covariance's diagonal; NaN where there is none, or if held."""
        kind = kind or self.covariance_kind
        if covariances.has_none(self, kind):
            return self.params * np.nan
        errors = np.sqrt(np.diag(covariances.natural_covariance(self, kind, factor)))
        errors[~self._moved] = np.nan
        return pd.Series(errors, list(self.problem.labels))

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors of `covariance_kind`."""
        return self.standard_errors()

    def conf_int(self, kind: str = "wald", level: float = 0.95) -> pd.DataFrame:
        """Limits on the natural scale, columns `lower` and `upper`.

        kind
            "wald": symmetric on the natural scale. "transformed": symmetric on the unconstrained
            scale and mapped, so inside the support. Both use `bse`'s covariance, and Student's t
            where the groups are fewer than 40. "profile": see `profile()`. "bootstrap":
            percentiles of `bootstrap()`.

        Raises ModelError for an unknown kind or level.
        """
        return limits(self, kind, level)

    def profile(self, level: float = 0.95) -> pd.DataFrame:
        """Profile-likelihood limits, and in `below` and `above` what became of each side.

        "valid"; "open": the likelihood never falls so far, and the limit is the parameter's own or
        its bound (the others keep to theirs);
        "failed": the search over the others came to no end, and the limit is NaN. A natural value
        without a coordinate of its own (a simplex, an order) has none. For a MAP it is the
        posterior density that is profiled.

        On a minimum on a kink there are none. Raises ModelError for rows in groups, which are not
        independent, and BetterOptimumError where a better optimum was come across: its `fit` was
        restarted there.
        """
        return profile(self, level)

    def contour(
        self, first: str, second: str, level: float = 0.95, points: int = 60
    ) -> pd.DataFrame:
        """Points on the contour of two parameters' joint profile likelihood, by their labels.

        The chi-squared quantile is that of two degrees of freedom. A ray that came to no end, or
        to a bound, is a row of NaN.
        """
        return contour(self, first, second, level, points)

    def bootstrap(
        self,
        replicates: int = 1000,
        *,
        way: str = "refit",
        rng: np.random.Generator | None = None,
        note: Note = on_terminal,
    ) -> Bootstrap:
        """Rows drawn again with replacement (whole groups, where declared), and fitted again.

        way
            "refit", from the estimate to a new optimum (within the bounds, where there are any, and
            then some may stand on one); "one step", the approximation by one Newton step;
            "parametric": not the rows are drawn again, but their outcomes from the fitted model,
            and refitted. It takes the model for true, and is refused for rows in groups. A row of
            frequency weight w has w outcomes.
        rng
            None means a generator seeded with 0.
        note
            Called with a sentence every hundred replicates; by default it is shown where standard
            error is a terminal.

        Raises ModelError without a minimum in all parameters, for one step within bounds or with
        kinks, and where a tenth of the replicates found none; those are counted in `failed`.
        """
        return bootstrap(self, replicates, way, rng, note)

    def consistency_test(
        self, replicates: int = 200, *, rng: np.random.Generator | None = None
    ) -> ConsistencyTest:
        """Whether simulator and likelihood are one model: TMB's `checkConsistency`.

        Outcomes are simulated at the estimate, where the mean of the likelihood's score must then
        be zero (a MAP's prior stays out). Each row is drawn once, and its score counted by the
        row's weight: the mean is zero all the same. `rng=None` means a generator seeded with 0.

        Raises ModelError without a minimum in all parameters, for outcomes that cannot be
        simulated, and where the likelihood of simulated outcomes is not finite.
        """
        return consistency_test(self, replicates, rng)

    def derived(
        self, *expressions: str, kind: str | None = None, level: float = 0.95
    ) -> pd.DataFrame:
        """Functions of the parameters, `exp(beta[age])` or `alpha / (1 + alpha)`: delta method.

        Columns `estimate, se, lower, upper`. `kind` is the covariance's, as in `cov_params`.
        A value of a `pm.Deterministic` goes by its label, as in `deterministics()`, where no
        parameter has it. Raises ModelError for what is not understood, naming it.
        """
        return hypotheses.derived(self, expressions, kind, level)

    def deterministics(
        self, *names: str, kind: str | None = None, level: float = 0.95
    ) -> pd.DataFrame:
        """The model's `pm.Deterministic`s (default: all) on the training rows: delta method.

        Columns `estimate, se, lower, upper`, labelled as parameters are: `rate[age]`, and by row
        where they have the rows' dimension. `kind` is the covariance's, as in `cov_params`. Limits
        are symmetric. Without a covariance, and for what moves in steps (whole numbers, truth
        values), `se` is NaN. Raises ModelError for an unknown name, and for a Deterministic
        that depends on the outcome or on chance.
        """
        return prediction.deterministics(self, names, kind, level)

    def wald_test(self, hypothesis: str, kind: str | None = None) -> hypotheses.HypothesisTest:
        """Wald's test of restrictions, as in statsmodels: `beta[a] = 0, beta[b] = beta[c]`."""
        return hypotheses.wald_test(self, hypothesis, kind)

    def score_test(self, kind: str | None = None) -> hypotheses.HypothesisTest:
        """Rao's score test that the values at which parameters were held are right.

        Of an estimate made with `maximum_likelihood(problem, fixed={...})`: nothing is fitted
        anew. s' I^-1 s, where s is the score in the held directions, free of what the estimated
        ones explain, on as many degrees of freedom as coordinates were held.

        kind
            The information, of all coordinates at this estimate: "expected" (by default, where it
            is known), "observed" (else; on the natural scale), "opg" (sum of s s'), or the
            generalised score statistic (Boos 1992), which needs no right likelihood: "sandwich",
            by row, or "cluster", by group (by default where one is declared).

        Raises ModelError where nothing was held, for a MAP, without a covariance of that kind of
        the others, and where the information is not positive definite.
        """
        return score_test.score_test(self, kind)

    @cached_property
    def effective_parameters(self) -> float:
        """tr(H^-1 K), the optimism of the training NLL over all rows, in nats; K by group."""
        return covariances.effective_parameters(self)

    def predict(
        self,
        data: xr.Dataset | Mapping[str, Any] | None = None,
        of: str = "mean",
        at: float | None = None,
        *,
        kind: str | None = None,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """The outcome in each row of `data` (default: the training rows), by the delta method.

        of
            "mean": the expected outcome. "quantile": the smallest y with P(Y <= y) >= `at`.
            "probability": P(Y = `at`), of a discrete outcome. "at most": P(Y <= `at`).
        at
            A probability between 0 and 1 for a quantile, an outcome for a probability.
        kind
            The covariance's, as in `cov_params`.

        Columns `estimate, se, lower, upper`, by row label. `se` is the error of the estimated
        parameters alone, not the spread of outcomes. It is NaN without a covariance, for a
        quantile that is an atom (of every discrete outcome, at a censoring limit), because such
        a quantile moves in steps, and for a mean that does not exist; 0 where nothing estimated
        matters. Limits lie inside the outcome's support: they are symmetric in the logarithm of
        the distance to a single end, in the logit between two ends (so for all probabilities),
        and as they are without ends. Derivatives are exact, but for those of P(Y <= y) by the
        shapes of Beta, Gamma, NegativeBinomial and StudentT: see `functionals.families`.

        Raises ModelError for rows that are not independent, for several outcomes or values on a
        row, and where the model estimates a limit or a number of trials of its outcome.
        """
        return prediction.predicted(self, data, of, at, kind, level)

    def summary(self) -> str:
        """The result as text."""
        return summary(self)

    def laplace(self, draws: int = DRAWS, *, rng: np.random.Generator | None = None) -> Laplace:
        """For a MAP: normal draws around the posterior's mode on the unconstrained scale.

        That mode is searched for anew: it is of the density of theta, with the Jacobian of the
        transforms, while the MAP is of the natural values, without. Pareto k-hat says how near
        the normal is to the posterior. rng: None means a generator seeded with 0.

        Raises ModelError for a maximum of the likelihood, for fewer than a hundred draws, and
        where the density of theta has no regular mode, with the reason.
        """
        return laplace(self, draws, rng)

    def to_datatree(
        self, draws: int = DRAWS, *, rng: np.random.Generator | None = None
    ) -> xr.DataTree:
        """ArviZ's container, with the dimensions and coordinates of the declaration.

        Of a maximum of the likelihood, or with draws=0, `posterior` holds the estimate as one
        draw, which is no sample. Of a MAP it holds `laplace(draws, rng=rng)`, with `log_p` and
        `log_q` in `sample_stats` for `loo_approximate_posterior`, outcomes simulated at each draw
        in `posterior_predictive`, and k-hat among the attributes. `log_likelihood` is of each row
        along `row`, unweighted, with a caution among its attributes where rows may not stand
        apart; several observed variables are added up in it, and have neither `observed_data`
        nor a predictive.

        Beside them stand `fit` (theta and its covariance), as `pm.find_MAP` writes it, and our
        own: `laplace` (the same of the normal), `estimates` on the natural scale, `starts`.

        Raises ModelError as `laplace` does.
        """
        return datatree(self, draws, rng)

    def _require_likelihood(self, what: str) -> None:
        if self.objective != "likelihood":
            raise ModelError(
                f"{what} is defined for a maximum of the likelihood, and this is a MAP; "
                "use wb.maximum_likelihood(problem)"
            )

    @property
    def _moved(self) -> np.ndarray:
        """Which natural values a free coordinate moves."""
        if self.free is None:
            return np.ones(len(self.problem.labels), dtype=bool)
        return self.problem.natural_jacobian(self.theta)[:, self.free].any(axis=1)

    @property
    def held(self) -> list[str]:
        """Labels of natural values that no free coordinate moves."""
        return [label for label, moves in zip(self.problem.labels, self._moved, strict=True)
                if not moves]  # fmt: skip

    @cached_property
    def expected_information(self) -> np.ndarray:
        """Of theta, what was held included (k, k), nats; for a MAP with its prior's curvature.

        Raises ModelError where the outcome's distribution has none that is known.
        """
        return covariances.expected_information(self)

    def theta_covariance(self, kind: str, factor: str | None = None) -> np.ndarray:
        """Covariance of theta (k, k), unconstrained; zero for coordinates that were held."""
        return covariances.theta_covariance(self, kind, factor)

    def errors_of(self, jacobian: np.ndarray, kind: str | None = None) -> np.ndarray:
        """Standard errors (m,) of functions of theta, by d function / d theta (m, k).

        NaN where `standard_errors` has none; 0 where no free coordinate moves the function.
        """
        return covariances.errors_of(self, jacobian, kind or self.covariance_kind)
