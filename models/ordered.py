r"""Categories in order, coded 0, 1, 2, ...: a latent scale cut at increasing points.

Both expect `y (row)`, with the labels in their order as coordinate `category` where there are any,
and `X (row, term)`; an intercept among the terms is left out, since the
cutpoints say where the scale begins. Priors are weakly informative for terms of unit scale.
"""

from typing import Any

import numpy as np
import pymc as pm
import xarray as xr

from models.definition import Equivalent, Values, definition
from models.linear import column


def _categories(data: xr.Dataset) -> np.ndarray:
    """Their labels, or their codes where they have none."""
    if "category" in data.coords:
        labels = np.asarray(data["category"].values)
        if len(labels) > 2 and not data["category"].attrs.get("ordered", True):
            listed = ", ".join(repr(str(label)) for label in labels)
            raise ValueError(
                f"the order of the categories is not known: write C(..., levels=[{listed}]) left "
                "of the ~, with the levels in their order"
            )
        return labels
    return np.arange(int(data["y"].max()) + 1)


def _terms(data: xr.Dataset) -> np.ndarray:
    """Where the terms are that are no intercept."""
    return np.flatnonzero(data["term"].values != "Intercept")


def _latent(data: xr.Dataset) -> tuple[pm.Model, Any, Any]:
    """The model, X beta without an intercept, and the cutpoints, each named by what it ends."""
    terms, categories = _terms(data), _categories(data)
    model = pm.Model(coords={"term": data["term"].values[terms], "upto": categories[:-1]})
    with model:
        eta = np.zeros(data.sizes["row"])
        if len(terms):
            X = pm.Data("X", data["X"].values[:, terms], dims=("row", "term"))
            eta = X @ pm.Normal("beta", 0.0, 10.0, dims="term")
        begin = np.arange(len(categories) - 1.0)
        ordered = pm.distributions.transforms.ordered
        cut = pm.Normal(
            "cut", 0.0, 10.0, dims="upto", transform=ordered, initval=begin - begin.mean()
        )
    return model, eta, cut


def _start(scale: float) -> Any:
    """Cutpoints from the shares of the categories, by logits times `scale`."""

    def start(data: xr.Dataset) -> Values:
        counts = np.bincount(data["y"].values.astype(int), minlength=len(_categories(data))) + 0.5
        below = np.cumsum(counts)[:-1] / counts.sum()
        return {"cut": scale * (np.log(below) - np.log1p(-below))}

    return start


def _by_steps(params: np.ndarray, data: xr.Dataset) -> Values:
    """statsmodels has the first cutpoint, and then the logarithms of the steps to the next."""
    terms = len(_terms(data))
    steps = np.append(params[terms], np.exp(params[terms + 1 :]))
    return {"beta": params[:terms], "cut": np.cumsum(steps)}


@definition(
    outcome="ordered",
    latex=(
        r"P(y_i \le j) = \operatorname{logit}^{-1}(c_j - x_i^\top \beta), \quad "
        r"c_0 < c_1 < \dots"
    ),
    statsmodels=Equivalent(
        "statsmodels.miscmodels.ordinal_model.OrderedModel", _by_steps, {"distr": "logit"}
    ),
    start=_start(1.0),
)
def logit(data: xr.Dataset) -> pm.Model:
    r"""Proportional odds (McCullagh 1980): logit P(y <= j) = cut_j - X beta."""
    model, eta, cut = _latent(data)
    with model:
        pm.OrderedLogistic(
            "outcome", eta=eta, cutpoints=cut, observed=column(data), compute_p=False, dims="row"
        )
    return model


@definition(
    outcome="ordered",
    latex=r"P(y_i \le j) = \Phi(c_j - x_i^\top \beta), \quad c_0 < c_1 < \dots",
    statsmodels=Equivalent(
        "statsmodels.miscmodels.ordinal_model.OrderedModel", _by_steps, {"distr": "probit"}
    ),
    start=_start(0.6),
)
def probit(data: xr.Dataset) -> pm.Model:
    r"""Ordered probit: P(y <= j) = Phi(cut_j - X beta)."""
    model, eta, cut = _latent(data)
    with model:
        pm.OrderedProbit(
            "outcome", eta=eta, cutpoints=cut, observed=column(data), compute_p=False, dims="row"
        )
    return model
