"""Categories, with or without an order."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from tests.published.regressions import real, regression


def _cutpoints(data):
    """Increasing, and numbered from 1 on as in the source."""
    numbers = np.arange(1, int(data["y"].max()) + 1)
    pm.modelcontext(None).add_coord("number", numbers)
    ordered = pm.distributions.transforms.ordered
    return real("cut", dims="number", transform=ordered, initval=numbers - numbers.mean())


proportional_odds = regression(
    lambda eta, y, data: pm.OrderedLogistic(
        "outcome", eta=eta, cutpoints=_cutpoints(data), observed=y, compute_p=False
    )
)


def _ordered_cloglog(eta, y, data):
    below = -pt.expm1(-pt.exp(_cutpoints(data) - eta[:, None]))
    none = pt.zeros_like(eta[:, None])
    edges = pt.concatenate([none, below, none + 1], axis=1)
    pm.Categorical("outcome", p=edges[:, 1:] - edges[:, :-1], observed=y)


ordered_cloglog = regression(_ordered_cloglog)
