"""The page of the argument: `python reports/likelihood-cross-entropy-kl/argument.py` writes it.

steps.py has the numbers, figures.py draws them, argument.html has the words. Change the data, a
family, a constant or a sentence, and run it again: no number of the page is typed.
"""

from collections.abc import Iterator
from typing import Any

import figures
import numpy as np
import steps
from scipy import stats

import workbench as wb
from models import continuous
from workbench.report import write_page


def main() -> None:
    page = steps.HERE / "out" / "argument.html"
    told = {name: value for part in argument() for name, value in part.items()}
    print(write_page(steps.HERE / "argument.html", page, **told))


def argument() -> Iterator[dict[str, Any]]:
    """Step by step, what argument.html calls by name."""
    data = steps.waits()
    normal = wb.maximum_likelihood(wb.bind(continuous.normal, data.training))
    yield {
        "rows": int(normal.nobs),
        "heldout": data.heldout.sizes["row"],
        "normal": normal,
        "hour": steps.HOUR,
    }

    product = steps.product(normal)
    yield {
        "product": product,
        "terms_table": figures.terms_table(product),
        "product_figure": figures.product_figure(product),
    }
    averaged = steps.averages(data, normal, steps.closest_to_truth("Normal"))
    yield {"averaged": averaged, "averages_table": figures.averages_table(averaged)}

    counted = steps.counts_curves(data)
    yield {
        "counted": counted,
        "counts_figure": figures.counts_figure(counted),
        "counts_table": figures.counts_table(counted),
    }
    curved = steps.continuous_curves(data, normal)
    yield {
        "continuous_figure": figures.continuous_figure(curved),
        "cells_table": figures.cells_table(data, normal),
    }
    smoothed, histogram = steps.smooth(normal, curved.over), steps.binned(normal)
    bandwidth = steps.BANDWIDTHS[1]
    yield {
        "bandwidth": bandwidth,
        "below_zero": float(np.mean(stats.norm.cdf(-data.minutes / bandwidth))),
        "smooth_figure": figures.smooth_figure(smoothed, curved, normal),
        "limits_figure": figures.limits_figure(smoothed, histogram, normal),
        "histogram_table": figures.histogram_table(histogram, normal),
    }
    known = steps.distances(data)
    yield {
        "known": known,
        "distance_figure": figures.distance_figure(known),
        "distance_table": figures.distance_table(known),
    }
    weighed = steps.priors(data)
    yield {
        "expected": steps.EXPECTED,
        "prior_figure": figures.prior_figure(weighed[0]),
        "prior_table": figures.prior_table(weighed),
    }
    both_ways = steps.approximations()
    yield {
        "log_two": float(np.log(2)),
        "modes_figure": figures.modes_figure(both_ways),
        "modes_table": figures.modes_table(both_ways),
    }
    learnt = {name: steps.learning(name) for name in ("Normal", "Gamma")}
    yield {
        "learning_figure": figures.learning_figure(learnt),
        "learning_table": figures.learning_table(learnt),
    }


if __name__ == "__main__":
    main()
