"""Kinks are found in a graph and rounded there; what only looks like one is left alone."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

import workbench as wb
from models import continuous
from tests.declarations import dataset
from workbench.problem.kinks import rounding

THETA, ROWS = pt.vector("theta"), pt.vector("rows")
X = np.array([-1.5, -0.2, 0.0, 0.7, 2.0])
WIDTH = 1e-3


def asymmetric(x, kappa):
    """As PyMC writes the exponent of an asymmetric Laplace."""
    sign = pt.sign(x)
    return -x * sign * kappa**sign


# What is zero on the kink, and by how many widths the rounded value may lie off: its slopes' half
# jump.
KINKS = {
    "abs": (lambda t: pt.abs(t[0] - ROWS), lambda t: t[0] - X, 1.0),
    "maximum": (lambda t: pt.maximum(t[0] * ROWS, t[1]), lambda t: t[0] * X - t[1], 0.5),
    "minimum": (lambda t: pt.minimum(t[0] * ROWS, 0.3), lambda t: t[0] * X - 0.3, 0.5),
    "asymmetric": (
        lambda t: asymmetric(ROWS - t[0], pt.exp(t[1])),
        lambda t: X - t[0],
        np.cosh(0.5),
    ),
}
PLACE = np.array([0.7, 0.5])  # on a kink of all but the minimum, and the row x = 0.7


def evaluated(variables, theta, widths=None, kinks=None):
    given = {THETA: theta, ROWS: X} | ({} if kinks is None else {kinks.widths: widths})
    function = pytensor.function(list(given), list(variables), on_unused_input="ignore")
    return [np.asarray(one) for one in function(*given.values())]


@pytest.mark.parametrize("name", KINKS)
def test_a_kinks_gap_is_what_is_zero_on_it(name):
    declare, gap, _ = KINKS[name]
    kinks = rounding([declare(THETA)], THETA, [ROWS])
    [found] = evaluated(kinks.gaps, PLACE)
    np.testing.assert_allclose(np.abs(found), np.abs(gap(PLACE)), rtol=1e-14)
    assert kinks.by_row == (True,)


@pytest.mark.parametrize("name", KINKS)
def test_a_rounded_value_lies_a_share_of_the_width_off_on_the_kink_and_less_elsewhere(name):
    declare, gap, share = KINKS[name]
    exact = declare(THETA)
    kinks = rounding([exact], THETA, [ROWS])
    [value] = evaluated([exact], PLACE)
    [rounded] = evaluated(kinks.outputs, PLACE, [WIDTH], kinks)
    [sharp] = evaluated(kinks.outputs, PLACE, [0.0], kinks)
    np.testing.assert_allclose(sharp, value, atol=1e-15)
    off = np.sqrt(gap(PLACE) ** 2 + WIDTH**2) - np.abs(gap(PLACE))
    np.testing.assert_allclose(np.abs(rounded - value), share * off, rtol=1e-9, atol=1e-15)


def test_a_clip_has_a_kink_at_either_end():
    exact = pt.clip(THETA[0] * ROWS, -0.5, 1.0)
    kinks = rounding([exact], THETA, [ROWS])
    below, above = evaluated(kinks.gaps, PLACE)
    np.testing.assert_allclose([below, above], [0.7 * X + 0.5, 0.7 * X - 1.0])
    [value] = evaluated([exact], PLACE)
    [sharp] = evaluated(kinks.outputs, PLACE, [0.0, 0.0], kinks)
    np.testing.assert_allclose(sharp, value, atol=1e-15)


def test_a_sign_becomes_as_steep_as_the_width_is_small():
    kinks = rounding([pt.sign(THETA[0] - ROWS)], THETA, [ROWS])
    [rounded] = evaluated(kinks.outputs, PLACE, [WIDTH], kinks)
    gap = 0.7 - X
    np.testing.assert_allclose(rounded, gap / np.hypot(gap, WIDTH))


def test_a_kink_that_no_row_moves_is_told_from_those_of_rows():
    outputs = [pt.abs(THETA).sum() + pt.abs(THETA[0] - ROWS)]
    kinks = rounding(outputs, THETA, [ROWS])
    assert sorted(kinks.by_row) == [False, True]


SMOOTH = {
    "of a scale": lambda t: pt.abs(pt.exp(t[0])) + pt.sign(pt.exp(t[1]) * 2.0),
    "of a share": lambda t: pt.abs(pt.sigmoid(t[0])[None]),
    "of data": lambda t: t[0] * pt.abs(ROWS) + pt.clip(ROWS, 0, 1) * t[1] + pt.maximum(ROWS, 0),
    "of a condition": lambda t: pt.switch(pt.maximum(t[0], 0.0) > 0.0, t[1], t[1]),
    "of a determinant": lambda t: pt.linalg.slogdet(pt.exp(t[0]) * pt.eye(2))[1],
}


@pytest.mark.parametrize("name", SMOOTH)
def test_no_kink_is(name):
    assert rounding([SMOOTH[name](THETA)], THETA, [ROWS]) is None


def test_an_absolute_value_under_a_logarithm_has_its_kink_where_it_is_read_elsewhere():
    size = pt.abs(THETA[0] - ROWS)
    assert rounding([pt.log(size)], THETA, [ROWS]) is None
    assert rounding([pt.log(size) + size], THETA, [ROWS]) is not None


POSITIVE = np.array([0.3, 1.0, 2.5, 4.0])
COUNTS = np.array([0, 1, 3, 7])
SHARES = np.array([0.1, 0.4, 0.7, 0.9])
FAMILIES = {
    "Normal": (lambda m, s: pm.Normal("y", m, s, observed=POSITIVE)),
    "StudentT": (lambda m, s: pm.StudentT("y", nu=s, mu=m, sigma=s, observed=POSITIVE)),
    "Cauchy": (lambda m, s: pm.Cauchy("y", m, s, observed=POSITIVE)),
    "Logistic": (lambda m, s: pm.Logistic("y", m, s, observed=POSITIVE)),
    "Gumbel": (lambda m, s: pm.Gumbel("y", m, s, observed=POSITIVE)),
    "SkewNormal": (lambda m, s: pm.SkewNormal("y", mu=m, sigma=s, alpha=m, observed=POSITIVE)),
    "ExGaussian": (lambda m, s: pm.ExGaussian("y", m, s, nu=s, observed=POSITIVE)),
    "TruncatedNormal": (
        lambda m, s: pm.TruncatedNormal("y", m, s, lower=0.0, upper=9.0, observed=POSITIVE)
    ),
    "Censored": (lambda m, s: pm.Censored("y", pm.Normal.dist(m, s), None, 3.0, observed=POSITIVE)),
    "Gamma": (lambda m, s: pm.Gamma("y", alpha=s, beta=s, observed=POSITIVE)),
    "Weibull": (lambda m, s: pm.Weibull("y", s, s, observed=POSITIVE)),
    "LogNormal": (lambda m, s: pm.LogNormal("y", m, s, observed=POSITIVE)),
    "Wald": (lambda m, s: pm.Wald("y", s, s, observed=POSITIVE)),
    "InverseGamma": (lambda m, s: pm.InverseGamma("y", s, s, observed=POSITIVE)),
    "HalfStudentT": (lambda m, s: pm.HalfStudentT("y", s, s, observed=POSITIVE)),
    "VonMises": (lambda m, s: pm.VonMises("y", m, s, observed=SHARES)),
    "Beta": (lambda m, s: pm.Beta("y", s, s, observed=SHARES)),
    "Kumaraswamy": (lambda m, s: pm.Kumaraswamy("y", s, s, observed=SHARES)),
    "Poisson": (lambda m, s: pm.Poisson("y", s, observed=COUNTS)),
    "NegativeBinomial": (
        lambda m, s: pm.NegativeBinomial("y", mu=pm.math.exp(m), alpha=s, observed=COUNTS)
    ),
    "BetaBinomial": (lambda m, s: pm.BetaBinomial("y", s, s, n=9, observed=COUNTS)),
    "ZeroInflatedPoisson": (
        lambda m, s: pm.ZeroInflatedPoisson("y", pm.math.sigmoid(m), s, observed=COUNTS)
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_smooth_family_has_no_kinks(family):
    with pm.Model() as model:
        FAMILIES[family](pm.Normal("m", 0.0, 1.0), pm.HalfNormal("s", 1.0))
    bound = wb.bind(model)
    assert not bound.kinked
    assert bound.graph.rounding is None
    assert bound.graph.gaps == ()


def hinge(data):
    with pm.Model() as model:
        x, y = pm.Data("x", data["x"], dims="row"), pm.Data("y", data["y"], dims="row")
        slope, knot = pm.Normal("slope", 0.0, 5.0), pm.Normal("knot", 0.0, 5.0)
        size = pm.Laplace("size", 0.0, 1.0)
        mu = slope * pm.math.maximum(x, pm.math.exp(knot))
        pm.Normal("outcome", mu + size, 1.0, observed=y, dims="row")
    return model


@pytest.mark.parametrize("engine", ["jax", "pytensor"])
def test_gaps_and_their_slopes_are_those_of_differences(engine):
    data = dataset(np.arange(4.0), x=[0.5, 1.5, 2.5, 3.5])
    bound = wb.bind(hinge, data, engine=engine)
    theta = np.array([0.4, np.log(2.0), -0.3])
    values, slopes, kinds, by_row = bound.gaps(theta)
    rows = by_row.astype(bool)
    np.testing.assert_allclose(np.sort(np.abs(values[rows])), [0.5, 0.5, 1.5, 1.5])
    np.testing.assert_allclose(np.abs(values[~rows]), [0.3])
    assert len(set(kinds[rows])) == len(set(kinds[~rows])) == 1
    step = 1e-6
    for place, move in enumerate(step * np.eye(3)):
        numeric = (bound.gaps(theta + move)[0] - bound.gaps(theta - move)[0]) / (2 * step)
        np.testing.assert_allclose(slopes[:, place], numeric, atol=1e-9)  # rounding / step


@pytest.mark.parametrize("engine", ["jax", "pytensor"])
def test_the_gaps_of_a_laplace_are_the_residuals_of_rows_that_count(engine):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 1)), rng.standard_normal(6)
    bound = wb.bind(continuous.laplace, dataset(y, X), engine=engine)
    bound = bound.redrawn(np.array([1.0, 0.0, 2.0, 1.0, 1.0, 1.0]))
    theta = np.array([0.2, -0.4, 0.1])
    values, slopes, kinds, by_row = bound.gaps(theta)
    design = np.column_stack([np.ones(6), X])
    kept = np.arange(6) != 1
    side = np.sign(values[0] * (y - design @ theta[:2])[0])
    np.testing.assert_allclose(side * values, (y - design @ theta[:2])[kept], rtol=1e-12)
    np.testing.assert_allclose(side * slopes[:, :2], -design[kept], rtol=1e-12)
    assert (slopes[:, 2] == 0).all()
    assert (kinds == 0).all()
    assert by_row.all()


def test_a_rounded_problem_is_the_problem_as_widths_go_to_zero():
    rng = np.random.default_rng(0)
    bound = wb.bind(continuous.laplace, dataset(rng.standard_normal(7)))
    theta, width = np.array([0.2, -0.3]), 1e-4
    exact, near = bound.derivatives(theta), bound.rounded(np.array([width])).derivatives(theta)
    gap, b = bound.gaps(theta)[0], np.exp(theta[1])
    assert near[0] - exact[0] == pytest.approx((np.hypot(gap, width) - abs(gap)).sum() / b)
    # d^2 / d gap^2 of the rounded: width^2 / (gap^2 + width^2)^(3/2), where the exact has none.
    curvature = (width**2 / np.hypot(gap, width) ** 3).sum() / b
    assert exact[2][0, 0] == 0
    assert near[2][0, 0] == pytest.approx(curvature, rel=1e-6)


def test_what_is_asked_of_the_kinks_of_a_smooth_model_is_refused():
    bound = wb.bind(continuous.normal, dataset([1.0, 2.0, 4.0]))
    with pytest.raises(wb.ModelError, match="without kinks"):
        bound.gaps(bound.start())
