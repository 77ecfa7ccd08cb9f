"""Seconds to a fit with standard errors, from cold and again, beside PyMC's own `find_MAP`.

Either side gets the same declaration and the same rows, in a fresh process with an empty compile
directory and no cache of JAX's on disk. Imports do not count. The clock runs from the data to the
standard errors: over `bind`, `maximum_likelihood` and `bse` on our side, over building the model
and `find_MAP(compute_hessian=True)` on PyMC's. The same process then fits other rows of the same
number, several times: ours by `problem.on`, PyMC's by doing it all again, as it keeps no function.
The mean of these counts, in which Python's collections of garbage have their due share.

Maximum likelihood is what a user of ours would run, and MAP is what `find_MAP` gives; so after the
clock has stopped our MAP is compared with PyMC's: the table says how far they lie apart, in
standard errors, and by how much the standard errors differ. Both are taken of theta, where
PyMC leaves its covariance.
"""

import argparse
import gc
import json
import math
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from time import perf_counter

import numpy as np
import pymc as pm
import xarray as xr

import workbench as wb

TERMS = 10
SEED = 20261123  # of the rows of the fit from cold; those of the fits that follow count on
AGAIN = 6
FASTER = 10.0  # times, from cold: the geometric mean
SLOWEST = 1.0  # times, from cold: each
REFIT, REFIT_ROWS = 50.0, 1_000  # times, each, with so many rows
# L-BFGS-B stops about a thousandth of a standard error short; much more is another answer.
SAME_MODE = 0.1  # standard errors
# Imports that a library puts off until its first fit; no fit here is to pay for them.
PUT_OFF = (
    "arviz_base",
    "better_optimize",
    "jax.scipy.special",
    "jaxlib.mlir.dialects.mhlo",
    "pymc.printing",
    "pytensor.link.c.cmodule",
    "pytensor.link.jax.dispatch",
    "pytensor.link.numba.dispatch",
    "setuptools",
    "workbench.estimate",
)

Definition = Callable[[xr.Dataset], pm.Model]
Draw = Callable[[np.random.Generator, np.ndarray], np.ndarray]  # outcomes, given X beta


@dataclass(frozen=True)
class Fit:
    """One fit: its seconds, and the mode of the posterior with standard errors, as theta."""

    seconds: float
    theta: tuple[float, ...]
    standard_errors: tuple[float, ...]


@dataclass(frozen=True)
class Pair:
    """The same fit by both."""

    family: str
    rows: int
    ours: Fit
    theirs: Fit

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.theirs.seconds / self.ours.seconds

    @property
    def apart(self) -> float:
        """The largest distance between the two modes, in standard errors."""
        moved = np.subtract(self.ours.theta, self.theirs.theta)
        return float(np.abs(moved / np.array(self.ours.standard_errors)).max())

    @property
    def error_change(self) -> float:
        """The largest relative difference between the two standard errors of a parameter."""
        ratio = np.divide(self.theirs.standard_errors, self.ours.standard_errors)
        return float(np.abs(ratio - 1.0).max())


def linear(data: xr.Dataset) -> pm.Model:
    """Normal regression."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        sigma = pm.HalfNormal("sigma", 10.0)
        pm.Normal("outcome", mu=X @ beta, sigma=sigma, observed=y, dims="row")
    return model


def logistic(data: xr.Dataset) -> pm.Model:
    """Logistic regression."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        pm.Bernoulli("outcome", logit_p=X @ beta, observed=y, dims="row")
    return model


def negative_binomial(data: xr.Dataset) -> pm.Model:
    """Negative binomial regression (NB2): variance mu + mu^2 / alpha, log mu = X beta."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        alpha = pm.HalfNormal("alpha", 10.0)
        mu = pm.math.exp(X @ beta)
        pm.NegativeBinomial("outcome", mu=mu, alpha=alpha, observed=y, dims="row")
    return model


def student_t(data: xr.Dataset) -> pm.Model:
    """Student-t regression, its degrees of freedom unknown."""
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        y = pm.Data("y", data["y"], dims="row")
        beta = pm.Normal("beta", 0.0, 10.0, dims="term")
        sigma = pm.HalfNormal("sigma", 10.0)
        nu = pm.Gamma("nu", 2.0, 0.1)
        pm.StudentT("outcome", nu=nu, mu=X @ beta, sigma=sigma, observed=y, dims="row")
    return model


FAMILIES: dict[str, tuple[Definition, Draw]] = {
    "linear": (linear, lambda rng, eta: rng.normal(eta, 1.0)),
    "logistic": (logistic, lambda rng, eta: rng.binomial(1, 1.0 / (1.0 + np.exp(-eta)))),
    "nb2": (
        negative_binomial,
        lambda rng, eta: rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta))),
    ),
    "student-t": (student_t, lambda rng, eta: eta + rng.standard_t(5.0, len(eta))),
}


def main() -> int:
    """Print the tables; 0 if every goal was met, 1 if not."""
    chosen = _arguments()
    if chosen.measure:
        side, family, rows = chosen.measure
        print(json.dumps([asdict(fit) for fit in _measured(side, family, int(rows))]))
        return 0
    cold, again = [], []
    for rows in chosen.rows:
        for family in chosen.families:
            first, second = _pairs(family, rows, chosen.repeat)
            cold.append(first)
            again.append(second)
    _show("From cold", cold)
    _show("Again, in the same process, on other rows of the same number", again)
    missed = [*_missed_from_cold(cold), *_missed_again(again), *_unlike([*cold, *again])]
    print("\n".join(missed or ["Every goal was met."]))
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    summary = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--rows", nargs="+", type=int, default=[1_000, 100_000])
    parser.add_argument(
        "--repeat", type=int, default=1, help="fresh processes a side; the quickest of them counts"
    )
    # What this program asks of the fresh processes it starts: side, family, rows.
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if min(chosen.rows) <= TERMS or chosen.repeat < 1:
        parser.error(f"--rows must be more than the {TERMS} terms, and --repeat at least 1")
    return chosen


def _pairs(family: str, rows: int, repeat: int) -> tuple[Pair, Pair]:
    """The quickest fits from cold, and the quickest means of those that followed them."""
    runs: dict[str, list[tuple[Fit, Fit]]] = {side: [] for side in SIDES}
    for _ in range(repeat):
        for side, fits in runs.items():
            print(f"{family}, {rows:,} rows, {side} ...", file=sys.stderr, flush=True)
            fits.append(_in_fresh_process(side, family, rows))
    cold, again = (
        [min((run[place] for run in runs[side]), key=lambda fit: fit.seconds) for side in SIDES]
        for place in range(2)
    )
    return Pair(family, rows, *cold), Pair(family, rows, *again)


def _in_fresh_process(side: str, family: str, rows: int) -> tuple[Fit, Fit]:
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PYTENSOR_FLAGS": f"base_compiledir={folder}",
            "PYTENSORRC": os.devnull,
            "JAX_ENABLE_COMPILATION_CACHE": "false",
            "JAX_PLATFORMS": "cpu",  # PyMC's functions run there, too
        }
        command = [sys.executable, __file__, "--measure", side, family, str(rows)]
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    first, second = (Fit(**fit) for fit in json.loads(output))
    return first, second


def _measured(side: str, family: str, rows: int) -> tuple[Fit, Fit]:
    definition, draw = FAMILIES[family]
    for module in PUT_OFF:
        import_module(module)
    gc.collect()  # what the imports left, which the next full collection would charge to the fit
    first, *others = (_simulated(draw, rows, SEED + number) for number in range(1 + AGAIN))
    return SIDES[side](definition, first, others)


def _simulated(draw: Draw, rows: int, seed: int) -> xr.Dataset:
    """An intercept and nine standard normal terms of small effect."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(rows), rng.normal(size=(rows, TERMS - 1))])
    beta = np.append(0.5, np.linspace(-0.4, 0.4, TERMS - 1))
    terms = ["Intercept", *(f"x{number}" for number in range(1, TERMS))]
    return xr.Dataset(
        {"y": ("row", draw(rng, X @ beta).astype(float)), "X": (("row", "term"), X)},
        coords={"term": terms},
    )


def _by_workbench(
    definition: Definition, first: xr.Dataset, others: Sequence[xr.Dataset]
) -> tuple[Fit, Fit]:
    begin = perf_counter()
    problem = wb.bind(definition, first)
    _require_finite(wb.maximum_likelihood(problem).bse.to_numpy())
    between = perf_counter()
    for data in others:
        other = problem.on(data)
        _require_finite(wb.maximum_likelihood(other).bse.to_numpy())
    end = perf_counter()
    return _our_mode(problem, between - begin), _our_mode(other, (end - between) / len(others))


def _our_mode(problem: wb.Problem, seconds: float) -> Fit:
    optimum = wb.maximum_a_posteriori(problem).optimum
    return _fit(seconds, optimum.theta, np.linalg.inv(optimum.information))


def _by_find_map(
    definition: Definition, first: xr.Dataset, others: Sequence[xr.Dataset]
) -> tuple[Fit, Fit]:
    with warnings.catch_warnings():
        # PyTensor's trigamma has no numba form and runs in Python; nothing to do about it here.
        warnings.filterwarnings("ignore", "Numba will use object mode", UserWarning)
        cold = _their_mode(definition, first)
        again = [_their_mode(definition, data) for data in others]
    return cold, replace(again[-1], seconds=sum(fit.seconds for fit in again) / len(again))


def _their_mode(definition: Definition, data: xr.Dataset) -> Fit:
    begin = perf_counter()
    # Only the DataTree holds the covariance; the other two are said because PyMC asks for them.
    found = pm.find_MAP(
        model=definition(data),
        compute_hessian=True,
        return_inferencedata=True,
        jitter=False,
        progressbar=False,
    )
    seconds = perf_counter() - begin
    mode = found["fit"]
    return _fit(seconds, mode["mean_vector"].values, mode["covariance_matrix"].values)


# In the order of Pair: ours, theirs.
SIDES: dict[str, Callable[[Definition, xr.Dataset, Sequence[xr.Dataset]], tuple[Fit, Fit]]] = {
    "workbench": _by_workbench,
    "find_MAP": _by_find_map,
}


def _fit(seconds: float, theta: np.ndarray, covariance: np.ndarray) -> Fit:
    standard_errors = np.sqrt(np.diag(covariance))
    _require_finite(standard_errors)
    return Fit(seconds, tuple(theta.tolist()), tuple(standard_errors.tolist()))


def _require_finite(standard_errors: np.ndarray) -> None:
    """A fit without standard errors would have been measured for nothing."""
    if not np.isfinite(standard_errors).all():
        raise SystemExit(f"no standard errors: {standard_errors}")


def _show(title: str, pairs: Sequence[Pair]) -> None:
    print(f"\n{title}\n")
    print(f"{'family':10}{'rows':>9}{'workbench s':>13}{'find_MAP s':>12}{'times':>8}"
          f"{'modes apart, se':>17}{'se differ by':>14}")  # fmt: skip
    for pair in pairs:
        print(f"{pair.family:10}{pair.rows:9,}{pair.ours.seconds:13.3g}"
              f"{pair.theirs.seconds:12.3g}{pair.ratio:8.1f}{pair.apart:17.1e}"
              f"{pair.error_change:14.1e}")  # fmt: skip
    print(f"{'geometric mean':44}{_geometric_mean(pairs):8.1f}\n")


def _geometric_mean(pairs: Sequence[Pair]) -> float:
    return math.exp(sum(math.log(pair.ratio) for pair in pairs) / len(pairs))


def _missed_from_cold(pairs: Sequence[Pair]) -> list[str]:
    mean = _geometric_mean(pairs)
    faster = [] if mean >= FASTER else [
        f"Missed: from cold {mean:.1f} times faster in the geometric mean; the goal is {FASTER:g}."
    ]  # fmt: skip
    return faster + [
        f"Missed: {pair.family} at {pair.rows:,} rows is slower than find_MAP from cold."
        for pair in pairs
        if pair.ratio < SLOWEST
    ]


def _missed_again(pairs: Sequence[Pair]) -> list[str]:
    return [
        f"Missed: {pair.family} at {pair.rows:,} rows is {pair.ratio:.1f} times faster again; "
        f"the goal is {REFIT:g}."
        for pair in pairs
        if pair.rows == REFIT_ROWS and pair.ratio < REFIT
    ]


def _unlike(pairs: Sequence[Pair]) -> list[str]:
    return [
        f"No comparison: {pair.family} at {pair.rows:,} rows has two modes, "
        f"{pair.apart:.2g} standard errors apart."
        for pair in pairs
        if not pair.apart < SAME_MODE
    ]


if __name__ == "__main__":
    sys.exit(main())
