"""Known truths: entropy, cross-entropy and KL to the digits that 40-digit arithmetic gave."""

import numpy as np
import pytest
from scipy import stats

from workbench import information
from workbench.errors import DataError

RHO = np.array([[1.0, 0.7], [0.7, 1.0]])


class TwoNormals:
    """.5 N(-2, 1) + .5 N(3, .25), as `scipy.stats` would freeze it; quantiles by bisection."""

    parts = (stats.norm(-2, 1), stats.norm(3, 0.5))

    def logpdf(self, x):
        return np.logaddexp(*(part.logpdf(x) for part in self.parts)) - np.log(2)

    def _quantile(self, tail, reached):
        low, high = np.full(np.shape(tail), -60.0), np.full(np.shape(tail), 60.0)
        for _ in range(200):
            middle = 0.5 * (low + high)
            there = reached(middle)
            low, high = np.where(there, low, middle), np.where(there, middle, high)
        return high

    def ppf(self, u):
        return self._quantile(u, lambda x: 0.5 * sum(part.cdf(x) for part in self.parts) >= u)

    def isf(self, u):
        return self._quantile(u, lambda x: 0.5 * sum(part.sf(x) for part in self.parts) <= u)


class Inflated:
    """A Poisson count of which a share is zero whatever the rate."""

    def __init__(self, share, mu):
        self.zero, self.counts = 1 - share, stats.poisson(mu)

    def pmf(self, k):
        return self.zero * (np.asarray(k) == 0) + (1 - self.zero) * self.counts.pmf(k)

    def logpmf(self, k):
        return np.log(self.pmf(k))

    def ppf(self, u):
        return self.counts.ppf(max(0.0, (u - self.zero) / (1 - self.zero)))

    def cdf(self, k):
        return (k >= 0) * self.zero + (1 - self.zero) * self.counts.cdf(k)

    def sf(self, k):
        return (1 - self.zero) * self.counts.sf(k)

    def support(self):
        return 0, np.inf


# p, q, H(p), CE, KL: mpmath at 40 digits by two routes, as theory's section 7 records them.
CASES = {
    "bernoulli": (stats.bernoulli(0.3), stats.bernoulli(0.35),
                  0.610864302054893, 0.616494678614321, 0.00563037655942782),
    "categorical": (stats.rv_discrete(values=(range(3), (0.5, 0.3, 0.2))),
                    stats.rv_discrete(values=(range(3), (0.2, 0.3, 0.5))),
                    1.02965301406457, 1.30454023362682, 0.274887219562247),
    "binomial": (stats.binom(10, 0.3), stats.binom(10, 0.35),
                 1.77907878409006, 1.83538254968434, 0.0563037655942782),
    "poisson": (stats.poisson(4), stats.poisson(3),
                2.08667269988096, 2.23740098968809, 0.150728289807124),
    "geometric": (stats.geom(0.2), stats.geom(0.25),
                  2.50201211769094, 2.53702265092701, 0.0350105332360749),
    "negative binomial": (stats.nbinom(2, 2 / 12), stats.poisson(10),
                          3.27074819965051, 4.71251307298704, 1.44176487333654),
    "zero-inflated": (Inflated(0.7, 3), stats.poisson(2.1),
                      1.85106859817984, 2.10104652097534, 0.249977922795498),
    "normal": (stats.norm(0, 1), stats.norm(0.5, 1.5),
               1.41893853320467, 1.60218141909061, 0.183242885885942),
    "exponential": (stats.expon(), stats.expon(scale=1 / 1.5),
                    1.0, 1.09453489189184, 0.0945348918918356),
    "gamma": (stats.gamma(2), stats.gamma(3, scale=1 / 1.5),
              1.57721566490153, 1.63118318603852, 0.053967521136985),
    "gamma, normal": (stats.gamma(2), stats.norm(2, np.sqrt(2)),
                      1.57721566490153, 1.76551212348465, 0.188296458583113),
    "uniform, beta": (stats.uniform(), stats.beta(2, 2),
                      0.0, 0.208240530771945, 0.208240530771945),
    "lognormal": (stats.lognorm(0.8), stats.lognorm(1, scale=np.exp(0.2)),
                  1.19579498189046, 1.25893853320467, 0.0631435513142098),
    "laplace, normal": (stats.laplace(), stats.norm(0, np.sqrt(2)),
                        1.69314718055995, 1.76551212348465, 0.0723649429247001),
    "t, normal": (stats.t(5), stats.norm(0, np.sqrt(5 / 3)),
                  1.6275026724144, 1.67435134508767, 0.0468486726732721),
    "cauchy": (stats.cauchy(), stats.cauchy(1, 2),
               2.53102424696929, 2.7541677982835, 0.22314355131421),
    "weibull": (stats.weibull_min(1.5), stats.expon(),
                0.78694011352568, 0.902745292950934, 0.115805179425254),
    "two normals": (TwoNormals(), stats.norm(0.5, np.sqrt(6.875)),
                    1.76419304004584, 2.38288435498099, 0.618691314935152),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_sums_and_quadrature_have_the_known_digits(case):
    p, q, *truth = CASES[case]
    found = information.known_divergence(p, q)
    values = (found.entropy, found.cross_entropy, found.divergence)
    np.testing.assert_allclose(values, truth, rtol=1e-11, atol=1e-12)
    assert found.divergence >= 0
    assert found.error < 1e-9


def test_an_edge_without_bound_costs_digits_and_no_more():
    found = information.known_divergence(stats.beta(0.5, 0.5), stats.beta(2, 3))
    truth = (-0.24156447527049, 1.67397643357167, 1.91554090884216)
    values = (found.entropy, found.cross_entropy, found.divergence)
    np.testing.assert_allclose(values, truth, atol=1e-6)  # where quadrature alone reaches them


def test_vectors_are_in_closed_form():
    found = information.normal_vectors(([0, 0], RHO), ([0.5, -0.5], np.eye(2)))
    values = (found.entropy, found.cross_entropy, found.divergence)
    np.testing.assert_allclose(values, (2.50120478977746, 3.08787706640935, 0.586672276631883),
                               rtol=1e-13)  # fmt: skip


def test_kl_does_not_change_with_the_unit_and_the_others_do():
    p, q = stats.lognorm(0.8), stats.lognorm(1, scale=np.exp(0.2))
    one = information.known_divergence(p, q)
    cents = information.known_divergence(
        stats.lognorm(0.8, scale=100), stats.lognorm(1, scale=100 * np.exp(0.2))
    )
    assert cents.divergence == pytest.approx(one.divergence, rel=1e-11)
    assert cents.entropy == pytest.approx(5.80096516787855, rel=1e-11)
    assert cents.cross_entropy == pytest.approx(5.86410871919276, rel=1e-11)


@pytest.mark.parametrize(
    ("mapped", "plain"),
    [
        ((stats.lognorm(0.8), stats.lognorm(1, scale=np.exp(0.2))),
         (stats.norm(0, 0.8), stats.norm(0.2, 1))),
        ((stats.gamma(2, scale=3, loc=-1), stats.gamma(3, scale=2, loc=-1)),
         (stats.gamma(2), stats.gamma(3, scale=2 / 3))),
    ],
)  # fmt: skip
def test_kl_does_not_change_under_a_logarithm_or_an_affine_map(mapped, plain):
    first, second = (information.known_divergence(*pair) for pair in (mapped, plain))
    assert first.divergence == pytest.approx(second.divergence, rel=1e-11)


def test_what_a_model_excludes_is_infinitely_far():
    found = information.known_divergence(stats.poisson(2), stats.bernoulli(0.5))
    assert found.cross_entropy == found.divergence == np.inf
    found = information.known_divergence(stats.norm(), stats.expon())
    assert found.divergence == np.inf
    assert found.entropy == pytest.approx(1.41893853320467, rel=1e-12)


def test_a_truth_is_at_no_distance_from_itself():
    for p, *_ in CASES.values():
        assert information.known_divergence(p, p).divergence == 0


def test_a_count_and_a_density_have_no_common_measure():
    with pytest.raises(DataError, match="one distribution is discrete and the other is not"):
        information.known_divergence(stats.poisson(3), stats.norm())


def test_an_expectation_that_does_not_exist_is_not_told():
    with pytest.raises(DataError, match="does not settle"):
        information.known_divergence(stats.cauchy(), stats.norm())


def test_a_far_support_is_found():
    near, far = stats.poisson(3), stats.poisson(3, loc=20_000_000)
    assert information.known_divergence(far, far).entropy == pytest.approx(
        information.known_divergence(near, near).entropy, rel=1e-9
    )  # log gammas of the difference


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (stats.norm(0, -1), stats.norm()),
        (stats.poisson(-1), stats.poisson(1)),
        (stats.norm(), stats.norm(0, -1)),
        (stats.rv_discrete(values=((1, 2), (0.5, 0.5))), stats.poisson(-2)),
        (stats.norm([0.0, 1.0], 1), stats.norm()),
        (stats.multivariate_normal([0, 0]), stats.norm()),
        (3.0, stats.norm()),
    ],
)
def test_what_is_no_distribution_of_one_number_is_refused(p, q):
    with pytest.raises(DataError, match=r"[pq] (is no distribution|has parameters)"):
        information.known_divergence(p, q)


@pytest.mark.parametrize("covariance", [[[1, 2], [2, 1]], [[1, 1], [1, 1]], [[1.0]]])
def test_a_covariance_that_is_none_is_refused(covariance):
    with pytest.raises(DataError, match="the model's covariance is no positive definite one of 2"):
        information.normal_vectors(([0, 0], RHO), ([0, 0], covariance))
