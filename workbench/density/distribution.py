"""A distribution by name, its parameters as numbers, and those that it is put together from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

type Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Distribution:
    """A distribution by PyMC's name, with its parameters as PyMC's random variable orders them.

    Composites hold others as `components`: "Mixture" and "Hurdle" have the weights as their one
    parameter, components along its last axis (one component alone is stacked along the last axis
    of its own parameters, as in PyMC); "Truncated" and "Censored" have (lower, upper), both
    inclusive and infinite where absent, and one component; "DiracDelta" is the point (c,);
    "Categorical" has the probabilities of the codes 0, 1, 2, ... along its parameter's last axis.
    Outcomes of a vector's distribution stand along the last axis.
    """

    name: str
    parameters: tuple[npt.NDArray[Any], ...]
    components: tuple["Distribution", ...] = ()
