"""Covariances and intervals of an estimate: arrays in, arrays out."""

from workbench.uncertainty.covariance import (
    FEW_UNITS,
    inverse,
    mapped,
    sandwich,
    score_products,
    summed,
    trace,
    wald,
)

__all__ = [
    "FEW_UNITS",
    "inverse",
    "mapped",
    "sandwich",
    "score_products",
    "summed",
    "trace",
    "wald",
]
