"""Columns of a design that the training rows cannot tell apart: found and named before any fit."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from workbench.errors import DataError

# What is left of a column of length 1 once the others are taken out. The information that a fit
# inverts holds its square, 1e-14, which is the rounding of a sum of many products: a fit could
# not tell such a column from none, and so far from rounding (1e-16) real columns do not come.
NEGLIGIBLE = 1e-7  # of the column's length
ROUNDING = 1e-12  # of the column's length: what sums over many rows leave of an exact combination
# Eigenvalues of the scaled X'X are squares too, and good to about 1e-13: below this, look closer.
SUSPICIOUS = 1e-11
NAMED = 1e-6  # of the column's length: a term that adds less is not named
MOST_NAMED = 6
INTERCEPT = "Intercept"


@dataclass(frozen=True)
class Dependence:
    """A column that is a combination of earlier ones: coefficients by place, empty for zero."""

    column: int
    coefficients: Mapping[int, float]
    exact: bool  # to rounding; else to seven digits


def refuse_collinear(columns: np.ndarray, terms: list[str], formula: str) -> None:
    """Raise DataError where columns (row, term) are constant beside an intercept, or dependent."""
    rows, count = columns.shape
    if count > rows:
        said = f"has {count} terms, more than the {rows} training rows can tell apart"
    else:
        found = dependences(columns)
        if not found:
            return
        said = f"has terms that add nothing to the others: {_all_told(found, terms)}"
    raise DataError(
        f"formula '{formula}' {said}; leave out what is too much, or, where a proper prior is to "
        'decide, say collinear="keep".'
    )


def dependences(columns: np.ndarray) -> list[Dependence]:
    """Each column (row, term) that is zero, or a combination of the independent ones before it.

    By X'X of columns of length 1 where all is well; else by Gram and Schmidt, column by column, on
    the triangular factor of X, which loses no digit to squares.
    """
    scaled, lengths = _of_length_one(columns)
    if (lengths > 0).all() and np.linalg.eigvalsh(scaled.T @ scaled)[0] > SUSPICIOUS:
        return []
    triangle = np.linalg.qr(scaled, mode="r")
    found, kept = [], list[int]()
    basis, weights = np.empty((len(triangle), 0)), np.empty((0, 0))
    for place, column in enumerate(triangle.T):
        shares, rest = _taken_out(basis, column)
        length = float(np.linalg.norm(rest))
        if length < NEGLIGIBLE:
            parts = np.linalg.solve(weights, shares)
            coefficients = _coefficients(place, kept, parts, lengths)
            found.append(Dependence(place, coefficients, length < ROUNDING))
            continue
        basis = np.column_stack([basis, rest / length])
        weights = np.pad(weights, ((0, 1), (0, 1)))
        weights[:, -1] = np.append(shares, length)
        kept.append(place)
    return found


def _of_length_one(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The columns over their lengths, and those; by way of the largest value, lest squares end."""
    largest = np.maximum(columns.max(axis=0), -columns.min(axis=0))
    scaled = columns / np.where(largest > 0, largest, 1.0)
    lengths = np.sqrt(np.einsum("ij,ij->j", scaled, scaled))
    scaled /= np.where(lengths > 0, lengths, 1.0)
    return scaled, lengths * largest


def _taken_out(basis: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The column's shares in an orthonormal basis and what is left; twice, against rounding."""
    first = basis.T @ column
    rest = column - basis @ first
    second = basis.T @ rest
    return first + second, rest - basis @ second


def _coefficients(
    place: int, kept: list[int], parts: np.ndarray, lengths: np.ndarray
) -> dict[int, float]:
    """By place, of the columns as they were given; those that matter."""
    return {
        other: float(part * lengths[place] / lengths[other])
        for other, part in zip(kept, parts, strict=True)
        if lengths[place] > 0 and abs(part) > NAMED
    }


def _all_told(found: list[Dependence], terms: list[str]) -> str:
    told = [_told(one, terms) for one in found[:MOST_NAMED]]
    more = len(found) - MOST_NAMED
    told += [f"{more} more are such combinations"] if more > 0 else []
    *rest, last = told
    return f"{', '.join(rest)} and {last}" if rest else last


def _told(one: Dependence, terms: list[str]) -> str:
    """`'x3' = 2 x1 - x2 in the training rows`, or that a column is constant there."""
    summands = [(value, terms[place]) for place, value in one.coefficients.items()]
    if not summands:
        said = "is 0"
    elif [term for _, term in summands] == [INTERCEPT]:
        said = "is constant"
    else:
        constant_last = sorted(summands, key=lambda summand: summand[1] == INTERCEPT)
        said = f"= {_sum(constant_last)}"
    digits = "" if one.exact else " to seven digits"
    return f"'{terms[one.column]}' {said} in the training rows{digits}"


def _sum(summands: list[tuple[float, str]]) -> str:
    """`2 x1 - x2 + 5`, to three digits."""
    text = ""
    for value, term in summands[:MOST_NAMED]:
        size = f"{abs(value):.3g}"
        product = size if term == INTERCEPT else term if size == "1" else f"{size} {term}"
        plus, minus = (" + ", " - ") if text else ("", "-")
        text += (minus if value < 0 else plus) + product
    more = len(summands) - MOST_NAMED
    return text + (f" and {more} terms more" if more > 0 else "")
