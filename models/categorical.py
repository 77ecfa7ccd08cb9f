r"""Categories without an order, and choices among alternatives.

Priors are weakly informative for terms of unit scale.
"""

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Equivalent, Values, definition
from models.linear import column


def _by_category(params: np.ndarray, data: xr.Dataset) -> Values:
    """statsmodels has a column a category, ours a row."""
    return {"beta": np.asarray(params).reshape(data.sizes["term"], -1, order="F").T}


@definition(
    outcome="category",
    latex=(
        r"P(y_i = j) = \frac{\exp(x_i^\top \beta_j)}{\sum_k \exp(x_i^\top \beta_k)}, \quad "
        r"\beta_0 = 0"
    ),
    statsmodels=Equivalent("statsmodels.discrete.discrete_model.MNLogit", _by_category),
)
def multinomial_logit(data: xr.Dataset) -> pm.Model:
    r"""Multinomial logit: log(P(y = j) / P(y = 0)) = X beta_j; the first category is the base."""
    known = "category" in data.coords
    labels = data["category"].values if known else np.arange(int(data["y"].max()) + 1)
    with pm.Model(coords={"against": labels[1:], "term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "term"))
        eta = X @ pm.Normal("beta", 0.0, 10.0, dims=("against", "term")).T
        whole = pm.math.concatenate([pm.math.zeros_like(eta[:, :1]), eta], axis=1)
        pm.Categorical("outcome", logit_p=whole, observed=column(data), dims="row")
    return model


@definition(
    outcome="choice",
    unit="group",
    latex=(
        r"P(\text{$j$ is chosen in } i) = \frac{\exp(x_{ij}^\top \beta)}"
        r"{\sum_k \exp(x_{ik}^\top \beta)}"
    ),
    statsmodels=Equivalent(
        "statsmodels.discrete.conditional_models.ConditionalLogit",
        lambda params, data: {"beta": params},
        {"groups": "group"},
    ),
)
def conditional_logit(data: xr.Dataset) -> pm.Model:
    r"""Conditional logit (McFadden 1974): one of a group's rows is chosen, by what each offers.

    The table has a row for each alternative, with y = 1 for the chosen one, and declares the
    group; a unit of the likelihood is a group. What is the same for a whole group cancels, the
    intercept too: leave it out, `y ~ 0 + price`.
    """
    if (data["y"].sum("member") != 1).any():
        wrong = data["row"].values[np.argmax(data["y"].sum("member").values != 1)]
        raise ValueError(f"each group has one row with y = 1, and group {wrong} has not")
    with pm.Model(coords={"term": data["term"].values}) as model:
        X = pm.Data("X", data["X"], dims=("row", "member", "term"))
        absent = pm.Data("absent", data["absent"], dims=("row", "member"))
        y = pm.Data("y", data["y"], dims=("row", "member"))
        eta = X @ pm.Normal("beta", 0.0, 10.0, dims="term")
        p = pm.math.softmax(pm.math.switch(absent, -np.inf, eta), axis=1)
        pm.Multinomial("outcome", n=1, p=p, observed=y, dims=("row", "member"))
    return model
