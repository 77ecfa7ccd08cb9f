"""PyMC's own log density of the whole model: what no compiled function of ours had a part in."""

from typing import TYPE_CHECKING

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.graph.replace import graph_replace

from workbench.errors import ModelError
from workbench.problem.pytensor_engine import small

if TYPE_CHECKING:
    from workbench.problem.binding import Problem


def pymc_total(problem: "Problem", model: pm.Model, theta: np.ndarray) -> float:
    """log p(rows, parameters) by `model.logp`, without Jacobians; see `Problem.pymc_total`."""
    values = [model.rvs_to_values[rv] for rv in model.free_RVs]
    total = model.logp(jacobian=False)
    if isinstance(problem.source, pm.Model):  # whose rows may have been moved
        replaced = {
            model[row.name]: pt.constant(array)
            for row, array in zip(problem.graph.inputs, problem.rows.arrays, strict=True)
            if not row.constant
        }
        total = graph_replace(total, replaced, strict=False)
    start = model.initial_point()
    pieces, end = [], 0
    for value in values:
        like = np.asarray(start[value.name])
        begin, end = end, end + like.size
        pieces.append(theta[begin:end].reshape(like.shape).astype(like.dtype))
    if end != len(theta):
        raise ModelError("PyMC's own parameters are laid out in another way than theta")
    return float(small(values, [total])(*pieces)[0])
