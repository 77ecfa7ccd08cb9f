"""How often ΔCE ± 1.96 standard errors holds the truth: normal against Student's t on t5 rows.

Both models are fitted once, to 5,000 rows, and held fixed; every replicate draws m held-out rows.
The true ΔCE of the two fits is an integral. Beside the error that the rows show stands the one
used, the larger of that and of what the better model implies, over all replicates and over those
in which the true family came out better; how often the variance looks infinite; and how often
each of the two is called separated from the other, rightly or wrongly.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import integrate, stats

import workbench as wb
from models import continuous
from workbench import density

TRUTH = stats.t(5)
SEED = 20261123


def coverage_of_differences(
    *, rows: int, replicates: int, seed: int = SEED, training: int = 5000
) -> dict[str, float]:
    """Shares of replicates whose interval holds the true difference, by the error it is made of."""
    rng = np.random.default_rng(seed)
    definitions = {"normal": continuous.normal, "t": continuous.student_t}
    train, test = (wb.design("y ~ 1", table)(table) for table in
                   (_table(rng, training), _table(rng, rows)))  # fmt: skip
    fits = {name: wb.maximum_likelihood(wb.bind(one, train)) for name, one in definitions.items()}
    held = {name: wb.evaluate(fit, test) for name, fit in fits.items()}
    truth = integrate.quad(lambda y: TRUTH.pdf(y) * _loss_difference(held, y), -np.inf, np.inf)[0]
    found = []
    for replicate in range(replicates):
        y = TRUTH.rvs(rows, random_state=rng)
        compared = wb.compare(_on(held, y, replicate))
        gap = compared.difference("normal", "t")
        off = abs(gap.value - truth)
        intervals = off <= 1.96 * gap.rows.se, off <= 1.96 * gap.se
        verdicts = (compared.separated(name) for name in ("normal", "t"))
        found.append((*intervals, gap.value > 0, gap.finite, *verdicts))
    by_rows, used, won, finite, right, wrong = np.array(found).T
    return {
        "rows": float(by_rows.mean()),
        "used": float(used.mean()),
        "used, t better": float(used[won].mean()),
        "t better": float(won.mean()),
        "no finite variance": float(1 - finite.mean()),
        "t separated": float(right.mean()),
        "normal separated": float(wrong.mean()),
    }


def _table(rng: np.random.Generator, rows: int) -> wb.Table:
    return wb.read(pd.DataFrame({"y": TRUTH.rvs(rows, random_state=rng)}))


def _on(held: dict[str, wb.Evaluation], y: np.ndarray, seed: int) -> dict[str, wb.Evaluation]:
    """The same fits on other outcomes."""
    moved = {}
    for name, one in held.items():
        problem = one.problem.with_outcomes(y)
        losses = -problem.pointwise(one.theta)
        moved[name] = replace(one, problem=problem, observed=y, pointwise=losses, seed=seed)
    return moved


def _loss_difference(held: dict[str, wb.Evaluation], y: float) -> float:
    """By SciPy's densities: normal less t, the same in every row."""
    normal, t = (density.log_density(held[name].distribution, y) for name in ("normal", "t"))
    return float(np.ravel(t - normal)[0])


def main() -> None:
    """Print one line for each number of held-out rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[50, 100, 300, 1000])
    parser.add_argument("--replicates", type=int, default=1000)
    arguments = parser.parse_args()
    lines = {m: coverage_of_differences(rows=m, replicates=arguments.replicates)
             for m in arguments.rows}  # fmt: skip
    print(pd.DataFrame(lines).T.rename_axis("m").round(3).to_string())


if __name__ == "__main__":
    main()
