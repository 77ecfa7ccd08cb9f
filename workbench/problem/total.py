"""PyMC's own log density of the whole model, in which no rewriting or engine of ours has a part."""

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.replace import graph_replace

from workbench.problem.graph import Graph, initial_point
from workbench.problem.pytensor_engine import small
from workbench.problem.rows import Rows


def pymc_total(graph: Graph, rows: Rows, theta: np.ndarray) -> float:
    """log p(rows, parameters) by `model.logp`, without Jacobians; see `Problem.pymc_total`."""
    model = graph.model
    pieces, end = [], 0
    for like in initial_point(model).values():
        begin, end = end, end + like.size
        pieces.append(theta[begin:end].reshape(like.shape).astype(like.dtype))
    declared = {
        model[row.name]: pt.constant(array)
        for row, array in zip(graph.inputs, rows.arrays, strict=True)
        if not row.constant  # pm.Data, whose rows may have been moved
    }
    total = graph_replace([model.logp(jacobian=False)], declared, strict=False)
    values = [model.rvs_to_values[rv] for rv in model.free_RVs]
    return float(small(values, total)(*pieces)[0])
