"""Every definition of the library with a known truth, on data of its kind."""

import importlib
from functools import cache

import numpy as np

import workbench as wb
from tests.marking import slow_but
from workbench.examples import example
from workbench.registry import definitions_in

FILES = (
    "binary", "categorical", "circular", "compositions", "continuous", "counts", "multivariate",
    "ordered", "positive", "proportions",
)  # fmt: skip
DEFINITIONS = {
    f"{file}:{name}": getattr(importlib.import_module(f"models.{file}"), name)
    for file in FILES
    for name in definitions_in(importlib.import_module(f"models.{file}"))
}
# Of kinds that a quicker definition has, too: what takes seconds for each is slow for these.
KINDRED = {
    "circular:von_mises", "compositions:dirichlet", "positive:gamma", "proportions:beta",
    "binary:beta_binomial", "continuous:student_t", "positive:lognormal", "binary:probit",
    "binary:complementary_log_log", "compositions:multinomial",
    "continuous:asymmetric_laplace", "continuous:skew_normal", "counts:negative_binomial_1",
    "continuous:heteroscedastic_normal", "counts:truncated_poisson", "positive:exponential",
    "counts:zero_inflated_poisson", "proportions:zero_one_inflated_beta",
    "counts:generalised_poisson", "counts:zero_inflated_negative_binomial", "counts:hurdle_poisson",
    "counts:truncated_negative_binomial", "ordered:probit", "positive:weibull",
    "positive:inverse_gaussian", "positive:pareto", "positive:generalised_pareto",
    "proportions:variable_precision_beta", "proportions:kumaraswamy",
}  # fmt: skip


def each(names):
    """Parameters of a test, the kindred ones marked slow."""
    return slow_but(DEFINITIONS.keys() - KINDRED, names)


# Natural values by parameter; the terms are an intercept and a wave between -1 and 1.
LINE = [0.5, -0.8]
TRUTH = {
    "binary:logit": {"beta": LINE},
    "binary:probit": {"beta": LINE},
    "binary:complementary_log_log": {"beta": LINE},
    "binary:beta_binomial": {"beta": LINE, "phi": 8.0},
    "categorical:multinomial_logit": {"beta": [[0.3, 1.0], [-0.4, 0.6]]},
    "categorical:conditional_logit": {"beta": [0.9]},
    "circular:von_mises": {"beta": [0.4, 0.5], "kappa": 3.0},
    "compositions:dirichlet": {"beta": [[1.0, 0.3], [0.5, -0.2], [0.0, 0.4]]},
    "compositions:multinomial": {"beta": [[0.4, 0.5], [-0.3, -0.4]]},
    "continuous:normal": {"beta": LINE, "sigma": 1.5},
    "continuous:student_t": {"beta": LINE, "sigma": 1.5, "nu": 4.0},
    "continuous:laplace": {"beta": LINE, "b": 1.5},
    "continuous:asymmetric_laplace": {"beta": LINE, "b": 1.5, "q": 0.3},
    "continuous:skew_normal": {"beta": LINE, "sigma": 1.5, "alpha": 4.0},
    "continuous:heteroscedastic_normal": {"beta": LINE, "gamma": [0.2, 0.6]},
    "counts:poisson": {"beta": LINE},
    "counts:negative_binomial": {"beta": LINE, "alpha": 2.0},
    "counts:negative_binomial_1": {"beta": LINE, "delta": 0.8},
    "counts:generalised_poisson": {"beta": LINE, "phi": 0.3},
    "counts:zero_inflated_poisson": {"beta": [1.0, 0.5], "gamma": [-0.5, 0.8]},
    "counts:zero_inflated_negative_binomial": {
        "beta": [1.5, 0.5], "alpha": 4.0, "gamma": [-0.5, 0.8],
    },
    "counts:hurdle_poisson": {"beta": [1.0, 0.5], "gamma": [-0.5, 0.8]},
    "counts:hurdle_negative_binomial": {"beta": [1.5, 0.5], "alpha": 3.0, "gamma": [-0.5, 0.8]},
    "counts:truncated_poisson": {"beta": [1.0, 0.5]},
    "counts:truncated_negative_binomial": {"beta": [1.5, 0.5], "alpha": 3.0},
    "multivariate:normal": {
        "beta": [[0.5, 1.0], [0.0, -0.5], [1.2, 0.2]],
        "factor": [1.0, 0.5, 1.2, -0.3, 0.4, 0.8],
    },
    "ordered:logit": {"beta": [0.9], "cut": [-0.5, 0.8]},
    "ordered:probit": {"beta": [0.9], "cut": [-0.5, 0.8]},
    "positive:gamma": {"beta": LINE, "alpha": 2.5},
    "positive:lognormal": {"beta": LINE, "sigma": 0.7},
    "positive:weibull": {"beta": LINE, "alpha": 1.6},
    "positive:inverse_gaussian": {"beta": LINE, "lam": 3.0},
    "positive:exponential": {"beta": LINE},
    "positive:pareto": {"beta": LINE},
    "positive:generalised_pareto": {"beta": LINE, "xi": 0.2},
    "proportions:beta": {"beta": LINE, "phi": 8.0},
    "proportions:variable_precision_beta": {"beta": LINE, "precision": [2.0, 0.5]},
    "proportions:zero_one_inflated_beta": {
        "beta": LINE, "phi": 8.0, "gamma": [-0.5, 0.5], "delta": [0.3, -0.5],
    },
    "proportions:kumaraswamy": {"beta": LINE, "a": 2.5},
}  # fmt: skip
NOT_BY_TERM = {"cut", "factor"}  # vectors that are no coefficients


@cache
def problem(name, rows):
    """The definition bound to data of its kind, whose outcomes are no model's."""
    return wb.bind(DEFINITIONS[name], example(DEFINITIONS[name], rows))


def theta_of(bound, truth):
    """The unconstrained truth."""
    values = [np.ravel(truth[parameter.name]) for parameter in bound.parameters]
    return bound.unconstrained(np.concatenate(values).astype(float))


def simulated(name, rows, seed):
    """The definition on outcomes drawn from itself at the truth."""
    bound = problem(name, rows)
    drawn = bound.simulate(theta_of(bound, TRUTH[name]), np.random.default_rng(seed))
    return bound.with_outcomes(drawn)


def with_columns(data, draw):
    """Each design with further columns z0, z1, ..., by `draw()` anew: (rows, columns)."""
    designs = {}
    for matrix in [one for one in data if str(one).startswith("X")]:
        dim, further = data[matrix].dims[1], draw()
        labels = [*data[dim].values, *(f"z{place}" for place in range(further.shape[1]))]
        designs[matrix] = np.hstack([data[matrix], further]), dim, labels
    for matrix, (values, dim, labels) in designs.items():
        columns = {matrix: (("row", dim), values)}
        data = data.drop_dims(dim).assign(columns).assign_coords({dim: labels})
    return data


def with_coefficients(truth, draw):
    """The truth with further coefficients, by `draw((j,))` (j, columns) for j linear predictors."""
    return {
        name: np.array(known, float)
        if np.ndim(known) == 0 or name in NOT_BY_TERM
        else np.hstack([known, draw(np.shape(known)[:-1])])
        for name, known in truth.items()
    }
