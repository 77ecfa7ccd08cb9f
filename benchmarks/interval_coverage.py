"""How often nominal 95 % intervals hold the truth: each kind, eight families, n = 50 and 500.

Every replicate keeps the regressors and draws new outcomes, by NumPy and SciPy and not by the
declaration. The share is conditional on a minimum: a replicate without one has no interval, and is
counted in a column of its own, as are profiles and bootstraps that came to no end. A share is
marked where it lies more than three binomial standard errors away from 95 %.

The bootstrap is the one-step approximation, as its refits would take days; its percentiles are of
`--resamples` draws.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from cold_start import linear, logistic, student_t
from scipy.special import expit

import workbench as wb
from models import counts

LEVEL = 0.95
SEED = 20261123
SLOPES = np.array([0.5, 0.3, -0.2])  # of an intercept, a standard normal and a binary regressor
FAR = 3.0  # binomial standard errors that are marked
KINDS = ("wald", "transformed", "profile", "bootstrap")
LACKING = ("profile", "bootstrap")  # kinds that may be refused where there is a minimum

Definition = Callable[[xr.Dataset], pm.Model]
Draw = Callable[[np.random.Generator, np.ndarray], np.ndarray]  # outcomes, given X beta


@dataclass(frozen=True)
class Family:
    """A declaration, the truth of what it has beside the slopes, and its outcomes' simulator."""

    definition: Definition
    others: dict[str, float]
    draw: Draw


def _log_linear(data: xr.Dataset) -> tuple[pm.Model, Any, Any, Any]:
    """A model, and in it exp(X beta), a shape alpha, and the outcomes."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        return model, pm.math.exp(X @ beta), pm.HalfNormal("alpha", 10.0), y


def gamma(data: xr.Dataset) -> pm.Model:
    """Gamma regression, log mu = X beta, of shape alpha."""
    model, mu, alpha, y = _log_linear(data)
    with model:
        pm.Gamma("outcome", alpha=alpha, beta=alpha / mu, observed=y, dims="row")
    return model


def weibull(data: xr.Dataset) -> pm.Model:
    """Weibull regression, log scale = X beta, of shape alpha."""
    model, scale, alpha, y = _log_linear(data)
    with model:
        pm.Weibull("outcome", alpha=alpha, beta=scale, observed=y, dims="row")
    return model


FAMILIES = {
    "linear": Family(linear, {"sigma": 1.5}, lambda rng, eta: rng.normal(eta, 1.5)),
    "student-t": Family(
        student_t,
        {"sigma": 1.0, "nu": 5.0},
        lambda rng, eta: eta + rng.standard_t(5.0, len(eta)),
    ),
    "logistic": Family(logistic, {}, lambda rng, eta: rng.binomial(1, expit(eta)).astype(float)),
    "poisson": Family(
        counts.poisson, {}, lambda rng, eta: rng.poisson(np.exp(eta)).astype(float)
    ),
    "nb2": Family(
        counts.negative_binomial,
        {"alpha": 2.0},
        lambda rng, eta: rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta))).astype(float),
    ),
    "zip": Family(
        counts.zero_inflated_poisson,
        {"gamma[Intercept]": -0.7},
        lambda rng, eta: (
            rng.poisson(np.exp(eta)) * rng.binomial(1, expit(0.7), len(eta))
        ).astype(float),
    ),
    "gamma": Family(
        gamma, {"alpha": 2.0}, lambda rng, eta: rng.gamma(2.0, np.exp(eta) / 2.0)
    ),
    "weibull": Family(
        weibull, {"alpha": 1.5}, lambda rng, eta: np.exp(eta) * rng.weibull(1.5, len(eta))
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One family at one size."""

    family: str
    rows: int
    replicates: int
    resamples: int


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rows", nargs="+", type=int, default=[50, 500])
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    tasks = [
        Task(family, rows, chosen.replicates, chosen.resamples)
        for family, rows in product(chosen.families, chosen.rows)
    ]
    error = 100 * np.sqrt(LEVEL * (1 - LEVEL) / chosen.replicates)
    print(
        f"Share of nominal {100 * LEVEL:g} % intervals that hold the truth, in per cent; "
        f"{chosen.replicates:,} replicates.\nBinomial standard error {error:.2f} at 95 %; "
        f"* is farther away than {FAR:g} of them.\n"
    )
    print(f"{'family':10}{'n':>5}  {'parameter':18}" + "".join(f"{kind:>13}" for kind in KINDS)
          + f"{'no minimum':>12}" + "".join(f"{'no ' + kind:>14}" for kind in LACKING))  # fmt: skip
    # JAX does not survive a fork.
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        for task, lines in zip(tasks, pool.map(_measured, tasks), strict=True):
            for line in lines:
                print(f"{task.family:10}{task.rows:5}  {line}", flush=True)


def _measured(task: Task) -> list[str]:
    """The table's lines of one family at one size."""
    family = FAMILIES[task.family]
    rng = np.random.default_rng(SEED)
    X = np.column_stack([
        np.ones(task.rows), rng.normal(size=task.rows), np.arange(task.rows) % 2
    ])  # fmt: skip
    truth = pd.Series(dict(zip(("beta[Intercept]", "beta[x]", "beta[z]"), SLOPES, strict=True))
                      | family.others)  # fmt: skip
    problem, held, without = None, [], 0
    for _ in range(task.replicates):
        data = _dataset(family.definition, X, family.draw(rng, X @ SLOPES))
        problem = wb.bind(family.definition, data) if problem is None else problem.on(data)
        fit = wb.maximum_likelihood(problem)
        if fit.status != "a minimum":
            without += 1
            continue
        held.append([_holds(fit, truth, kind, task.resamples) for kind in KINDS])
    return _lines(truth, np.array(held), without, task.replicates)


def _dataset(definition: Definition, X: np.ndarray, y: np.ndarray) -> xr.Dataset:
    """What the definition reads; a part for zeros has the intercept alone."""
    data = xr.Dataset(
        {"y": ("row", y), "X": (("row", "term"), X)}, coords={"term": ["Intercept", "x", "z"]}
    )
    for predictor in getattr(definition, "predictors", ()):
        alone = data["X"].isel(term=[0]).rename(term=f"term_{predictor}")
        data = data.assign({f"X_{predictor}": alone})
    return data


def _holds(fit: wb.Estimate, truth: pd.Series, kind: str, resamples: int) -> np.ndarray:
    """Whether each interval holds the truth, by parameter; NaN where there is none."""
    try:
        if kind == "bootstrap":
            limits = fit.bootstrap(resamples, way="one step").conf_int(LEVEL)
        else:
            limits = fit.conf_int(kind, LEVEL)
    except (
        wb.ModelError
    ):  # too many resamples without a step, a profile that found a better optimum
        return np.full(len(truth), np.nan)
    limits = limits.loc[truth.index]
    inside = (limits["lower"] <= truth) & (truth <= limits["upper"])
    return np.where(limits.notna().all(axis=1), inside, np.nan)


def _lines(truth: pd.Series, held: np.ndarray, without: int, replicates: int) -> Sequence[str]:
    """held: by replicate with a minimum, kind and parameter."""
    lines = []
    for place, label in enumerate(truth.index):
        shares = ""
        for kind in range(len(KINDS)):
            known = held[:, kind, place][~np.isnan(held[:, kind, place])]
            share = known.mean()
            error = np.sqrt(LEVEL * (1 - LEVEL) / len(known))
            mark = "*" if abs(share - LEVEL) > FAR * error else " "
            shares += f"{100 * share:12.1f}{mark}"
        failed = [int(np.isnan(held[:, KINDS.index(kind), place]).sum()) for kind in LACKING]
        said = "".join(f"{count:14}" for count in failed)
        lines.append(f"{label:18}{shares}{100 * without / replicates:11.1f}%{said}")
    return lines


if __name__ == "__main__":
    main()
