"""How often intervals of cross-entropy and KL hold the truth, and if null p-values are uniform.

Arrays alone: every replicate draws outcomes from a known truth, by NumPy and SciPy, and gives
them to `workbench.information`. The truth is a closed form, a sum or a quadrature; of a lower
bound it is what the bound tends to, not KL. Coverage is marked * where it falls short of 95 % by
more than three binomial standard errors, and + where theory has it fail. Under a perfect model
(truth 0) the p-values are held against those of the null's own draws by a two-sample test; a p of
that test below .001 is marked.
"""

import argparse
import math
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy import integrate, stats
from scipy.special import expit

from workbench import divergences, information
from workbench.density import Distribution
from workbench.information import Divergence, Mean

LEVEL = 0.95
SEED = 20261123
FAR = 3.0  # binomial standard errors that are marked
UNLIKELY = 1e-3  # of the uniformity test, over some 50 cells

type Estimate = Callable[[np.random.Generator, int], Divergence | Mean | float]


@dataclass(frozen=True)
class Case:
    """One estimator at one truth: `draw` makes the rows and estimates; a float is a p-value."""

    section: str
    name: str
    draw: Estimate
    truth: float
    sizes: tuple[int, ...]
    draws: int = 1000  # that define the null's p-values; for chi-squared ones as many points
    fails: tuple[int, ...] = ()  # sizes at which theory says that coverage fails


# Means: cross-entropies of rows, independent and in groups


def _mean_normal(rng: np.random.Generator, n: int) -> Mean:
    return information.mean(-stats.norm.logpdf(rng.standard_normal(n)))


def _mean_grouped(rng: np.random.Generator, n: int) -> Mean:
    groups = np.repeat(np.arange(n // 4), 4)
    z = math.sqrt(0.5) * (rng.standard_normal(n // 4)[groups] + rng.standard_normal(n))
    return information.mean(-stats.norm.logpdf(z), groups=groups)


# a. Discrete outcomes by their frequencies


def _discrete(p: np.ndarray, q: np.ndarray, rng: np.random.Generator, n: int) -> Divergence:
    return information.kl_discrete(rng.multinomial(n, p), q)


def _pair(p: Any, q: Any, values: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.arange(values)
    mass = np.asarray(p.pmf(x))
    return mass / mass.sum(), np.asarray(q.pmf(x))


ZIPF = 1 / np.arange(1.0, 201)
ZIPF /= ZIPF.sum()
SIX = np.full(6, 1 / 6)
LOADED = np.array([0.25, 0.2, 0.15, 0.15, 0.15, 0.1])
COIN, BENT = np.array([0.3, 0.7]), np.array([0.4, 0.6])


def _frequencies(name: str, p: np.ndarray, q: np.ndarray, sizes: tuple[int, ...],
                 fails: tuple[int, ...] = ()) -> Case:  # fmt: skip
    some = p > 0
    truth = float(p[some] @ np.log(p[some] / q[some]))
    return Case("a counts", name, partial(_discrete, p, q), truth, sizes, fails=fails)


# b. One number, by the spacings of its normal scores; randomised where it has atoms


def _spacings(p: Any, q: Any, rng: np.random.Generator, n: int) -> Divergence:
    y = p.rvs(n, random_state=rng)
    return information.calibration_divergence(
        np.where(q.cdf(y) < 0.5, stats.norm.ppf(q.cdf(y)), stats.norm.isf(q.sf(y))), label="KL"
    )


def _two_normals(rng: np.random.Generator, n: int) -> Divergence:
    y = np.where(rng.random(n) < 0.5, rng.normal(-2, 1, n), rng.normal(3, 0.5, n))
    return information.calibration_divergence((y - 0.5) / math.sqrt(6.875), label="KL")


def _randomised(
    of: Callable[[np.random.Generator, int], tuple[Distribution, np.ndarray]],
    rng: np.random.Generator,
    n: int,
) -> Divergence:
    """As an evaluation does it, but of ten randomisations, and with the null of as many."""
    model, y = of(rng, n)
    return divergences.divergence(
        model,
        y,
        lambda: divergences.normal_scores(model, y, rng, repeats=10),
        conditional=divergences.varies(model, n),
        weights=np.ones(n),
        groups=None,
    )


def _poisson_rows(
    dispersed: bool, rng: np.random.Generator, n: int
) -> tuple[Distribution, np.ndarray]:
    """With predictors; NB2 outcomes of one mean are what the truth is known of."""
    if dispersed:
        y = rng.negative_binomial(2, 2 / 12, n)
        return Distribution("Poisson", (np.full(n, 10.0) + 1e-9 * np.arange(n),)), y.astype(float)
    mu = 2 * np.exp(0.3 * rng.standard_normal(n))
    return Distribution("Poisson", (mu,)), rng.poisson(mu).astype(float)


def _hurdle_rows(
    p_zero: float, sigma: float, mu: float, rng: np.random.Generator, n: int
) -> tuple[Distribution, np.ndarray]:
    y = np.where(rng.random(n) < p_zero, 0.0, np.exp(mu + sigma * rng.standard_normal(n)))
    parts = (
        Distribution("DiracDelta", (np.array(0.0),)),
        Distribution("LogNormal", (np.array(0.2), np.array(1.0))),
    )
    return Distribution("Hurdle", (np.array([0.4, 0.6]),), parts), y


def _censored_rows(
    scale: float, rng: np.random.Generator, n: int
) -> tuple[Distribution, np.ndarray]:
    base = Distribution("Exponential", (np.array(1 / 1.5),))
    y = np.minimum(rng.exponential(scale, n), 1.0)
    return Distribution("Censored", (np.array(-np.inf), np.array(1.0)), (base,)), y


def _known(p: Any, q: Any) -> float:
    return information.known_divergence(p, q).divergence


# c. Several numbers, by nearest neighbours, and the lower bounds of any dimension


def _vectors(
    estimate: Callable[..., Divergence], kind: str, d: int, rng: np.random.Generator, n: int
) -> Divergence:
    z = rng.standard_normal((n, d))
    if kind == "correlated":
        z = z @ np.linalg.cholesky(_equal_correlation(d)).T
    if kind == "t5":
        z = z * np.sqrt(3 / rng.chisquare(5, n))[:, None]  # of unit variance
    return estimate(z)


def _equal_correlation(d: int) -> np.ndarray:
    return np.full((d, d), 0.5) + 0.5 * np.eye(d)


def _vector_truth(kind: str, d: int) -> float:
    if kind == "correlated":
        return float(-0.5 * np.linalg.slogdet(_equal_correlation(d))[1])
    if kind == "perfect":
        return 0.0
    law = stats.multivariate_t(np.zeros(d), 0.6 * np.eye(d), df=5)
    surface = 2 * math.pi ** (d / 2) / math.gamma(d / 2)

    def weighted(r: float) -> float:
        at = np.append(r, np.zeros(d - 1))
        log_p, log_q = law.logpdf(at), stats.norm.logpdf(at).sum()
        return float(math.exp(log_p) * surface * r ** (d - 1) * (log_p - log_q))

    return float(integrate.quad(weighted, 0, np.inf, limit=500)[0])


# d. Binary and replicated outcomes with predictors


def _binary(
    estimate: Callable[..., Divergence], factor: float, rng: np.random.Generator, n: int
) -> Divergence:
    eta = rng.standard_normal(n)
    return estimate((rng.random(n) < expit(eta)).astype(float), expit(factor * eta))


def _overconfidence(factor: float) -> float:
    eta, weights = np.polynomial.hermite_e.hermegauss(60)
    pairs = [(stats.bernoulli(expit(e)), stats.bernoulli(expit(factor * e))) for e in eta]
    return information.conditional_divergence(pairs, weights).divergence


def _groups(trials: int, factor: float, rng: np.random.Generator, n: int) -> Divergence:
    eta = stats.norm.ppf((np.arange(n) + 0.5) / n)  # the same in all replicates
    return information.binomial_divergence(
        rng.binomial(trials, expit(eta)), trials, expit(factor * eta)
    )


def _group_truth(factor: float, n: int) -> float:
    eta = stats.norm.ppf((np.arange(n) + 0.5) / n)
    pairs = [(stats.bernoulli(expit(e)), stats.bernoulli(expit(factor * e))) for e in eta]
    return information.conditional_divergence(pairs).divergence


PATTERNS = np.array([[0.2, 0.3, 0.5], [0.6, 0.2, 0.2], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]])


def _patterns(q: np.ndarray, rng: np.random.Generator, n: int) -> Divergence:
    return information.replicated_divergence([rng.multinomial(n // 4, p) for p in PATTERNS], q)


def _pattern_truth(q: np.ndarray) -> float:
    return float((PATTERNS * np.log(PATTERNS / q)).sum(axis=1).mean())


def _poisson_means(factor: float, rng: np.random.Generator, n: int) -> Divergence:
    mu = 2 * np.exp(0.5 * stats.norm.ppf((np.arange(n) + 0.5) / n))
    return information.poisson_divergence(rng.poisson(mu), mu * factor)


def _poisson_truth(factor: float, n: int) -> float:
    mu = 2 * np.exp(0.5 * stats.norm.ppf((np.arange(n) + 0.5) / n))
    return float((mu * (factor - 1 - math.log(factor))).mean())


# e. What predictors still tell: of three that are nothing to the outcome, the largest


def _nothing_left(grouped: bool, rng: np.random.Generator, n: int) -> float:
    groups = np.repeat(np.arange(n), 3) if grouped else None
    rows = 3 * n if grouped else n
    u = rng.random(n)[groups] if grouped else rng.random(n)
    x = rng.standard_normal((rows, 3))
    x[:, 1] = x[:, 0] + 0.3 * x[:, 1]
    x[:, 2] = x[:, 2] > 0
    return information.information_left(u, x, "abc", groups=groups, rng=rng).p_value


@cache
def cases() -> list[Case]:
    """All of them, in the order of the table."""
    normal, t5, spread = stats.norm(), stats.t(5), stats.norm(0, math.sqrt(5 / 3))
    gamma, alike = stats.gamma(2), stats.norm(2, math.sqrt(2))
    half = stats.norm.entropy()
    neighbours = information.nearest_neighbour_divergence
    marginal, refit = information.marginal_divergence, information.normal_refit_divergence
    isotonic, cox = information.isotonic_divergence, information.recalibration_divergence
    lognormals = stats.lognorm(0.8), stats.lognorm(1, scale=math.exp(0.2))
    hurdle = information.hurdle_divergence(0.3, lognormals[0], 0.4, lognormals[1]).divergence
    exponentials = stats.expon(), stats.expon(scale=1 / 1.5)
    censored = information.censored_divergence(*exponentials, upper=1.0).divergence
    rows, even = (100, 300, 1000), (2 * PATTERNS + 1 / 3) / 3
    return [
        Case("CE", "normal rows", _mean_normal, half, (30, 300)),
        Case("CE", "normal, in groups of 4", _mean_grouped, half, (120, 400)),
        _frequencies("fair die", SIX, SIX, (100, 1000)),
        _frequencies("loaded die", LOADED, SIX, (100, 1000)),
        _frequencies("Poisson(4)", *_pair(stats.poisson(4), stats.poisson(4), 40), (100, 1000)),
        _frequencies("Poisson(4) | (3)", *_pair(stats.poisson(4), stats.poisson(3), 40),
                     (100, 1000)),
        _frequencies("NB | Poisson(10)", *_pair(stats.nbinom(2, 2 / 12), stats.poisson(10), 200),
                     (1000,)),
        _frequencies("Zipf, 200 words", ZIPF, ZIPF, (100, 1000), fails=(100,)),
        _frequencies("coin of .3 | .4", COIN, BENT, (100, 1000)),
        Case("b spacings", "perfect", partial(_spacings, normal, normal), 0.0, rows),
        Case("b spacings", "shifted by .1", partial(_spacings, normal, stats.norm(0.1, 1)),
             0.005, rows),
        Case("b spacings", "t5 | normal", partial(_spacings, t5, spread), _known(t5, spread), rows),
        Case("b spacings", "gamma | normal", partial(_spacings, gamma, alike),
             _known(gamma, alike), rows),
        Case("b spacings", "two normals | one", _two_normals, 0.618691314935152, (50, *rows),
             fails=(50,)),
        Case("b randomised", "Poisson", partial(_randomised, partial(_poisson_rows, False)), 0.0,
             (300,), draws=200),
        Case("b randomised", "NB | Poisson(10)",
             partial(_randomised, partial(_poisson_rows, True)),
             _known(stats.nbinom(2, 2 / 12), stats.poisson(10)), (300,)),
        Case("b randomised", "hurdle", partial(_randomised, partial(_hurdle_rows, 0.4, 1.0, 0.2)),
             0.0, (300,), draws=200),
        Case("b randomised", "hurdle | another",
             partial(_randomised, partial(_hurdle_rows, 0.3, 0.8, 0.0)), hurdle, (300,)),
        Case("b randomised", "censored", partial(_randomised, partial(_censored_rows, 1 / 1.5)),
             0.0, (300,), draws=200),
        Case("b randomised", "censored | another",
             partial(_randomised, partial(_censored_rows, 1.0)), censored, (300,)),
        # Theory measured .83 to .92 for neighbours in two dimensions; tails in three are worse.
        *(Case("c neighbours", f"{kind}, d = {d}", partial(_vectors, neighbours, kind, d),
               _vector_truth(kind, d), (500, 1000), draws=400,
               fails=(500, 1000) if (kind, d) == ("t5", 3) else ())
          for d in (2, 3) for kind in ("perfect", "correlated", "t5")),
        Case("c marginals", "perfect, d = 5", partial(_vectors, marginal, "perfect", 5), 0.0,
             (300,)),
        Case("c marginals", "t5, d = 5", partial(_vectors, marginal, "t5", 5),
             5 * _known(t5, spread), (300, 1000)),
        Case("c refit", "perfect, d = 5", partial(_vectors, refit, "perfect", 5), 0.0, (300,)),
        Case("c refit", "correlated, d = 5", partial(_vectors, refit, "correlated", 5),
             _vector_truth("correlated", 5), (300,)),
        *(Case(f"d {name}", "perfect" if factor == 1 else "overconfident",
               partial(_binary, way, factor), _overconfidence(factor), (300, 1000), draws=draws)
          for name, way, draws in (("isotonic", isotonic, 200), ("Cox", cox, 1000))
          for factor in (1.0, 1.5)),
        *(Case(f"d groups of {trials}", "perfect" if factor == 1 else "overconfident",
               partial(_groups, trials, factor), _group_truth(factor, groups), (groups,))
          for trials, groups in ((5, 200), (50, 200), (100, 4)) for factor in (1.0, 1.3)),
        *(Case("d patterns", name, partial(_patterns, q), _pattern_truth(q), (100, 400))
          for name, q in (("perfect", PATTERNS), ("a third of the way", even))),
        *(Case("d Poisson means", "perfect" if factor == 1 else "too high by 20 %",
               partial(_poisson_means, factor), _poisson_truth(factor, 300), (300,))
          for factor in (1.0, 1.2)),
        Case("e left", "three predictors", partial(_nothing_left, False), 0.0, (200,), draws=200),
        Case("e left", "the same, in groups", partial(_nothing_left, True), 0.0, (150,),
             draws=200),
    ]  # fmt: skip


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    sections = sorted({case.section.split()[0] for case in cases()})
    parser.add_argument("--sections", nargs="+", choices=sections, default=sections)
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    tasks = [
        (place, size, chosen.replicates)
        for place, case in enumerate(cases())
        if case.section.split()[0] in chosen.sections
        for size in case.sizes
    ]
    error = 100 * math.sqrt(LEVEL * (1 - LEVEL) / chosen.replicates)
    print(
        f"Nominal {100 * LEVEL:g} % intervals, {chosen.replicates:,} replicates; binomial standard "
        f"error {error:.2f} at 95 %,\n{math.sqrt(0.0475 / chosen.replicates) * 100:.2f} of the "
        f"share of p below .05. * short by more than {FAR:g} of them, or not uniform; "
        "+ as theory says.\n"
    )
    print(f"{'':16}{'truth | model':22}{'n':>5}{'KL':>9}{'bias':>9}{'spread':>8}{'mean SE':>9}"
          f"{'held':>8}{'p < .05':>9}{'uniform':>9}")  # fmt: skip
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        for line in pool.map(_line, tasks):
            print(line, flush=True)


def _line(task: tuple[int, int, int]) -> str:
    place, size, replicates = task
    case, rng = cases()[place], np.random.default_rng([SEED, place, size])
    found = [case.draw(rng, size) for _ in range(replicates)]
    start = f"{case.section:16}{case.name:22}{size:5}"
    told = [one.mean if isinstance(one, Divergence) else one for one in found]
    means = [one for one in told if isinstance(one, Mean)]
    p = [one.p_value if isinstance(one, Divergence) else one
         for one in found if not isinstance(one, Mean)]  # fmt: skip
    return start + _interval(case, size, means) + _uniformity(case, p)


def _interval(case: Case, size: int, means: list[Mean]) -> str:
    """Of the replicates that have a number; how many had none is said."""
    values = np.array([one.value for one in means])
    known = np.isfinite(values)
    if not means:
        return " " * 43
    if known.sum() < 2:
        return f"{case.truth:9.4f}   (no number: {(~known).sum()})".ljust(43)
    limits = np.array([one.interval(LEVEL) for one in means])[known]
    held = float(np.mean((limits[:, 0] <= case.truth) & (case.truth <= limits[:, 1])))
    short = held < LEVEL - FAR * math.sqrt(LEVEL * (1 - LEVEL) / known.sum())
    mark = ("+" if size in case.fails else "*") if short else " "
    errors = np.array([one.se for one in means])[known]
    bias, spread = values[known].mean() - case.truth, values[known].std(ddof=1)
    none = "" if known.all() else f" ({(~known).sum()} none)"
    numbers = f"{case.truth:9.4f}{bias:+9.4f}{spread:8.4f}{errors.mean():9.4f}"
    return f"{numbers}{100 * held:7.1f}{mark}{none}"


def _uniformity(case: Case, p: list[float | None]) -> str:
    known = [value for value in p if value is not None]
    if abs(case.truth) > 1e-12 or not known:
        return ""
    own = np.arange(1, case.draws + 2) / (case.draws + 1)
    alike = stats.ks_2samp(known, own).pvalue
    mark = "*" if alike < UNLIKELY else ""
    return f"{100 * np.mean(np.array(known) < 0.05):8.1f}{alike:9.3f}{mark}"


if __name__ == "__main__":
    main()
