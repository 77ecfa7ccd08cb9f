"""Seconds of leave-one-out by one Newton step a row, beside exact fits without each row.

Both from one warm fit, in one process; exact fits start at the whole fit's optimum and are timed
on a part of the rows. What the rows add that one step will not do for, fitted again, is told apart.
"""

import argparse
import sys
from time import perf_counter

import numpy as np
from against_statsmodels import DRAWS, OURS, _data

import workbench as wb
from workbench import resampling

ROWS, PARAMETERS, GOAL = 1_000, 10, 100.0
TERMS = {"logit": PARAMETERS, "poisson": PARAMETERS, "nb2": PARAMETERS - 1}  # and a dispersion
REFITS = 100


def main() -> int:
    """Print the table; 0 if every goal was met, 1 if not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="the quickest of so many counts")
    repeat = parser.parse_args().repeat
    print(f"{'':10}{'one step s':>12}{'exact s':>10}{'times':>8}{'goal':>7}"
          f"{'flagged':>9}{'again s':>9}{'largest error, nats':>21}")  # fmt: skip
    return max(_timed(family, repeat) for family in TERMS)


def _timed(family: str, repeat: int) -> int:
    data = _data(ROWS, DRAWS[family], TERMS[family])
    fit = wb.maximum_likelihood(wb.bind(OURS[family], data))
    stepped, ours = _quickest(lambda: wb.leave_one_out(fit, most=0.0), repeat)
    flagged, with_refits = _quickest(lambda: wb.leave_one_out(fit, most=1.0), 1)
    every = np.linspace(0, ROWS - 1, REFITS).astype(int)
    exact, part = _quickest(lambda: _without_each(fit, every), repeat)
    theirs = part * ROWS / REFITS
    error = np.abs(stepped.pointwise[every] - exact).max()
    print(f"{family:10}{ours:12.3g}{theirs:10.3g}{theirs / ours:8.0f}{GOAL:7.0f}"
          f"{len(flagged.refitted):9}{max(with_refits - ours, 0):9.2g}{error:21.2g}")  # fmt: skip
    return int(theirs / ours < GOAL)


def _quickest[T](call, repeat: int) -> tuple[T, float]:
    call()
    seconds = []
    for _ in range(repeat):
        begin = perf_counter()
        found = call()
        seconds.append(perf_counter() - begin)
    return found, min(seconds)


def _without_each(fit: wb.Estimate, rows: np.ndarray) -> np.ndarray:
    """Each row's loss under the exact fit of the others, nats."""
    problem, weights = fit.problem, fit.problem.rows.weights
    without = (fit.on(problem.redrawn(weights - (np.arange(len(weights)) == row))) for row in rows)
    thetas = np.array(list(resampling.refitted(without, fit.point, fit.nobs)))
    apart = np.tile(fit.theta, (len(weights), 1))
    apart[rows] = thetas
    return -problem.pointwise_apart(apart)[rows]


if __name__ == "__main__":
    sys.exit(main())
