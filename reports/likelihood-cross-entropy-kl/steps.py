"""The argument, step by step, as numbers; argument.py draws them, argument.html has the words.

Everything is in nats, and lower is better but for log L. What a family is fitted to, whether the
rows themselves, the rows smoothed or the truth, is always rows with weights.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pymc as pm
import xarray as xr
from scipy import optimize, stats

import workbench as wb
from models import continuous, positive
from workbench import information

type Array = npt.NDArray[np.float64]

HERE = Path(__file__).parent
TRUTH = stats.gamma(2)  # of the waits, in minutes: see simulate.py
FAMILIES = {"Gamma": positive.gamma, "Log-normal": positive.lognormal,
            "Exponential": positive.exponential, "Normal": continuous.normal}  # fmt: skip
# The same by SciPy, from the estimates, where a density is needed at all values at once.
SCIPY: dict[str, Callable[..., Any]] = {
    "Gamma": lambda beta, alpha: stats.gamma(alpha, scale=np.exp(beta) / alpha),
    "Log-normal": lambda beta, sigma: stats.lognorm(sigma, scale=np.exp(beta)),
    "Exponential": lambda beta: stats.expon(scale=np.exp(beta)),
    "Normal": stats.norm,
}
CELLS = (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6)  # minutes
BANDWIDTHS = (1.0, 0.5, 0.2, 0.05, 0.01, 0.002)  # minutes
WIDTHS = (2.0, 1.0, 0.5, 0.25, 0.1)  # of a histogram's cells, minutes
TARGET = information.smoothed([-2.0, 3.0], [1.0, 0.5])  # two modes, half of the probability each
HOUR = 60  # minutes
EXPECTED = 4.0  # whole minutes that somebody expected before seeing any wait
FEW = (5, 20, 100, 500)  # rows with which the prior is weighed
SIZES = (25, 50, 100, 200, 400)  # rows with which families learn
REPLICATES = 80


@dataclass(frozen=True)
class Waits:
    """The rows that are fitted, and those that are held out."""

    training: xr.Dataset
    heldout: xr.Dataset

    @property
    def minutes(self) -> Array:
        return np.asarray(self.training["y"].values)


def waits() -> Waits:
    """The study's own rows and split."""
    training, heldout = wb.Study.read(HERE / "study.toml").tables()
    design = wb.design("minutes ~ 1", training)
    return Waits(design(training), design(heldout))


def mean_count(data: xr.Dataset) -> pm.Model:
    """Poisson counts with mean mu, and a prior around what was expected of it."""
    with pm.Model() as model:
        mu = pm.Gamma("mu", 2 * EXPECTED, 2.0)
        pm.Poisson("outcome", mu, observed=pm.Data("y", data["y"], dims="row"), dims="row")
    return model


def normal_in_cells(data: xr.Dataset) -> pm.Model:
    """A normal of which only the cell is seen, by its middle and width: the cell's probability."""

    def log_probability(middle: Any, width: Any, mu: Any, sigma: Any) -> Any:
        side = pm.math.where(pm.math.gt(middle, mu), -1.0, 1.0)  # the smaller tail keeps its digits
        low, high = (side * (middle + end * width / 2 - mu) / sigma for end in (-1, 1))
        below = [0.5 * pm.math.erfc(-z / np.sqrt(2.0)) for z in (low, high)]
        return pm.math.log(side * (below[1] - below[0]))

    with pm.Model() as model:
        mu, sigma = pm.Normal("mu", 0.0, 10.0), pm.HalfNormal("sigma", 5.0)
        y, width = (pm.Data(name, data[name], dims="row") for name in ("y", "width"))
        pm.CustomDist("outcome", width, mu, sigma, logp=log_probability, observed=y, dims="row")
    return model


# 1 The likelihood is a product, its logarithm a sum


@dataclass(frozen=True)
class Product:
    """log q of each row under the fitted normal, for the waits in minutes and in hours."""

    minutes: Array
    in_minutes: Array
    in_hours: Array

    @property
    def products(self) -> tuple[float, float]:
        """As a machine multiplies: 0 or infinite where the product is beyond its numbers."""
        with np.errstate(over="ignore", under="ignore"):
            both = (np.prod(np.exp(log_q)) for log_q in (self.in_minutes, self.in_hours))
            return float(next(both)), float(next(both))


def product(normal: wb.Estimate) -> Product:
    minutes = np.asarray(normal.problem.rows.observed)
    hours = wb.maximum_likelihood(normal.problem.with_outcomes(minutes / HOUR))
    both = (one.problem.pointwise(one.theta) for one in (normal, hours))
    return Product(minutes, *both)


# 2 The rows as a distribution, and an average as an estimate


@dataclass(frozen=True)
class Averages:
    """Cross-entropy under the truth, and its averages over training and over held-out rows."""

    exact: float
    training: wb.Mean
    heldout: wb.Mean


def averages(data: Waits, normal: wb.Estimate, best: wb.Estimate) -> dict[str, Averages]:
    """At a theta that owes nothing to these rows, and at the one fitted to the training rows."""
    found = {}
    for name, theta in (("best", best.theta), ("fitted", normal.theta)):
        q = SCIPY["Normal"](*normal.problem.natural(theta))
        rows = (normal.problem.on(part) for part in (data.training, data.heldout))
        over = (information.mean(-problem.pointwise(theta)) for problem in rows)
        found[name] = Averages(information.known_divergence(TRUTH, q).cross_entropy, *over)
    return found


def closest_to_truth(name: str) -> wb.Estimate:
    """The member of a family with the least KL from the truth: fitted to the truth as rows."""
    values, weights = information.quantile_nodes(TRUTH)
    return wb.fit(FAMILIES[name], values, weight=weights)


# 3 Counts: three curves, one argmin


@dataclass(frozen=True)
class Curves:
    """log L, CE and one or several KL over a parameter; the argmin of each by its own search."""

    over: Array
    log_likelihood: Array
    cross_entropy: Array
    divergences: dict[str, Array]
    best: dict[str, float]
    entropy: float = np.nan

    @property
    def at_best(self) -> dict[str, float]:
        """The three values where log L is greatest, for counts."""
        at = self.log_likelihood.argmax()
        return {
            "log_likelihood": self.log_likelihood[at],
            "cross_entropy": self.cross_entropy[at],
            "divergence": self.divergences["KL"][at],
        }


def counts_curves(data: Waits) -> Curves:
    """Of the whole minutes of each wait, under a Poisson distribution with mean mu."""
    whole = np.floor(data.minutes)
    problem = wb.bind(mean_count, xr.Dataset({"y": ("row", whole)}))
    counts = np.bincount(whole.astype(int))

    def cross_entropy(mu: npt.ArrayLike) -> Array:
        return problem.values(np.log(np.atleast_1d(mu))[:, None]) / whole.size

    def divergence(mu: float) -> float:
        return information.kl_plugin(counts, stats.poisson(mu).pmf(np.arange(counts.size)))

    best = {
        "log L": float(wb.maximum_likelihood(problem).params["mu"]),
        "CE": _least(lambda x: float(cross_entropy(x)[0]), (0.6, 3.2)),
        "KL": _least(divergence, (0.6, 3.2)),
    }
    mu = np.sort(np.append(np.linspace(0.6, 3.2, 131), best["log L"]))
    return Curves(
        mu, -whole.size * cross_entropy(mu), cross_entropy(mu),
        {"KL": np.array([divergence(x) for x in mu])}, best, information.entropy_plugin(counts),
    )  # fmt: skip


# 4 Continuous outcomes: KL from the rows is infinite


def continuous_curves(data: Waits, normal: wb.Estimate) -> Curves:
    """Over sigma, mu at its estimate: log L, CE, and KL from the rows seen in ever finer cells."""
    mean, best = normal.params
    sigma = np.linspace(0.7, 1.9, 121) * best  # the estimate is among them
    value = _over_sigma(normal, mean, sigma)

    def seen(sigma: float, width: float) -> float:
        return in_cells(data.minutes, width, stats.norm(mean, sigma))

    divergences, found = {}, {"log L": float(best)}
    found["CE"] = _least(lambda s: float(_over_sigma(normal, mean, [s])[0]), sigma[[0, -1]])
    for width in CELLS[:4]:
        divergences[f"{width:g}"] = np.array([seen(s, width) for s in sigma])
        found[f"{width:g}"] = _least(partial(seen, width=width), sigma[[0, -1]])
    return Curves(sigma, -normal.nobs * value, value, divergences, found)


def in_cells(x: Array, width: float, q: Any) -> float:
    """KL of the numbers from q, of which no more is seen than in which cell each number lies."""
    cells, counts = np.unique(np.floor(x / width), return_counts=True)
    low, high = cells * width, (cells + 1) * width
    upper = low > q.mean()  # the smaller tail keeps its digits
    probabilities = np.where(upper, q.sf(low) - q.sf(high), q.cdf(high) - q.cdf(low))
    return information.kl_plugin(counts, probabilities)


# 5 Densities in the place of the rows: a kernel estimate and a histogram


@dataclass(frozen=True)
class Smooth:
    """The normal closest to the rows smoothed with a bandwidth, and how far it stays from them."""

    bandwidth: float
    sigma: float
    entropy: float
    cross_entropy: float
    curve: Array  # KL over the sigma asked for

    @property
    def divergence(self) -> float:
        return self.cross_entropy - self.entropy


def smooth(normal: wb.Estimate, sigma: Array) -> list[Smooth]:
    """By each bandwidth; the rows smoothed are rows again, 60 with weights for each."""
    minutes = np.asarray(normal.problem.rows.observed)
    values, weights = information.smoothed(minutes, BANDWIDTHS[0]).rows()
    problem = wb.fit(continuous.normal, values, weight=weights).problem
    found = []
    for bandwidth in BANDWIDTHS:
        density = information.smoothed(minutes, bandwidth)
        fit = wb.maximum_likelihood(problem.with_outcomes(density.rows()[0]))
        curve = _over_sigma(fit, normal.params.iloc[0], sigma) - density.entropy
        found.append(
            Smooth(bandwidth, fit.params["sigma"], density.entropy, -fit.llf / fit.nobs, curve)
        )
    return found


@dataclass(frozen=True)
class Binned:
    """sigma of the normal closest to a histogram, by its cells' probabilities, and by its bars."""

    width: float
    by_probability: float
    by_density: float
    divergence: float  # of the observed shares from the cells' probabilities


def binned(normal: wb.Estimate) -> list[Binned]:
    """Each row in the middle of its cell."""
    minutes, problem = np.asarray(normal.problem.rows.observed), None
    found = []
    for width in WIDTHS:
        cells = np.floor(minutes / width)
        middles = xr.Dataset({"y": ("row", (cells + 0.5) * width),
                              "width": ("row", np.full(minutes.size, width))})  # fmt: skip
        problem = problem.on(middles) if problem else wb.bind(normal_in_cells, middles)
        seen = wb.maximum_likelihood(problem)
        bars = wb.maximum_likelihood(normal.problem.with_outcomes(middles["y"].values))
        entropy = information.entropy_plugin(np.unique(cells, return_counts=True)[1])
        divergence = -seen.llf / seen.nobs - entropy
        found.append(Binned(width, seen.params["sigma"], bars.params["sigma"], divergence))
    return found


# 6 A known truth


@dataclass(frozen=True)
class Distance:
    """How far a fitted family is from the truth, and three estimates of it from held-out rows."""

    params: pd.Series
    known: information.Known
    heldout: wb.Mean
    against_truth: wb.Mean  # the truth's own loss on the same rows taken off, row by row
    calibration: wb.Divergence

    @property
    def less_entropy(self) -> wb.Mean:
        """Held-out cross-entropy less the entropy, which is known here and nowhere else."""
        return replace(self.heldout, value=self.heldout.value - self.known.entropy)


def distances(data: Waits) -> dict[str, Distance]:
    losses = -TRUTH.logpdf(data.heldout["y"].values)
    found = {}
    for name, family in FAMILIES.items():
        fit = wb.maximum_likelihood(wb.bind(family, data.training))
        evaluation = wb.evaluate(fit, data.heldout)
        known = information.known_divergence(TRUTH, SCIPY[name](*fit.params))
        paired = information.mean(evaluation.pointwise - losses)
        found[name] = Distance(fit.params, known, evaluation.cross_entropy, paired, evaluation.kl)
    return found


# 7 A prior


@dataclass(frozen=True)
class Prior:
    """MLE and MAP of mu from the first n rows, and the cross-entropy of both, without the prior."""

    count: int
    estimates: tuple[float, ...]
    training: tuple[float, ...]
    heldout: tuple[wb.Mean, ...]
    worth: wb.Mean  # held-out CE of the MLE less that of the MAP, paired; above 0 the prior helps
    over: Array
    curves: dict[str, Array]  # CE, the prior's part and their sum


def priors(data: Waits) -> list[Prior]:
    """From the first rows of the training rows' whole minutes, in the mean count."""
    whole, out = (xr.Dataset({"y": ("row", np.floor(part["y"].values))})
                  for part in (data.training, data.heldout))  # fmt: skip
    problem = wb.bind(mean_count, whole)
    place = np.arange(problem.rows.count)
    return [_prior(problem.redrawn((place < count).astype(float)), out, count) for count in FEW]


def _prior(problem: wb.Problem, out: xr.Dataset, count: int) -> Prior:
    fits = wb.maximum_likelihood(problem), wb.maximum_a_posteriori(problem)
    mu = np.linspace(0.4, 6.0, 141)
    thetas = np.log(mu)[:, None]
    both, alone = problem.values(thetas, prior=1.0) / count, problem.values(thetas) / count
    losses = [wb.evaluate(fit, out).pointwise for fit in fits]
    return Prior(
        count=count,
        estimates=tuple(fit.params["mu"] for fit in fits),
        training=tuple(-fit.llf / count for fit in fits),
        heldout=tuple(information.mean(loss) for loss in losses),
        worth=information.mean(losses[0] - losses[1]),
        over=mu,
        curves={"CE": alone, "−log prior / n": both - alone, "what MAP minimises": both},
    )


# 8 Forward and reverse


@dataclass(frozen=True)
class Approximation:
    """A normal in the place of the two modes, and its KL both ways."""

    mean: float
    sigma: float

    @property
    def forward(self) -> float:
        """KL(target ‖ normal)."""
        q = stats.norm(self.mean, self.sigma)
        return TARGET.expectation(lambda x: TARGET.logpdf(x) - q.logpdf(x))

    @property
    def reverse(self) -> float:
        """KL(normal ‖ target)."""
        q = information.smoothed([self.mean], self.sigma)
        bend = float(TARGET.bandwidths.min())
        return q.expectation(lambda x: q.logpdf(x) - TARGET.logpdf(x), bend=bend)


def approximations() -> dict[str, Approximation]:
    """The forward KL is least where a likelihood is greatest; the reverse has a minimum a mode."""
    values, weights = TARGET.rows()
    forward = wb.fit(continuous.normal, values, weight=weights).params
    found = {"forward": Approximation(*forward)}
    for side, mode, sigma in zip(("left", "right"), TARGET.centres, TARGET.bandwidths, strict=True):
        least = optimize.minimize(
            lambda at: Approximation(at[0], np.exp(at[1])).reverse, [mode, np.log(sigma)], tol=1e-10
        )
        found[f"reverse, {side}"] = Approximation(least.x[0], float(np.exp(least.x[1])))
    return found


# 9 A family that is wrong


@dataclass(frozen=True)
class Learning:
    """KL of the truth from fits to n rows, on average; `least` is what no n removes."""

    sizes: tuple[int, ...]
    divergences: tuple[wb.Mean, ...]
    least: float
    trace: float  # tr(J⁻¹K) at the family's best member; k where the family is right

    def expected(self, sizes: npt.ArrayLike) -> Array:
        """To the first order in 1/n."""
        return self.least + self.trace / (2 * np.asarray(sizes, float))


def learning(name: str, replicates: int = REPLICATES) -> Learning:
    """Samples drawn from the truth anew, of which the first n rows count."""
    rng = np.random.default_rng(20261126)
    best = closest_to_truth(name)
    problem = wb.fit(FAMILIES[name], TRUTH.rvs(max(SIZES), random_state=rng)).problem
    found: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(replicates):
        sample = problem.with_outcomes(TRUTH.rvs(max(SIZES), random_state=rng))
        for size in SIZES:
            fit = wb.maximum_likelihood(
                sample.redrawn((np.arange(max(SIZES)) < size).astype(float))
            )
            q = SCIPY[name](*fit.params)
            found[size].append(information.known_divergence(TRUTH, q).divergence)
    least = information.known_divergence(TRUTH, SCIPY[name](*best.params)).divergence
    means = tuple(information.mean(values, unit="nats") for values in found.values())
    return Learning(SIZES, means, least, best.effective_parameters)


def _over_sigma(fit: wb.Estimate, mean: float, sigma: npt.ArrayLike) -> Array:
    """NLL per row of the normal family at one mean and each sigma."""
    thetas = [fit.problem.unconstrained(np.array([mean, s])) for s in np.asarray(sigma, float)]
    return np.asarray(fit.problem.values(np.array(thetas)) / fit.nobs)


def _least(function: Callable[[float], float], within: Any) -> float:
    found = optimize.minimize_scalar(function, bounds=within, options={"xatol": 1e-12})
    return float(found.x)
