"""Covariances by name against statsmodels, where it computes the same thing."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.base.model import GenericLikelihoodModel
from statsmodels.tools.sm_exceptions import ConvergenceWarning, HessianInversionWarning

import workbench as wb
from models import binary, continuous, counts
from tests.declarations import dataset
from tests.test_estimate import polished

RNG = np.random.default_rng(20261123)
N, G = 600, 60
X = RNG.normal(size=(N, 2))
EXOG = sm.add_constant(X)
GROUPS = RNG.permutation(np.repeat(np.arange(G), N // G))
MU = np.exp(0.6 + X @ [0.5, -0.3] + 0.4 * RNG.normal(size=G)[GROUPS])
SIX_DIGITS = 1e-6  # relative

# Ours, statsmodels' class, and the outcome.
CLASSES = {
    "logit": (binary.logit, sm.Logit, RNG.binomial(1, MU / (1 + MU))),
    "poisson": (counts.poisson, sm.Poisson, RNG.poisson(MU)),
    "nb2": (counts.negative_binomial, sm.NegativeBinomial, RNG.poisson(MU * RNG.gamma(2, 0.5, N))),
}


def theirs(model, **options):
    """statsmodels' results at the optimum itself: from Newton-polished parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HessianInversionWarning)
        params = polished(model, model.fit(disp=0, maxiter=500))
    return model.fit(start_params=params, method="newton", disp=0, tol=1e-12, **options)


def errors_of(results, ours):
    """Standard errors in our order; NB2's alpha is the inverse of ours."""
    errors = np.array(results.bse)
    if "alpha" in ours.params:
        errors[-1] /= np.asarray(results.params)[-1] ** 2
    return errors


@pytest.fixture(scope="module", params=CLASSES)
def pair(request):
    definition, kind, y = CLASSES[request.param]
    ours = wb.maximum_likelihood(wb.bind(definition, dataset(y, X, group=GROUPS)))
    return ours, kind(y, EXOG)


@pytest.mark.parametrize(("kind", "type_"), [("observed", "nonrobust"), ("sandwich", "HC0")])
def test_observed_and_sandwich_are_statsmodels(pair, kind, type_):
    ours, model = pair
    results = theirs(model, cov_type=type_)
    np.testing.assert_allclose(
        ours.standard_errors(kind), errors_of(results, ours), rtol=SIX_DIGITS
    )


def test_cluster_factors_are_written_out(pair):
    ours, model = pair
    plain = theirs(model, cov_type="cluster",
                   cov_kwds={"groups": GROUPS, "use_correction": False})  # fmt: skip
    corrected = theirs(model, cov_type="cluster", cov_kwds={"groups": GROUPS})
    for factor, results in {"none": plain, "groups and rows": corrected}.items():
        # The discrete classes count NB2's alpha among the n - k, as we do.
        np.testing.assert_allclose(
            ours.standard_errors("cluster", factor=factor),
            errors_of(results, ours),
            rtol=SIX_DIGITS,
        )
    ratio = ours.bse / ours.standard_errors("cluster", factor="none")
    np.testing.assert_allclose(ratio, np.sqrt(G / (G - 1)), rtol=1e-12)


def test_least_squares_divide_by_what_is_left_of_the_rows():
    y = EXOG @ [1.0, 2.0, -0.5] + RNG.normal(size=N)
    ours = wb.maximum_likelihood(wb.bind(continuous.normal, dataset(y, X, group=GROUPS)))
    ols = sm.OLS(y, EXOG)
    beta, counted = list(ours.params.index[:3]), (N - 4) / (N - 3)  # OLS does not count sigma
    np.testing.assert_allclose(
        ours.standard_errors("observed", factor="rows")[beta] * np.sqrt(counted),
        ols.fit().bse,
        rtol=SIX_DIGITS,
    )
    np.testing.assert_allclose(
        ours.standard_errors("sandwich")[beta], ols.fit(cov_type="HC0").bse, rtol=SIX_DIGITS
    )
    np.testing.assert_allclose(
        ours.standard_errors("sandwich", factor="rows")[beta] * np.sqrt(counted),
        ols.fit(cov_type="HC1").bse,
        rtol=SIX_DIGITS,
    )
    clustered = ols.fit(cov_type="cluster", cov_kwds={"groups": GROUPS})
    np.testing.assert_allclose(
        ours.standard_errors("cluster", factor="groups and rows")[beta] * np.sqrt(counted),
        clustered.bse,
        rtol=SIX_DIGITS,
    )


def test_robust_errors_of_a_generalised_linear_model():
    definition, _, y = CLASSES["poisson"]
    ours = wb.maximum_likelihood(wb.bind(definition, dataset(y, X)))
    glm = sm.GLM(y, EXOG, family=sm.families.Poisson())
    for kind, type_ in {"observed": "nonrobust", "sandwich": "HC0"}.items():
        results = glm.fit(tol=1e-14, cov_type=type_)
        np.testing.assert_allclose(ours.standard_errors(kind), results.bse, rtol=SIX_DIGITS)


class PoissonByHand(GenericLikelihoodModel):
    """With its exact scores, so that covjac is the outer product and no difference of it."""

    def loglikeobs(self, params):
        return stats.poisson.logpmf(self.endog, np.exp(self.exog @ params))

    def score_obs(self, params):
        return (self.endog - np.exp(self.exog @ params))[:, None] * self.exog


def test_outer_products_are_statsmodels_covjac():
    definition, _, y = CLASSES["poisson"]
    ours = wb.maximum_likelihood(wb.bind(definition, dataset(y, X)))
    with warnings.catch_warnings():  # it is not to search: our optimum is the place
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = PoissonByHand(y, EXOG).fit(
            start_params=ours.params.to_numpy(), method="bfgs", maxiter=0, disp=0
        )
    np.testing.assert_array_equal(results.params, ours.params)
    np.testing.assert_allclose(ours.cov_params("opg"), results.covjac, rtol=SIX_DIGITS)


def test_factors_that_do_not_apply_are_refused():
    definition, _, y = CLASSES["poisson"]
    ours = wb.maximum_likelihood(wb.bind(definition, dataset(y, X)))
    with pytest.raises(wb.ModelError, match="'none', 'rows', 'groups', 'groups and rows'"):
        ours.cov_params(factor="HC3")
    with pytest.raises(wb.ModelError, match="needs a declared group"):
        ours.cov_params("observed", factor="groups")
