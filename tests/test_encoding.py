"""Every definition's likelihood is the one by hand: design, link, exposure, order, parametrisation.

The other tests read a row's distribution off the declaration, so that a declaration that says
something else than its page is their truth as well. Here the truth is tests/by_hand.py.
"""

from dataclasses import replace
from functools import cache
from itertools import combinations, product

import numpy as np
import pandas as pd
import pymc as pm
import pytest
import xarray as xr

import workbench as wb
from models.linear import column, coords, linear
from tests.by_hand import LOG_LIKELIHOOD
from tests.library import (
    DEFINITIONS,
    NOT_BY_TERM,
    TRUTH,
    each,
    theta_of,
    with_coefficients,
    with_columns,
)
from workbench.examples import example
from workbench.problem.grouping import grouped

ROWS = 60
ROLES = ("exposure", "offset", "trials")
# Their linear predictors are of several categories or outcomes, or have no place of their own.
WITHOUT_OFFSET = {
    "categorical:multinomial_logit",
    "categorical:conditional_logit",
    "compositions:dirichlet",
    "compositions:multinomial",
    "multivariate:normal",
    "ordered:logit",
    "ordered:probit",
}


def read_by(name):
    """The roles that a definition reads where the data have them."""
    one = DEFINITIONS[name]
    return {*one.takes, *one.needs} | (set() if name in WITHOUT_OFFSET else {"offset"})


@cache
def raw(name, roles=ROLES):
    """Data of its kind with these roles, or what it reads of them, as tables have them.

    Four terms of different shapes with the intercept among them, further predictors of their own
    columns, rows in no order, groups of several sizes.
    """
    definition, rng = DEFINITIONS[name], np.random.default_rng(0)
    data = with_columns(
        example(definition, ROWS),
        lambda: np.column_stack([rng.exponential(size=ROWS), rng.normal(0.3, 0.7, ROWS)]),
    )
    given = {"exposure": rng.uniform(0.5, 3.0, ROWS), "offset": rng.uniform(-0.6, 0.9, ROWS)}
    given["trials"] = rng.integers(1, 9, ROWS).astype(float)
    given = {role: given[role] for role in roles if role in read_by(name)}
    data = data.assign({role: ("row", values) for role, values in given.items()})
    if "trials" in given:
        data["y"] = "row", rng.binomial(given["trials"].astype(int), 0.4).astype(float)
    for dim in [one for one in data.dims if str(one).startswith("term")]:
        data = data.isel({dim: np.roll(np.arange(data.sizes[dim]), 2)})
    order = rng.permutation(ROWS)
    if definition.unit == "group":  # of the rows that were not chosen, some are not there
        order = order[(data["y"].values[order] == 1) | (rng.uniform(size=ROWS) < 0.7)]
    return data.isel(row=order)


@cache
def truth(name):
    """The library's truth, and two coefficients more of each linear predictor."""
    rng = np.random.default_rng(1)
    return with_coefficients(TRUTH[name], lambda shape: rng.uniform(-0.6, 0.6, (*shape, 2)))


def assert_same(rows, data, values, name):
    """To the rounding of a term, or of what it is the difference of where it is near zero."""
    np.testing.assert_allclose(rows, LOG_LIKELIHOOD[name](data, values), rtol=1e-10, atol=1e-12)


def rows_at(bound, values):
    return bound.pointwise(theta_of(bound, values))


def test_every_definition_is_written_by_hand():
    assert set(LOG_LIKELIHOOD) == set(DEFINITIONS)


@pytest.mark.parametrize("name", each(DEFINITIONS))
def test_a_definition_is_the_likelihood_by_hand_with_every_role_that_it_reads(name):
    """At the truth, and where each of its values has moved by up to a half."""
    bound, rng = wb.bind(DEFINITIONS[name], raw(name)), np.random.default_rng(2)
    assert_same(rows_at(bound, truth(name)), raw(name), truth(name), name)
    for _ in range(2):
        moved = {one: value * rng.uniform(0.5, 1.5, value.shape)
                 for one, value in truth(name).items()}  # fmt: skip
        assert_same(rows_at(bound, moved), raw(name), moved, name)


@pytest.mark.parametrize("name", each(DEFINITIONS))
def test_a_definition_is_the_likelihood_by_hand_without_any_role(name):
    """By the other engine, which compiles sooner."""
    data = raw(name, DEFINITIONS[name].needs)
    bound = wb.bind(DEFINITIONS[name], data, engine="pytensor")
    assert_same(rows_at(bound, truth(name)), data, truth(name), name)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_no_role_is_read_but_those_that_are_tested(name):
    others = {role: ("row", np.ones(raw(name).sizes["row"])) for role in ROLES}
    data = raw(name).assign(others)
    data = grouped(data, name) if DEFINITIONS[name].unit == "group" else data
    read = {one.name for one in DEFINITIONS[name](data).data_vars}
    assert read & set(ROLES) == read_by(name)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_by_hand_no_two_values_can_be_exchanged_unseen(name):
    """On these data, and that every parameter is read."""
    values, by_hand, others = truth(name), LOG_LIKELIHOOD[name], []
    for parameter, value in values.items():
        others.append(values | {parameter: 1.01 * value})
        for one, other in combinations(range(value.size), 2):
            places = np.arange(value.size)
            places[[one, other]] = other, one
            others.append(values | {parameter: value.ravel()[places].reshape(value.shape)})
    rows = by_hand(raw(name), values)
    with np.errstate(invalid="ignore"):  # the logarithm of a chance between exchanged cutpoints
        seen = [not np.allclose(by_hand(raw(name), one), rows, rtol=1e-6) for one in others]
    assert all(seen)


# What a definition may do wrong


def reading(name, **changed):
    """The definition, and its like that finds other values in columns of the data."""

    def declare(data):
        others = {one: data[one].copy(data=change(data[one].values))
                  for one, change in changed.items()}  # fmt: skip
        return DEFINITIONS[name](data.assign(others))

    return name, replace(DEFINITIONS[name], declare=declare)


def declared(outcome):
    """A definition with the outcome's distribution as `outcome` makes it of a linear predictor."""

    def definition(data):
        with pm.Model(coords=coords(data)) as model:
            outcome(linear(data), observed=column(data), dims="row")
        return model

    return definition


def exchanged(codes):
    """The first category for the second."""
    return np.where(codes < 2, 1 - codes, codes)


def rate_for_scale(eta, **rest):
    pm.Exponential("outcome", lam=pm.math.exp(eta), **rest)


def variance_for_deviation(eta, **rest):
    pm.Normal("outcome", eta, pm.math.sqrt(pm.HalfNormal("sigma", 5.0)), **rest)


def dispersion_for_precision(eta, **rest):
    pm.Beta("outcome", mu=pm.math.sigmoid(eta), nu=1 / pm.HalfNormal("phi", 10.0), **rest)


def mean_for_median(eta, **rest):
    sigma = pm.HalfNormal("sigma", 5.0)
    pm.LogNormal("outcome", eta - sigma**2 / 2, sigma, **rest)


MUTANTS = {
    "exposure forgotten": reading("counts:poisson", exposure=np.ones_like),
    "exposure inverted": reading("counts:truncated_negative_binomial", exposure=np.reciprocal),
    "offset subtracted": reading("positive:gamma", offset=np.negative),
    "one trial too many": reading("binary:beta_binomial", trials=lambda n: n + 1),
    "rows reversed": reading("continuous:normal", X=np.flipud),
    "two terms exchanged": reading("positive:weibull", X=lambda X: X[:, [1, 0, 2, 3]]),
    "psi for 1 - psi": reading("counts:zero_inflated_poisson", X_zero=np.negative),
    "effects of the other sign": reading("ordered:logit", X=np.negative),
    "two categories exchanged": reading("ordered:probit", y=exchanged),
    "another base": reading("categorical:multinomial_logit", y=exchanged),
    "outcomes in another order": reading("multivariate:normal", y=np.fliplr),
    "ones for zeros": reading("proportions:zero_one_inflated_beta", y=lambda y: 1 - y),
    "probit for logit": ("binary:logit", DEFINITIONS["binary:probit"]),
    "hurdle for mixture": ("counts:zero_inflated_poisson", DEFINITIONS["counts:hurdle_poisson"]),
    "rate for scale": ("positive:exponential", declared(rate_for_scale)),
    "variance for deviation": ("continuous:normal", declared(variance_for_deviation)),
    "dispersion for precision": ("proportions:beta", declared(dispersion_for_precision)),
    "mean for median": ("positive:lognormal", declared(mean_for_median)),
}


@pytest.mark.parametrize("fault", MUTANTS)
def test_a_definition_at_fault_is_told_apart(fault):
    name, definition = MUTANTS[fault]
    bound = wb.bind(definition, raw(name), engine="pytensor")
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        assert_same(rows_at(bound, truth(name)), raw(name), truth(name), name)


# Through the front door


@cache
def frame():
    """A category, a dose, roles and outcomes of all sorts, under labels in no order."""
    rng, n = np.random.default_rng(3), 72
    trip = np.repeat(np.arange(24), 3)
    columns = {
        "region": rng.choice(["south", "east", "west"], n),
        "dose": rng.exponential(size=n),
        "age": rng.normal(0.2, 0.8, n),
        "days": rng.uniform(0.5, 3.0, n),
        "shift": rng.uniform(-0.5, 0.8, n),
        "size": rng.uniform(0.5, 4.0, n),
        "asked": rng.integers(4, 9, n),
        "visits": rng.poisson(1.2, n),
        "agreed": rng.integers(0, 5, n),
        "answer": rng.choice(["maybe", "yes", "no"], n),
        "trip": [f"trip {number}" for number in trip],
        "taken": (np.arange(n) % 3 == trip % 3).astype(int),
        "first": rng.normal(size=n), "second": rng.normal(size=n), "third": rng.normal(size=n),
    }  # fmt: skip
    return pd.DataFrame(columns, index=rng.permutation(1000)[:n]).iloc[rng.permutation(n)]


def crossed():
    """`dose * region` by label, in another order: against east, which is the first by name."""
    dose, south, west = (frame()["dose"], *(frame()["region"] == one for one in ("south", "west")))
    return {
        "dose": dose,
        "dose:region[T.west]": dose * west,
        "dose:region[T.south]": dose * south,
        "Intercept": 1.0 + 0.0 * dose,
        "region[T.west]": west,
        "region[T.south]": south,
    }


def within():
    """`age + dose:region`: a slope of the dose in each region."""
    by_region = {f"dose:region[{one}]": frame()["dose"] * (frame()["region"] == one)
                 for one in ("west", "east", "south")}  # fmt: skip
    return by_region | {"age": frame()["age"], "Intercept": 1.0 + 0.0 * frame()["age"]}


def coded(*answers):
    return frame()["answer"].map({answer: code for code, answer in enumerate(answers)})


def written(y, main, zero=None, **roles):
    """Columns of the frame as the likelihoods by hand take them."""
    designs = {"": main} | ({"_zero": zero} if zero else {})
    columns = {f"X{suffix}": (("row", f"term{suffix}"), np.column_stack([*terms.values()]) * 1.0)
               for suffix, terms in designs.items()}  # fmt: skip
    columns["y"] = (("row", "outcome")[: np.ndim(y)], np.asarray(y))
    columns |= {role: ("row", np.asarray(values)) for role, values in roles.items()}
    return xr.Dataset(columns, {f"term{suffix}": [*terms] for suffix, terms in designs.items()})


@cache
def front_door():
    """Definitions with what is told the workbench, data by hand, and the axes of parameters."""
    f, first = frame(), list(dict.fromkeys(frame()["answer"]))
    slopes = [term for term in crossed() if term != "Intercept"]
    zero = {"age": f["age"], "Intercept": 1.0 + 0.0 * f["age"]}
    parts = ["second", "third", "first"]
    return {
        "counts:zero_inflated_negative_binomial": (
            ("visits ~ dose * region + offset(log(size))", {"zero": "~ age"}),
            {"exposure": "days", "offset": "shift"},
            written(
                f["visits"], crossed(), zero, exposure=f["days"],
                offset=f["shift"] + np.log(f["size"]),
            ),
            {"beta": [crossed()], "gamma": [zero]},
        ),
        "binary:logit": (
            ("agreed ~ age + dose:region", {}),
            {"trials": "asked", "offset": "shift"},
            written(f["agreed"], within(), trials=f["asked"], offset=f["shift"]),
            {"beta": [within()]},
        ),
        "positive:gamma": (
            ("size ~ dose * region + offset(2 * age - 1)", {}),
            {},
            written(f["size"], crossed(), offset=2 * f["age"] - 1),
            {"beta": [crossed()]},
        ),
        "ordered:probit": (
            ("C(answer, levels=['yes', 'maybe', 'no']) ~ dose * region", {}),
            {},
            written(coded("yes", "maybe", "no"), crossed()),
            {"beta": [slopes], "cut": [["yes", "maybe"]]},
        ),
        "categorical:multinomial_logit": (
            ("answer ~ age + dose:region", {}),
            {},
            written(coded(*first), within()),
            {"beta": [first[1:], within()]},
        ),
        "categorical:conditional_logit": (
            ("taken ~ dose * region", {}),
            {"group": "trip"},
            written(f["taken"], crossed(), group=f["trip"]),
            {"beta": [slopes]},
        ),
        "multivariate:normal": (
            ("second + third + first ~ dose * region", {}),
            {},
            written(f[parts], crossed()),
            {"beta": [parts, crossed()], "factor": [range(6)]},
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", front_door())
def test_a_frame_and_its_formula_are_the_likelihood_by_hand(name):
    (formula, further), roles, data, axes = front_door()[name]
    table, rng = wb.read(frame(), **roles), np.random.default_rng(4)
    design = wb.design(formula, table, **further)
    bound = wb.bind(DEFINITIONS[name], design(table), engine="pytensor")
    values = {one: np.array(known, float) for one, known in TRUTH[name].items()}
    values |= {one: rng.uniform(-0.7, 0.7, [*map(len, along)])
               for one, along in axes.items() if one not in NOT_BY_TERM}  # fmt: skip
    natural = {
        label: number
        for one, value in values.items()
        for label, number in zip(labels(one, axes), value.ravel(), strict=True)
    }
    assert set(natural) == set(bound.labels)
    theta = bound.unconstrained(np.array([natural[label] for label in bound.labels]))
    assert_same(bound.pointwise(theta), data, values, name)


def labels(parameter, axes):
    """As a user reads them, one a value."""
    if parameter not in axes:
        return [parameter]
    return [f"{parameter}[{', '.join(map(str, place))}]" for place in product(*axes[parameter])]
