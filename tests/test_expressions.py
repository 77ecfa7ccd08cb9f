"""Functions of parameters given as text: exact, and safe."""

import numpy as np
import pytest

from workbench.errors import ModelError
from workbench.estimate.expressions import FUNCTIONS, evaluated

LABELS = ["alpha", "beta[age]", "beta[x1:x2]", "beta[C(site)[T.North East]]", "beta", "a"]
VALUES = np.array([2.0, 0.5, -0.25, 1.5, 3.0, 0.7])


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("alpha", 2.0),
        ("exp(beta[age])", np.exp(0.5)),
        ("alpha / (alpha + beta)", 0.4),
        ("-beta[x1:x2] + 2 * beta[C(site)[T.North East]]", 3.25),
        ("alpha ** 2 - sqrt(alpha)", 4 - np.sqrt(2)),
        ("alpha ** beta", 8.0),
        ("log(alpha) + expit(beta[age]) * a", np.log(2) + 0.7 / (1 + np.exp(-0.5))),
        ("1e2", 100.0),
    ],
)
def test_values_are_those_of_the_arithmetic(expression, value):
    assert evaluated(expression, LABELS, VALUES).value == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    "expression",
    [
        "alpha ** beta",
        "beta[age] / beta[x1:x2]",
        "exp(a * beta[age]) - alpha * beta",
        *(f"{name}(a)" for name in FUNCTIONS),
    ],
)
def test_gradients_are_differences(expression):
    gradient = evaluated(expression, LABELS, VALUES).gradient
    step = 1e-6
    for place, shift in enumerate(step * np.eye(len(VALUES))):
        ahead, behind = (evaluated(expression, LABELS, VALUES + s * shift).value for s in (1, -1))
        # Central differences: truncation of 1e-12, rounding of 1e-10.
        assert gradient[place] == pytest.approx((ahead - behind) / (2 * step), abs=1e-8)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("exp(beta[agee])", r"'beta\[agee\]'|'a parameter\[agee\]'"),
        ("alhpa + 1", "'alhpa' is neither a parameter nor arithmetic, did you mean 'alpha'"),
        ("expp(alpha)", "'expp' is no function known here, did you mean 'exp'"),
        ("__import__('os').system('true')", "is neither a parameter|is no function"),
        ("(lambda: 1)()", "is neither a parameter"),
        ("alpha if beta else a", "is neither a parameter"),
        ("alpha +", "is no arithmetic of parameters"),
        ("alpha @ beta", "only \\+ - \\* / and \\*\\* are understood"),
        ("log(-alpha)", "not defined at the estimate"),
        ("alpha / (a - a)", "not defined at the estimate"),
        ("True", "neither a parameter"),
        ("(-alpha) ** a", "not defined at the estimate"),
        ("(-alpha) ** 0.5", "not defined at the estimate"),
    ],
)
def test_what_is_not_understood_is_refused_in_words(expression, message):
    with pytest.raises(ModelError, match=message):
        evaluated(expression, LABELS, VALUES)
