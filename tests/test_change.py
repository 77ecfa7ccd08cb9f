"""Outcomes modelled as functions of their columns: values, inverses and slopes by hand."""

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.formula import change_of

Y = np.array([0.3, 1.0, 2.5, 40.0])


@pytest.mark.parametrize(
    ("text", "function", "slope"),
    [
        ("log(y)", np.log, lambda y: 1 / y),
        ("log1p(y)", np.log1p, lambda y: 1 / (1 + y)),
        ("exp(y / 10)", lambda y: np.exp(y / 10), lambda y: np.exp(y / 10) / 10),
        ("sqrt(y)", np.sqrt, lambda y: 0.5 / np.sqrt(y)),
        ("I(y ** 3)", lambda y: y**3, lambda y: 3 * y**2),
        ("I(y * 100)", lambda y: 100 * y, lambda y: 100 + 0 * y),
        ("I(1 / y)", lambda y: 1 / y, lambda y: 1 / y**2),
        ("I(5 - 2 * y)", lambda y: 5 - 2 * y, lambda y: 2 + 0 * y),
        ("log(I(-(-y)) / 3 + 1)", lambda y: np.log(y / 3 + 1), lambda y: 1 / (y + 3)),
        ("sqrt(`y`)", np.sqrt, lambda y: 0.5 / np.sqrt(y)),
    ],
)
def test_a_change_is_its_function_its_inverse_and_its_slope(text, function, slope):
    change = change_of(text)
    np.testing.assert_allclose(change(Y), function(Y), rtol=1e-14)
    np.testing.assert_allclose(change.inverse(change(Y)), Y, rtol=1e-12)
    np.testing.assert_allclose(change.log_slope(Y), np.log(slope(Y)), rtol=1e-12, atol=1e-14)
    assert change_of(change.text) == change


@pytest.mark.parametrize(
    "text", ["log(y + t)", "y - y", "I(0 * y)", "I(y / 0)", "I(2 ** y)", "center(y)", "I(y - y)",
             "I(y ** 0)", "I(y * t)"]
)  # fmt: skip
def test_what_cannot_be_undone_is_refused(text):
    with pytest.raises(wb.DataError, match=r"left of the ~|not allowed|is no change"):
        change_of(text)


def table():
    return wb.read(pd.DataFrame({"my y": [1.0, 2.0, 4.0], "x": [0.0, 1.0, 2.0]}))


def test_a_changed_outcome_keeps_its_column_beside_it():
    data = wb.design("log(`my y`) ~ x", table())(table())
    np.testing.assert_allclose(data["y"], np.log([1, 2, 4]), rtol=1e-15)
    np.testing.assert_array_equal(data["recorded"], [1, 2, 4])
    assert data.attrs == {"outcome": "my y", "change": "log(`my y`)"}
    assert change_of(data.attrs["change"])(2.0) == np.log(2.0)


def test_rows_where_a_change_is_not_finite_are_named():
    with pytest.raises(wb.DataError, match=r"log\(x\) has no finite value.* row 0, where 'x' is 0"):
        wb.design("log(x) ~ `my y`", table())(table())
    with pytest.raises(wb.DataError, match=r"sqrt\(x\) has .*no finite slope, in row 0"):
        wb.design("sqrt(x) ~ 1", table())(table())
