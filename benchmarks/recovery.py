"""How often nominal 95 % Wald intervals hold the truth, for every definition of the library.

Outcomes are drawn from the declaration's own simulator at a known truth, and fitted again. The
share is conditional on a minimum; replicates without one are counted. On a kink, where the observed
information has no errors, they are those of the expected one. The share is marked where it lies
more than three binomial standard errors away from 95 %.
"""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent.parent))  # the truths stand with the tests

import workbench as wb
from tests.library import DEFINITIONS, TRUTH, problem, theta_of

LEVEL, FAR, SEED = 0.95, 3.0, 20261125
TAIL = (1 - LEVEL) / 2
KINDS = {"a minimum": "observed", "a minimum on a kink": "expected"}


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--definitions", nargs="+", choices=DEFINITIONS, default=list(DEFINITIONS))
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--replicates", type=int, default=400)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args()
    error = 100 * np.sqrt(LEVEL * (1 - LEVEL) / chosen.replicates)
    print(
        f"Share of nominal 95 % Wald intervals that hold the truth, in per cent; "
        f"{chosen.rows} rows, {chosen.replicates} replicates.\n"
        f"Binomial standard error {error:.2f}; * is farther away than {FAR:g} of them.\n"
    )
    print(f"{'definition':44}{'no minimum':>12}  by parameter")
    tasks = [(name, chosen.rows, chosen.replicates) for name in chosen.definitions]
    # JAX does not survive a fork.
    with ProcessPoolExecutor(chosen.processes, mp_context=get_context("spawn")) as pool:
        for line in pool.map(_measured, *zip(*tasks, strict=True)):
            print(line, flush=True)


def _measured(name: str, rows: int, replicates: int) -> str:
    bound, rng = problem(name, rows), np.random.default_rng(SEED)
    theta = theta_of(bound, TRUTH[name])
    truth, held, without = bound.natural(theta), [], 0
    for _ in range(replicates):
        fit = wb.maximum_likelihood(bound.with_outcomes(bound.simulate(theta, rng)))
        if fit.status not in KINDS:
            without += 1
            continue
        errors = fit.standard_errors(KINDS[fit.status]).to_numpy()
        held.append(np.abs(fit.params.to_numpy() - truth) <= stats.norm.isf(TAIL) * errors)
    if not held:
        return f"{name:44}{without:12}  (no replicate with a minimum)"
    shares = np.mean(held, axis=0)
    far = FAR * np.sqrt(LEVEL * (1 - LEVEL) / len(held))
    told = [
        f"{label} {100 * share:.1f}{'*' if abs(share - LEVEL) > far else ''}"
        for label, share in zip(bound.labels, shares, strict=True)
    ]
    return f"{name:44}{without:12}  {', '.join(told)}"


if __name__ == "__main__":
    main()
