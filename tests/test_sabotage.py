"""A table of sabotage: what is put wrong, and the checks that must notice it.

Each case is a fit that would look right without the check. Beside it, that innocents pass: every
definition of the library does in test_library, and the declarations of test_agreement here and
there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from scipy import stats

import workbench as wb
from models import binary, continuous, counts, positive
from models.linear import column, coords, linear
from tests import declarations
from tests.declarations import dataset
from tests.marking import slow_but
from workbench import density
from workbench.explained import CHECKS
from workbench.problem.functions import Functions

RNG = np.random.default_rng(7)
N = 400
X = RNG.normal(size=(N, 1))
ETA = 0.5 + 0.6 * X[:, 0]
EXPOSURE = RNG.uniform(0.5, 3.0, N)
DATA = {
    "normal": dataset(RNG.normal(ETA, 0.8), X),
    "binary": dataset(RNG.random(N) < 1 / (1 + np.exp(-2 * ETA)), X),
    "count": dataset(RNG.negative_binomial(2, 2 / (2 + EXPOSURE * np.exp(ETA))), X).assign(
        exposure=("row", EXPOSURE)
    ),
    "weighted": dataset(RNG.poisson(np.exp(ETA)), X).assign(
        weight=("row", RNG.integers(1, 4, N).astype(float))
    ),
    "cases": dataset(
        np.array([k for k in RNG.poisson(2.0, 4 * N) if k > 0][:N]), X
    ),
    "inflated": dataset(RNG.poisson(4 * np.exp(ETA)) * (RNG.random(N) > 0.3), X),
    "wait": dataset(RNG.gamma(2.0, np.exp(ETA) / 2), X),
    "cut": dataset(np.maximum(RNG.normal(ETA, 1.0), 0.0), X),
}  # fmt: skip


def fitted(definition, data):
    return wb.maximum_likelihood(wb.bind(definition, data))


def checked(fit, **options):
    return wb.check(fit, budget=60, **options)


# What is put wrong in the compiled likelihood, with PyMC's distribution still named in the graph.


def rewritten(problem, change):
    """The problem with other terms of its rows: as if PyMC's density or our reading were wrong."""
    graph = replace(problem.graph, pointwise=change(problem.graph))
    functions = Functions(graph, problem.functions.engine, problem.independent)
    return replace(problem, graph=graph, functions=functions)


def row_input(graph, name):
    return next(row.variable for row in graph.inputs if row.name == name)


def tail_altered(graph):
    y, X = row_input(graph, "y"), row_input(graph, "X")
    far = pt.abs(y - X @ graph.theta[:2]) > 3.5 * pt.exp(graph.theta[2])
    return pt.where(far, graph.pointwise + 0.05, graph.pointwise)


def too_wide(graph):
    sigma = 1.01 * pt.exp(graph.theta[2])
    z = (row_input(graph, "y") - row_input(graph, "X") @ graph.theta[:2]) / sigma
    return -0.5 * z**2 - pt.log(sigma) - 0.5 * np.log(2 * np.pi)


def with_jacobian(graph):
    return graph.pointwise + graph.log_jacobian / N


def with_prior(graph):
    return graph.pointwise + graph.log_prior / N


def without_constant(graph):
    """The normal's -log sigma left out, as for a known sigma: by half, or it would run away."""
    return graph.pointwise + 0.5 * graph.theta[2]


class Tampered:
    """Compiled functions of which one returns something else."""

    def __init__(self, functions, **changes):
        self._functions, self._changes = functions, changes

    def __call__(self, name, *arguments):
        found = self._functions(name, *arguments)
        return self._changes[name](found) if name in self._changes else found

    def __getattr__(self, name):
        return getattr(self._functions, name)


def tampered(definition, data, **changes):
    problem = wb.bind(definition, data)
    return wb.maximum_likelihood(replace(problem, functions=Tampered(problem.functions, **changes)))


def steeper(found):
    """A gradient one per cent too steep in one coordinate, with its zero where it was."""
    value, gradient, *others = found
    return (value, gradient * np.array([1.0, 1.01]), *others)


def weighted_twice():
    problem = wb.bind(counts.poisson, DATA["weighted"])
    squared = problem.redrawn(problem.rows.weights**2)
    other = replace(problem)
    vars(other)["_blocks_as_declared"] = squared._blocks_as_declared
    return checked(wb.maximum_likelihood(other))


# What is put wrong in the declaration: the model is not what its definition says.


def declared(like, declaration):
    """A definition with another's name, statsmodels class and starts, and a fault of its own."""
    return replace(like, declare=declaration)


def shuffled(data):
    return continuous.normal.declare(data.assign(X=(("row", "term"), data["X"].values[::-1])))


def other_sign(data):
    with pm.Model(coords=coords(data)) as model:
        sigma = pm.HalfNormal("sigma", 5.0)
        pm.Normal("outcome", mu=-linear(data), sigma=sigma, observed=column(data), dims="row")
    return model


def without_exposure(data):
    with pm.Model(coords=coords(data)) as model:
        mu = pm.math.exp(linear(data)) * column(data, "exposure") ** 0
        pm.Poisson("outcome", mu=mu, observed=column(data), dims="row")
    return model


def never_seen_ones_neither(data):
    with pm.Model(coords=coords(data)) as model:
        mu = pm.math.exp(linear(data))
        pm.Truncated("outcome", pm.Poisson.dist(mu=mu), lower=0, observed=column(data), dims="row")
    return model


def zeros_the_other_way(data):
    with pm.Model(coords=coords(data)) as model:
        psi = pm.math.sigmoid(linear(data, "zero", "gamma"))
        mu = pm.math.exp(linear(data))
        pm.ZeroInflatedPoisson("outcome", psi=psi, mu=mu, observed=column(data), dims="row")
    return model


def probit_simulator(data, values, rng):
    eta = data["X"].values @ values["beta"]
    return {"y": (rng.normal(size=len(eta)) < eta).astype(float)}


# A second density that is wrong, as a reader's own `log_density` may be: both ways round.


def wider(distribution, y):
    mu, sigma = distribution.parameters
    return stats.norm.logpdf(y, mu, 1.01 * sigma)


def swapped(distribution, y):
    shape, rate = distribution.parameters
    return stats.gamma.logpdf(y, rate, scale=1 / shape)


def one_later(distribution, y):
    low, high = distribution.parameters
    return density.log_density(replace(distribution, parameters=(low + 1, high)), y)


def other_side(distribution, y):
    inner = distribution.components[0]
    above = density.log_survival_function(inner, np.zeros(()))
    return np.where(y == 0, above, density.log_density(inner, y))


@dataclass(frozen=True)
class Sabotage:
    """The checks of a fit in which something is wrong, and the codes that must fail."""

    checks: Callable[[], Any]
    noticed_by: set[str]


def by_statsmodels(*codes):
    return {f"statsmodels-{code}" for code in codes}


SABOTAGE = {
    "a scale wrong by one per cent": Sabotage(
        lambda: checked(fitted(continuous.normal, DATA["normal"]), log_density=wider),
        {"density", "density-tails"},
    ),
    "a scale wrong by one per cent, in PyMC": Sabotage(
        lambda: checked(
            wb.maximum_likelihood(
                rewritten(wb.bind(continuous.normal, DATA["normal"]), too_wide)
            )
        ),
        {"total", "density", "density-tails", "namesake-estimate"} | by_statsmodels("estimate"),
    ),
    "a sign": Sabotage(
        lambda: checked(fitted(declared(continuous.normal, other_sign), DATA["normal"])),
        {"namesake-estimate"},
    ),
    "a normalising constant that depends on a parameter": Sabotage(
        lambda: checked(
            wb.maximum_likelihood(
                rewritten(wb.bind(continuous.normal, DATA["normal"]), without_constant)
            )
        ),
        {"total", "density", "namesake-llf", "namesake-estimate", "simulator"}
        | by_statsmodels("llf", "estimate", "better", "aic"),
    ),
    "an off-by-one in a truncation, in the declaration": Sabotage(
        lambda: checked(
            fitted(declared(counts.truncated_poisson, never_seen_ones_neither), DATA["cases"])
        ),
        {"namesake-llf", "namesake-estimate"},
    ),
    "an off-by-one in a truncation, in the density": Sabotage(
        lambda: checked(fitted(counts.truncated_poisson, DATA["cases"]), log_density=one_later),
        {"density"},
    ),
    "a censoring indicator inverted": Sabotage(
        lambda: checked(fitted(declarations.tobit, DATA["cut"]), log_density=other_side),
        {"density"} | by_statsmodels("llf", "estimate", "better"),
    ),
    "a Jacobian that leaked in": Sabotage(
        lambda: checked(
            wb.maximum_likelihood(
                rewritten(wb.bind(continuous.normal, DATA["normal"]), with_jacobian)
            )
        ),
        {"total", "density", "namesake-llf", "namesake-estimate"},
    ),
    "a prior that leaked into the rows": Sabotage(
        lambda: checked(
            wb.maximum_likelihood(rewritten(wb.bind(continuous.normal, DATA["normal"]), with_prior))
        ),
        {"total", "density", "namesake-llf"},
    ),
    "a prior that leaked into the search": Sabotage(
        lambda: checked(
            replace(
                wb.maximum_a_posteriori(wb.bind(continuous.normal, DATA["normal"])),
                objective="likelihood",
            )
        ),
        {"stationary"},
    ),
    "rows of X and y shuffled against each other": Sabotage(
        lambda: checked(fitted(declared(continuous.normal, shuffled), DATA["normal"])),
        {"namesake-llf", "namesake-estimate"},
    ),
    "a link swapped": Sabotage(
        lambda: checked(fitted(declared(binary.logit, binary.probit.declare), DATA["binary"])),
        {"namesake-llf", "namesake-estimate"},
    ),
    "an exposure forgotten": Sabotage(
        lambda: checked(fitted(declared(counts.poisson, without_exposure), DATA["count"])),
        {"namesake-llf", "namesake-estimate"},
    ),
    "a weight applied twice": Sabotage(weighted_twice, {"sum", "statsmodels-better"}),
    "a parameter pair swapped": Sabotage(
        lambda: checked(fitted(declarations.gamma, DATA["wait"]), log_density=swapped),
        {"density"},
    ),
    "a probability for its complement": Sabotage(
        lambda: checked(
            fitted(
                declared(counts.zero_inflated_poisson, zeros_the_other_way),
                DATA["inflated"].assign(
                    X_zero=(("row", "term_zero"), np.ones((N, 1))), term_zero=["Intercept"]
                ),
            )
        ),
        {"namesake-estimate"},
    ),
    "PyMC's density altered in the tail only": Sabotage(
        lambda: checked(
            wb.maximum_likelihood(
                rewritten(wb.bind(continuous.normal, DATA["normal"]), tail_altered)
            )
        ),
        {"density-tails"},
    ),
    "a gradient too steep": Sabotage(
        lambda: checked(
            tampered(counts.poisson, DATA["weighted"], derivatives=steeper,
                     value_and_gradient=steeper)
        ),
        {"gradient"},
    ),
    "a Hessian too large": Sabotage(
        lambda: checked(
            tampered(counts.poisson, DATA["weighted"],
                     derivatives=lambda found: (*found[:2], 1.05 * found[2]))
        ),
        {"hessian", "statsmodels-se"},
    ),
    "a Jacobian that leaked into the prior of the search": Sabotage(
        lambda: checked(
            tampered(counts.poisson, DATA["weighted"], prior_values=lambda found: found + 0.1)
        ),
        {"joint"},
    ),
    "one row's score with another sign": Sabotage(
        lambda: checked(
            tampered(counts.poisson, DATA["weighted"],
                     scores=lambda found: np.vstack([-found[:1], found[1:]]))
        ),
        {"scores", "stationary"},
    ),
    "a simulator of another link": Sabotage(
        lambda: checked(
            fitted(replace(binary.logit, simulate=probit_simulator), DATA["binary"])
        ),
        {"simulator"},
    ),
}  # fmt: skip


# Of kinds that a quicker one shows, too.
LONG = {
    "a probability for its complement",
    "an off-by-one in a truncation, in the density",
    "an off-by-one in a truncation, in the declaration",
    "a link swapped",
    "a parameter pair swapped",
    "a censoring indicator inverted",
    "a Jacobian that leaked in",
    "a prior that leaked into the rows",
    "a scale wrong by one per cent, in PyMC",
}


@pytest.mark.parametrize("name", slow_but(SABOTAGE.keys() - LONG, SABOTAGE))
def test_what_is_put_wrong_is_noticed_by_the_check_that_should(name):
    case = SABOTAGE[name]
    checks = case.checks()
    failed = {agreement.code for agreement in checks if agreement.outcome == "fail"}
    assert checks.outcome == "fail"
    assert case.noticed_by <= failed, checks.to_frame()[["code", "distance", "limit", "outcome"]]


def test_no_sabotage_hides_behind_another():
    """Each check that can fail is the one that notices some case."""
    noticed = set().union(*(case.noticed_by for case in SABOTAGE.values()))
    says_why_not_tried = {"statsmodels", "namesake", "precision", "starts", "optimum"}
    assert set(CHECKS) - says_why_not_tried == noticed


def test_what_differs_is_named():
    fit = fitted(positive.exponential, DATA["wait"])
    constant = checked(fit, log_density=lambda *given: density.log_density(*given) + np.log(2))
    (found,) = [one for one in constant if one.code == "density"]
    assert "the normalising constant differs by -0.693 nats per row" in found.why
