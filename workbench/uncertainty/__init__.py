"""Covariances, intervals and profiles of an estimate: functions and arrays in, arrays out."""

from workbench.uncertainty.covariance import (
    inverse,
    mapped,
    sandwich,
    score_products,
    summed,
    trace,
    wald,
)
from workbench.uncertainty.profiles import Limit, Profile, Side, contour, profile

__all__ = [
    "Limit",
    "Profile",
    "Side",
    "contour",
    "inverse",
    "mapped",
    "profile",
    "sandwich",
    "score_products",
    "summed",
    "trace",
    "wald",
]
