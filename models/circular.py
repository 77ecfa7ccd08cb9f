r"""Directions: angles in radians from -pi to pi.

Expects `y (row)` and `X (row, term)`.
"""

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Values, definition
from models.linear import column, coords, linear


def _start(data: xr.Dataset) -> Values:
    """The mean direction, and kappa by the mean's length (Fisher 1993, section 4.5.5)."""
    y = data["y"].values
    if "offset" not in data and (np.abs(y) <= np.pi).all():
        mean = np.mean(np.exp(1j * y))
        length = min(float(np.abs(mean)), 0.999)
        level = np.tan(np.clip(np.angle(mean), -3.0, 3.0) / 2)
        beta = np.where(data["term"].values == "Intercept", level, 0.0)
        return {"beta": beta, "kappa": np.array(length * (2 - length**2) / (1 - length**2))}
    return {}


@definition(
    outcome="angle",
    latex=(
        r"p(y_i) = \frac{\exp(\kappa \cos(y_i - \mu_i))}{2 \pi I_0(\kappa)}, \quad "
        r"\mu_i = 2 \arctan(x_i^\top \beta)"
    ),
    start=_start,
)
def von_mises(data: xr.Dataset) -> pm.Model:
    r"""Von Mises regression (Fisher and Lee 1992): mean direction mu = 2 arctan(X beta).

    kappa is the concentration: the angles are uniform at 0, and nearly normal with variance
    1 / kappa where it is large. With the intercept alone, mu = 2 arctan(beta) is any direction.
    """
    if (np.abs(data["y"].values) > np.pi).any():
        raise ValueError("angles lie between -pi and pi; take away full turns from the others")
    with pm.Model(coords=coords(data)) as model:
        mu, kappa = 2 * pm.math.arctan(linear(data)), pm.HalfNormal("kappa", 20.0)
        pm.VonMises("outcome", mu=mu, kappa=kappa, observed=column(data), dims="row")
    return model
