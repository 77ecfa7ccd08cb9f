"""The estimate in ArviZ's container: ArviZ and NetCDF take it, with the declared dimensions."""

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr
from matplotlib import pyplot
from scipy import stats

import workbench as wb
from models import counts
from tests import declarations
from tests.declarations import dataset
from workbench.errors import ModelError
from workbench.estimate.datatree import from_laplace
from workbench.problem import Problem

RNG = np.random.default_rng(8)
N = 40
X = RNG.normal(size=(N, 2))
Y = RNG.poisson(np.exp(0.8 + 0.4 * X[:, 0]))
NORMALS = RNG.normal(1.0, 2.0, 30)
SIGMA, PRIOR = 2.0, 1.5
DRAWS = 2000


def normal_mean(data):
    """Normal outcomes of known spread around an unknown mean."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        pm.Normal("outcome", pm.Normal("mu", 0.0, PRIOR), SIGMA, observed=y, dims="row")
    return model


def poisson_outcomes(problem, theta, rng):
    return rng.poisson(np.exp(problem.dataset["X"].values @ theta)).astype(float)


def normal_outcomes(problem, theta, rng):
    return rng.normal(theta[0], SIGMA, problem.rows.count)


def drawn(fit, simulate, draws=DRAWS):
    rng = np.random.default_rng(1)
    return from_laplace(
        fit.laplace(draws, rng=rng), lambda theta, rng: simulate(fit.problem, theta, rng), rng
    )


@pytest.fixture(scope="module")
def fits():
    problem = wb.bind(counts.poisson, dataset(Y, X))
    return wb.maximum_likelihood(problem), wb.maximum_a_posteriori(problem)


@pytest.fixture(scope="module")
def tree(fits):
    return drawn(fits[1], poisson_outcomes)


@pytest.fixture(scope="module")
def normal_tree():
    return drawn(wb.maximum_a_posteriori(wb.bind(normal_mean, dataset(NORMALS))), normal_outcomes)


# --- A point


def test_a_maximum_of_the_likelihood_is_one_draw_and_says_so(fits):
    fit = fits[0]
    tree = fit.to_datatree()
    assert tree["posterior"].sizes == {"chain": 1, "draw": 1, "term": 3}
    assert "the estimate as one draw, which is no sample" in tree["posterior"].attrs["draws"]
    np.testing.assert_array_equal(tree["posterior/beta"].values.ravel(), fit.params)
    assert tree["log_likelihood/outcome"].values.sum() == pytest.approx(fit.llf, rel=1e-12)
    assert not tree["log_likelihood"].attrs
    assert tree["starts"].sizes["start"] == 3
    np.testing.assert_array_equal(tree["constant_data/X"][:, 1:], X)
    np.testing.assert_allclose(
        np.sqrt(np.diag(tree["fit/covariance_matrix"].values)), fit.bse, rtol=1e-12
    )


def test_a_map_may_be_kept_as_one_draw_too(fits):
    tree = fits[1].to_datatree(draws=0)
    np.testing.assert_array_equal(tree["posterior/beta"].values.ravel(), fits[1].params)
    assert "maximum a posteriori" in tree["posterior"].attrs["draws"]
    assert "sample_stats" not in tree


def test_a_map_without_laplace_draws_says_why_and_what_will_do():
    data = dataset([2.0, 0.0, 1.0, -1.0], group=np.arange(4))
    fit = wb.maximum_a_posteriori(wb.bind(declarations.hierarchical, data))
    with pytest.raises(ModelError, match=r"no Laplace draws: .*; to_datatree\(draws=0\) holds"):
        fit.to_datatree()
    assert fit.to_datatree(draws=0)["estimates/se"].isnull().all()


# --- Draws


def test_a_map_holds_its_laplace_draws_and_outcomes_simulated_at_each(fits, monkeypatch):
    monkeypatch.setattr(Problem, "simulate", poisson_outcomes, raising=False)
    fit = fits[1]
    tree = fit.to_datatree(300, rng=np.random.default_rng(5))
    laplace = fit.laplace(300, rng=np.random.default_rng(5))
    assert tree["posterior"].sizes == {"chain": 1, "draw": 300, "term": 3}
    np.testing.assert_array_equal(tree["posterior/beta"].values[0], laplace.draws)
    np.testing.assert_array_equal(tree["log_likelihood/outcome"][0], laplace.log_likelihood())
    np.testing.assert_array_equal(tree["sample_stats/log_p"][0], laplace.log_p)
    np.testing.assert_array_equal(tree["sample_stats/log_q"][0], laplace.log_q)
    np.testing.assert_array_equal(tree["laplace/mean_vector"], laplace.optimum.theta)
    np.testing.assert_array_equal(tree["laplace/covariance_matrix"], laplace.theta_covariance)
    np.testing.assert_array_equal(tree["fit/mean_vector"], fit.theta)
    assert tree["posterior"].attrs["k_hat"] == laplace.k_hat
    assert tree["posterior"].attrs["advice"] == laplace.advice
    # Counts, by which ArviZ chooses its plots, around the mean at their own draw.
    outcomes = tree["posterior_predictive/outcome"]
    assert outcomes.dtype == tree["observed_data/outcome"].dtype == np.int64
    means = np.exp(laplace.draws.to_numpy() @ fit.problem.dataset["X"].values.T)
    score = (outcomes.values[0] - means).sum() / np.sqrt(means.sum())
    assert abs(score) < 4  # standard errors


def test_arviz_summarises_the_draws(tree):
    table = az.summary(tree, fmt="wide", round_to="none")
    draws = tree["posterior/beta"].values[0]
    assert list(table.index) == ["beta[Intercept]", "beta[x1]", "beta[x2]"]
    np.testing.assert_allclose(table["mean"], draws.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(table["sd"], draws.std(axis=0, ddof=1), rtol=1e-3)
    # The draws are independent: their effective number is their number, to a tenth or so.
    np.testing.assert_allclose(table["ess_bulk"], DRAWS, rtol=0.2)


@pytest.mark.parametrize("name", ["plot_forest", "plot_dist", "plot_ppc_rootogram",
                                  "plot_ppc_tstat", "plot_ppc_pit"])  # fmt: skip
def test_arviz_plots_the_draws_and_the_counts(tree, name):
    assert getattr(az, name)(tree).viz is not None
    pyplot.close("all")


@pytest.mark.parametrize("name", ["plot_ppc_dist", "plot_ppc_pit", "plot_ppc_tstat"])
def test_arviz_plots_continuous_outcomes(normal_tree, name):
    assert getattr(az, name)(normal_tree).viz is not None
    pyplot.close("all")


def test_leave_one_out_by_the_draws_is_the_closed_form(normal_tree):
    densities = (normal_tree[f"sample_stats/{name}"] for name in ("log_p", "log_q"))
    found = az.loo_approximate_posterior(normal_tree, *densities, pointwise=True)
    n = len(NORMALS)
    precision = (n - 1) / SIGMA**2 + 1 / PRIOR**2
    means = (NORMALS.sum() - NORMALS) / SIGMA**2 / precision
    exact = stats.norm.logpdf(NORMALS, means, np.sqrt(SIGMA**2 + 1 / precision))
    # By simulation: 2,000 draws leave some 1 / sqrt(2000) of each row's share of p_loo = 1.
    np.testing.assert_allclose(found.elpd_i, exact, atol=0.02)
    assert abs(found.elpd - exact.sum()) < 0.05 * found.se
    assert found.n_data_points == n


def test_leave_one_out_corrects_a_normal_that_is_not_the_posterior():
    # The gamma posterior of a Poisson rate: left-out predictions are negative binomial. Draws
    # taken for the posterior's own would predict otherwise: log_p and log_q mend it.
    def declared(data):
        with pm.Model() as model:
            y = pm.Data("y", data["y"], dims="row")
            pm.Poisson("outcome", pm.Gamma("mu", 1.5, 0.5), observed=y, dims="row")
        return model

    y = np.array([3.0, 1.0, 2.0, 2.0])
    fit = wb.maximum_a_posteriori(wb.bind(declared, dataset(y)))
    tree = drawn(fit, lambda problem, theta, rng: y, draws=4000)
    densities = {name: tree[f"sample_stats/{name}"] for name in ("log_p", "log_q")}
    found = az.loo_approximate_posterior(tree, **densities, pointwise=True)
    a, b = 1.5 + y.sum() - y, 0.5 + len(y) - 1
    exact = stats.nbinom.logpmf(y, a, b / (b + 1))
    # By simulation, as above.
    np.testing.assert_allclose(found.elpd_i, exact, atol=0.02)
    flat = densities["log_p"] * 0
    plain = az.loo_approximate_posterior(tree, flat, flat, pointwise=True)
    assert np.abs(plain.elpd_i - exact).max() > 0.1


@pytest.mark.parametrize("which", ["tree", "normal_tree"])  # k-hat finite, and -inf
def test_the_tree_comes_back_from_netcdf_as_it_was(which, request, tmp_path):
    tree = request.getfixturevalue(which)
    tree.to_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    with xr.open_datatree(tmp_path / "fit.nc", engine="h5netcdf") as opened:
        assert opened.load().identical(tree)


def test_what_cannot_be_simulated_is_left_out_with_the_reason(fits):
    def simulate(problem, theta, rng):
        raise ModelError("no random draw of its outcome")

    tree = drawn(fits[1], simulate, draws=100)
    assert "posterior_predictive" not in tree
    assert tree["posterior"].attrs["no_posterior_predictive"] == "no random draw of its outcome"
    assert "observed_data" in tree


# --- Names, dimensions and coordinates


def no_outcomes(problem, theta, rng):
    return np.zeros(problem.rows.observed.shape)


def test_declared_dimensions_and_labels_are_kept():
    coords = {"place": ["north", "south"], "year": [1999, 2001, 2007], "pair": [(1, 2), (3, 4)]}
    with pm.Model(coords=coords) as model:
        effect = pm.Normal("effect", 0.0, 1.0, dims=("place", "year"))
        weight = pm.Dirichlet("weight", np.ones(3), dims="year")
        pm.Normal("by_pair", 0.0, 1.0, dims="pair")
        pm.Normal("plain", 0.0, 1.0, shape=2)
        pm.Normal("square", 0.0, 1.0, dims=("place", "place"))
        x = pm.Data("x", np.arange(15.0).reshape(5, 3), dims=("obs", "year"))
        pm.Normal("height", x @ weight + effect.sum(), 1.0, observed=np.ones(5), dims="obs")
    fit = wb.maximum_a_posteriori(wb.bind(model))
    tree = drawn(fit, no_outcomes, draws=100)
    posterior = tree["posterior"]
    assert posterior["effect"].dims == ("chain", "draw", "place", "year")
    assert posterior["weight"].dims == ("chain", "draw", "year")
    assert posterior["plain"].dims == ("chain", "draw", "plain_dim_0")
    assert posterior["square"].dims == ("chain", "draw", "place", "square_dim_1")
    assert list(posterior["place"].values) == ["north", "south"]
    assert list(posterior["year"].values) == [1999, 2001, 2007]
    assert list(posterior["pair"].values) == ["(1, 2)", "(3, 4)"]  # as NetCDF can keep them
    label = fit.laplace(100, rng=np.random.default_rng(1)).draws["effect[south, 2007]"]
    np.testing.assert_array_equal(posterior["effect"].sel(place="south", year=2007)[0], label)
    assert tree["constant_data/x"].dims == ("row", "year")
    assert list(tree["observed_data"].data_vars) == ["height"]
    assert list(tree["log_likelihood"].data_vars) == ["height"]
    assert "effect[north, 1999]" in az.summary(tree).index


def test_names_that_are_dimensions_of_ours_stand_beside_them():
    with pm.Model() as model:
        row = pm.Data("row", np.arange(5.0), dims="obs")
        slope, draw = pm.Normal("slope"), pm.Normal("draw")
        pm.Normal("chain", draw + slope * row, 1.0, observed=row, dims="obs")
    tree = drawn(wb.maximum_a_posteriori(wb.bind(model)), no_outcomes, draws=100)
    assert list(tree["posterior"].data_vars) == ["slope", "draw_"]
    assert list(tree["constant_data"].data_vars) == ["row_"]
    assert tree["observed_data/chain_"].dims == ("row",)


def test_rows_keep_their_labels_and_their_weights():
    labels = [f"person {i}" for i in range(N)]
    weight = np.arange(N) % 3 + 1.0
    data = dataset(Y, X, weight=weight).assign_coords(row=labels)
    tree = wb.maximum_likelihood(wb.bind(counts.poisson, data)).to_datatree()
    for group in ("log_likelihood", "observed_data", "constant_data"):
        assert list(tree[group]["row"].values) == labels
    np.testing.assert_array_equal(tree["constant_data/weight"], weight)


def test_rows_in_groups_are_marked():
    data = dataset(Y, X, group=np.arange(N) // 4)
    tree = wb.maximum_likelihood(wb.bind(counts.poisson, data)).to_datatree()
    assert "not leaving out a group" in tree["log_likelihood"].attrs["caution"]


def test_effects_of_single_rows_keep_the_rows_dimension():
    def declared(data):
        with pm.Model(coords={"row": data["row"].values}) as model:
            y = pm.Data("y", data["y"], dims="row")
            effect = pm.Normal("effect", 0.0, 1.0, dims="row")
            pm.Normal("outcome", effect, 1.0, observed=y, dims="row")
        return model

    data = dataset([1.0, 2.0, 4.0]).assign_coords(row=["a", "b", "c"]).drop_vars(["X", "term"])
    tree = wb.maximum_a_posteriori(wb.bind(declared, data)).to_datatree(draws=0)
    assert list(tree["posterior"]["row"].values) == ["a", "b", "c"]
    np.testing.assert_allclose(tree["posterior/effect"].squeeze(), [0.5, 1.0, 2.0], rtol=1e-9)
    # Another row's data in the first place meet another effect: no contribution by itself.
    assert "not known to stand apart" in tree["log_likelihood"].attrs["caution"]


def test_the_terms_of_a_model_with_constants_are_kept_with_a_caution():
    # Most notebooks: its rows cannot be taken apart, so whether they stand apart is not known.
    with pm.Model() as model:
        pm.Normal("height", pm.Normal("mu"), 1.0, observed=NORMALS)
    tree = drawn(wb.maximum_a_posteriori(wb.bind(model)), no_outcomes, draws=100)
    expected = stats.norm.logpdf(NORMALS, tree["posterior/mu"].values[0][:, None])
    np.testing.assert_allclose(tree["log_likelihood/height"][0], expected, rtol=1e-11)
    assert "not known to stand apart" in tree["log_likelihood"].attrs["caution"]


def test_several_values_on_one_row_are_added_up_in_it():
    y = RNG.normal(size=(6, 2))
    with pm.Model(coords={"obs": range(6), "eye": ["left", "right"]}) as model:
        observed = pm.Data("y", y, dims=("obs", "eye"))
        mu = pm.Normal("mu", 0.0, 1.0, dims="eye")
        pm.Normal("outcome", mu, 1.0, observed=observed, dims=("obs", "eye"))
    tree = drawn(wb.maximum_a_posteriori(wb.bind(model)), no_outcomes, draws=100)
    assert tree["observed_data/outcome"].dims == ("row", "outcome_dim_1")
    assert tree["posterior_predictive/outcome"].shape == (1, 100, 6, 2)
    assert tree["constant_data/y"].dims == ("row", "eye")
    mu = tree["posterior/mu"].values[0]
    expected = stats.norm.logpdf(y, mu[:, None, :]).sum(axis=-1)
    np.testing.assert_allclose(tree["log_likelihood/outcome"][0], expected, rtol=1e-10)


def test_several_observed_variables_have_one_log_likelihood_and_no_one_outcome():
    with pm.Model() as model:
        mu = pm.Normal("mu")
        for name in ("first", "second"):
            y = pm.Data(f"y_{name}", np.arange(4.0), dims="obs")
            pm.Normal(name, mu, 1.0, observed=y, dims="obs")
    tree = drawn(wb.maximum_a_posteriori(wb.bind(model)), no_outcomes, draws=100)
    assert tree["log_likelihood/outcome"].sizes["row"] == 4
    assert "observed_data" not in tree
    assert "posterior_predictive" not in tree
    assert list(tree["constant_data"].data_vars) == ["y_first", "y_second"]
