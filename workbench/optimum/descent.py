"""Descent without the Hessian, for more parameters than it is worth being formed at every step."""

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from workbench.optimum.points import Objective, Point

MEMORY = 20  # gradients that L-BFGS remembers
ITERATIONS = 1_000
COARSE = 1.0  # what L-BFGS leaves of the gradient, by parameters in standard errors


def descended(
    objective: Objective, begin: Point, radius: float, fine: float
) -> tuple[np.ndarray, list[float]]:
    """theta where the gradient is less than `fine`, and the objective on the way, in nats.

    L-BFGS, then Newton's method by conjugate gradients within a trust region (Steihaug 1983), in
    parameters scaled by one standard error each at the start; `radius` is the region's first, so
    scaled. A point that is not finite counts as infinitely bad.
    """
    scale, values = begin.scale, [begin.value]

    def slope(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = objective.value_and_gradient(scale * x)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return np.inf, np.zeros_like(x)
        return value, scale * gradient

    def bend(x: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return np.asarray(scale * objective.hessian_product(scale * x, scale * direction))

    def note(intermediate_result: OptimizeResult) -> None:
        values.append(float(intermediate_result.fun))

    coarse = minimize(
        slope, begin.theta / scale, jac=True, method="L-BFGS-B", callback=note,
        options={"maxcor": MEMORY, "maxiter": ITERATIONS, "gtol": COARSE, "ftol": 0.0},
    )  # fmt: skip
    found = minimize(
        slope, coarse.x, jac=True, hessp=bend, method="trust-ncg", callback=note,
        options={
            "initial_trust_radius": radius, "max_trust_radius": 1e3 * radius,
            "gtol": fine, "maxiter": ITERATIONS,
        },
    )  # fmt: skip
    return scale * found.x, values
