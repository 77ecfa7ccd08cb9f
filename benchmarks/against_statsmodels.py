"""Seconds of warm fits, bootstraps and profiles beside statsmodels, as ratios of one run.

Both sides get the same rows and stand in one process. Ours is warm: compiled for these shapes by
an earlier fit, as in a study of several data sets; statsmodels compiles nothing. A fit includes its
standard errors. The quickest of a few repetitions counts on either side.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import statsmodels.api as sm
import xarray as xr
from cold_start import logistic
from scipy import stats
from scipy.special import expit
from statsmodels.base.model import GenericLikelihoodModel

import workbench as wb
from models import counts

TERMS = 10
GENERIC, OWN, BOOTSTRAP, PROFILE = 20.0, 1.5, 5.0, 20.0  # the goals, times
REPLICATES = 1_000
THEIR_REPLICATES = 40  # of statsmodels' loop; the rest would take the same time each


@dataclass(frozen=True)
class Row:
    """One comparison: how many times theirs takes longer, and the goal."""

    what: str
    ours: float  # seconds
    theirs: float
    goal: float

    @property
    def times(self) -> float:
        return self.theirs / self.ours


def main() -> int:
    """Print the table; 0 if every goal was met, 1 if not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=3, help="the quickest of so many counts")
    repeat = parser.parse_args().repeat
    rows = [*_generic(repeat), *_own(repeat), _bootstrap(), _profile(repeat)]
    print(f"{'':58}{'ours s':>9}{'theirs s':>10}{'times':>8}{'goal':>7}")
    for row in rows:
        print(f"{row.what:58}{row.ours:9.3g}{row.theirs:10.3g}{row.times:8.1f}{row.goal:7.1f}")
    missed = [row for row in rows if row.times < row.goal]
    for row in missed:
        print(f"Missed: {row.what}: {row.times:.1f} times; the goal is {row.goal:g}.")
    return 1 if missed else 0


def _data(rows: int, draw: Callable[[np.random.Generator, np.ndarray], np.ndarray],
          terms: int = TERMS) -> xr.Dataset:  # fmt: skip
    """An intercept and standard normal terms of small effect."""
    rng = np.random.default_rng(20261123)
    X = np.column_stack([np.ones(rows), rng.normal(size=(rows, terms - 1))])
    eta = X @ np.append(0.5, np.linspace(-0.3, 0.3, terms - 1))
    return xr.Dataset(
        {"y": ("row", draw(rng, eta).astype(float)), "X": (("row", "term"), X)},
        coords={"term": ["Intercept", *(f"x{number}" for number in range(1, terms))]},
    )


DRAWS = {
    "logit": lambda rng, eta: rng.binomial(1, expit(eta)),
    "poisson": lambda rng, eta: rng.poisson(np.exp(eta)),
    "nb2": lambda rng, eta: rng.negative_binomial(2.0, 2.0 / (2.0 + np.exp(eta))),
}
OURS = {"logit": logistic, "poisson": counts.poisson, "nb2": counts.negative_binomial}
THEIRS = {"logit": sm.Logit, "poisson": sm.Poisson, "nb2": sm.NegativeBinomial}


class Poisson(GenericLikelihoodModel):  # type: ignore[misc]
    """statsmodels' generic class on SciPy's density, as its documentation shows it."""

    def loglikeobs(self, params: np.ndarray) -> np.ndarray:
        return np.asarray(stats.poisson.logpmf(self.endog, np.exp(self.exog @ params)))


def _quickest(call: Callable[[], object], repeat: int) -> float:
    seconds = []
    for _ in range(repeat):
        begin = perf_counter()
        call()
        seconds.append(perf_counter() - begin)
    return min(seconds)


def _warm(family: str, data: xr.Dataset) -> Callable[[], object]:
    problem = wb.bind(OURS[family], data)
    wb.maximum_likelihood(problem).bse.to_numpy()
    return lambda: wb.maximum_likelihood(problem).bse.to_numpy()


def _generic(repeat: int) -> list[Row]:
    data = _data(2_000, DRAWS["poisson"])
    ours = _quickest(_warm("poisson", data), 5 * repeat)
    y, X = data["y"].values, data["X"].values
    found = []
    for method in ("nm", "bfgs"):

        def fit(method: str = method) -> object:
            model = Poisson(y, X)
            return model.fit(start_params=np.zeros(TERMS), method=method, maxiter=20_000,
                             maxfun=20_000, disp=0).bse  # fmt: skip

        said = "default (Nelder-Mead)" if method == "nm" else "BFGS"
        theirs = _quickest(fit, repeat)
        found.append(Row(f"Poisson, n = 2,000, GenericLikelihoodModel by {said}", ours, theirs,
                         GENERIC))  # fmt: skip
    return found


def _own(repeat: int) -> list[Row]:
    found = []
    for family, kind in THEIRS.items():
        data = _data(100_000, DRAWS[family])
        y, X = data["y"].values, data["X"].values
        ours = _quickest(_warm(family, data), repeat)
        theirs = _quickest(partial(_their_errors, kind, y, X), repeat)
        found.append(Row(f"{family}, n = 100,000, {kind.__name__}", ours, theirs, OWN))
    return found


def _their_errors(kind: Any, y: np.ndarray, X: np.ndarray) -> object:
    return kind(y, X).fit(disp=0).bse


def _bootstrap() -> Row:
    data = _data(2_000, DRAWS["nb2"])
    y, X = data["y"].values, data["X"].values
    fit = wb.maximum_likelihood(wb.bind(OURS["nb2"], data))
    fit.bootstrap(10)
    ours = _quickest(lambda: fit.bootstrap(REPLICATES), 1)
    rng = np.random.default_rng(1)

    def loop() -> None:
        for _ in range(THEIR_REPLICATES):
            again = rng.integers(0, len(y), len(y))
            sm.NegativeBinomial(y[again], X[again]).fit(disp=0)

    theirs = _quickest(loop, 1) * REPLICATES / THEIR_REPLICATES
    return Row("NB2, n = 2,000, 1,000 bootstrap refits", ours, theirs, BOOTSTRAP)


def _profile(repeat: int) -> Row:
    fit = wb.maximum_likelihood(wb.bind(OURS["poisson"], _data(2_000, DRAWS["poisson"])))
    fit.profile()
    one = _quickest(_warm("poisson", _data(2_000, DRAWS["poisson"])), 5 * repeat)
    all_of_them = _quickest(fit.profile, repeat)
    # "Theirs" is what would be allowed: so many fits.
    what = f"profiles of {TERMS} parameters, in fits of our own: {all_of_them / one:.1f}"
    return Row(what, all_of_them, PROFILE * one, 1.0)


if __name__ == "__main__":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what statsmodels says of its own searches
        sys.exit(main())
