import math

import numpy as np
import pytest
from scipy import stats

from workbench import information
from workbench.errors import DataError
from workbench.information import (
    Mean,
    bits,
    calibration_divergence,
    effective_units,
    entropy_chao_wang_jost,
    entropy_nearest_neighbour,
    entropy_plugin,
    kl_discrete,
    kl_plugin,
    mean,
    normal_scores,
    pit_band,
    pit_histogram_divergence,
    probability_integral_transform,
    simultaneous_z,
)
from workbench.information.calibration import REPLICATES, null_estimates

X = np.array([0, 0.1, 0.3, 0.6, 1, 1.5, 2.1])


@pytest.fixture
def rng():
    return np.random.default_rng(20261123)


def scores(distribution, y, rng):
    below = y if isinstance(distribution.dist, stats.rv_continuous) else y - 1
    return normal_scores(
        (distribution.logcdf(below), distribution.logcdf(y)),
        (distribution.logsf(below), distribution.logsf(y)),
        rng,
    )


# Means


def test_se_is_that_of_scipy(rng):
    values = rng.normal(size=30)
    result = mean(values)
    assert result.value == pytest.approx(values.mean(), rel=1e-14)
    assert result.se == pytest.approx(stats.sem(values), rel=1e-14)
    assert (result.count, result.clusters) == (30, None)


def test_frequency_weights_are_repeated_rows(rng):
    values, weights, groups = rng.normal(size=6), np.array([1, 3, 0, 2, 1, 2]), [0, 0, 1, 1, 2, 3]
    repeated, repeated_groups = np.repeat(values, weights), np.repeat(groups, weights)
    for weighted, plain in (
        (mean(values, weights=weights), mean(repeated)),
        (mean(values, weights=weights, groups=groups), mean(repeated, groups=repeated_groups)),
    ):
        assert (weighted.value, weighted.se) == pytest.approx((plain.value, plain.se), rel=1e-13)
        assert (weighted.count, weighted.clusters) == (plain.count, plain.clusters)


def test_clustered_se_is_the_hand_formula():
    # Groups {1, 3}, {8}, {0, 2}: mean 2.8; sums of deviations -1.6, 5.2, -3.6.
    result = mean([1, 3, 8, 0, 2], groups=[7, 7, 2, 5, 5])
    assert result.value == pytest.approx(2.8, rel=1e-15)
    assert result.se == pytest.approx(math.sqrt(3 / 2 * (1.6**2 + 5.2**2 + 3.6**2)) / 5, rel=1e-14)
    assert result.clusters == 3


def test_groups_of_one_row_change_nothing(rng):
    values = rng.normal(size=20)
    assert mean(values, groups=np.arange(20)).se == pytest.approx(mean(values).se, rel=1e-14)


@pytest.mark.parametrize("rows", [{"values": [1.0, 2.0], "groups": [4, 4]}, {"values": [1.0]}])
def test_one_unit_has_no_se(rows):
    result = mean(**rows)
    assert math.isnan(result.se)
    assert all(math.isnan(limit) for limit in result.interval())


def test_an_impossible_row_makes_the_mean_infinite_and_its_se_unknown():
    result = mean([1.0, math.inf])
    assert result.value == math.inf
    assert math.isnan(result.se)
    assert math.isnan(mean([-math.inf, math.inf]).value)


def test_a_row_of_weight_zero_is_not_seen():
    assert mean([1.0, math.nan, 3.0], weights=[1, 0, 1]).value == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"values": []}, "at least one row"),
        ({"values": [1.0], "weights": [-1]}, "not below 0"),
        ({"values": [1.0, 2.0], "groups": [1]}, r"groups have shape \(1,\)"),
    ],
)
def test_means_that_make_no_sense_are_refused(arguments, sentence):
    with pytest.raises(DataError, match=sentence):
        mean(**arguments)


def test_few_units_take_student_and_many_the_normal():
    # Published quantiles: t with 9 degrees of freedom 2.262, normal 1.960.
    assert Mean(0, 1, 10).interval()[1] == pytest.approx(2.262, abs=5e-4)
    assert Mean(0, 1, 500, clusters=10).interval()[1] == pytest.approx(2.262, abs=5e-4)
    assert Mean(0, 1, 500).interval()[0] == pytest.approx(-1.960, abs=5e-4)


def test_skewness_is_that_of_the_units(rng):
    values = rng.exponential(size=60)
    assert mean(values).skewness == pytest.approx(stats.skew(values), rel=1e-12)
    groups = np.repeat(np.arange(20), 3)
    sums = (values - values.mean()).reshape(20, 3).sum(axis=1)
    assert mean(values, groups=groups).skewness == pytest.approx(stats.skew(sums), rel=1e-12)
    weights = rng.integers(1, 4, 60)
    assert mean(values, weights=weights).skewness == pytest.approx(
        stats.skew(np.repeat(values, weights)), rel=1e-12
    )
    assert mean(np.full(7, 0.1)).skewness == 0  # whose mean is rounded


@pytest.mark.parametrize("skewness", [-2.0, 1e-9, 0.5, 6.0])
def test_limits_are_where_halls_transformation_reaches_the_quantile(skewness):
    n, g = 50, skewness / math.sqrt(50)
    low, high = Mean(3.0, 0.2, n, skewness=skewness).interval()
    for limit, quantile in ((low, stats.norm.isf(0.025)), (high, -stats.norm.isf(0.025))):
        t = (3.0 - limit) / 0.2
        transformed = t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6  # Hall (1992), t in units of se
        assert transformed == pytest.approx(quantile, abs=1e-7)


def test_limits_of_few_skew_losses_hold_the_truth(rng):
    """Half the square of a standard normal is ½ on average; symmetric limits hold it in 92 %."""
    held = 0
    for losses in 0.5 * rng.standard_normal((1000, 30)) ** 2:
        low, high = mean(losses).interval()
        held += low <= 0.5 <= high
    # Three binomial standard errors of 1,000 trials at .95, below which no .92 would stay.
    assert held / 1000 >= 0.95 - 3 * math.sqrt(0.0475 / 1000)


def test_a_nat_is_one_over_log_two_bits():
    assert bits(math.log(2)) == 1
    converted = Mean(math.log(2), 2 * math.log(2), 9).bits
    assert (converted.value, converted.se, converted.unit) == (1, 2, "bits per row")
    with pytest.raises(DataError, match="no value in bits"):
        _ = converted.bits


def test_paired_se_ignores_what_both_models_share(rng):
    first, second, shared = rng.normal(size=(3, 50))
    alone, together = mean(first - second), mean((first + shared) - (second + shared))
    assert together.se == pytest.approx(alone.se, rel=1e-12)
    assert mean(second - first).value == -alone.value


FIVE = np.array([1.2, -0.7, 0.4, 2.5, 0.1])


def test_five_numbers_have_their_known_difference():
    paired = mean(stats.laplace.logpdf(FIVE) - stats.norm.logpdf(FIVE))
    assert paired.value == pytest.approx(0.0807913526447, abs=1e-12)
    assert paired.se == pytest.approx(0.2042486230064, abs=1e-12)


def test_differences_do_not_change_under_maps_of_the_outcome():
    """Of y against log y, in either unit: the Jacobian is the same for both models."""
    y = np.exp(FIVE)
    of_y = stats.lognorm(1).logpdf(y) - stats.lognorm(2, scale=3).logpdf(y)
    of_log = stats.norm(0, 1).logpdf(FIVE) - stats.norm(np.log(3), 2).logpdf(FIVE)
    in_cents = (stats.lognorm(1, scale=100).logpdf(100 * y)
                - stats.lognorm(2, scale=300).logpdf(100 * y))  # fmt: skip
    for other in (of_log, in_cents):
        assert mean(other).value == pytest.approx(mean(of_y).value, rel=1e-12)
        assert mean(other).se == pytest.approx(mean(of_y).se, rel=1e-12)


def test_three_rivals_at_95_percent_need_2_394():
    assert simultaneous_z(3) == pytest.approx(2.394, abs=5e-4)  # published Bonferroni quantile
    assert simultaneous_z(1) == pytest.approx(1.960, abs=5e-4)


def test_unequal_groups_count_for_fewer():
    assert effective_units([0, 0, 1, 1, 2, 2]) == 3
    assert effective_units([0, 0, 0, 1]) == 1.6


# Entropies: values from two implementations each, 14 digits


ENTROPIES = [
    information.entropy_plugin,
    information.entropy_miller_madow,
    information.entropy_jackknife,
    information.entropy_grassberger,
    information.entropy_chao_shen,
    information.entropy_chao_wang_jost,
]


@pytest.mark.parametrize(
    ("counts", "values"),
    [
        ([5, 3, 2], [1.0296530140646, 1.1296530140646, 1.1497020513797,
                     1.2396146051222, 1.0792110896797, 1.1373015873016]),
        ([4, 2, 2, 1, 1], [1.4708084763221, 1.6708084763221, 1.7965757580764,
                           1.7062812717889, 1.7977048272410, 1.7632005982642]),
        ([10, 7, 3, 1, 1, 1], [1.3988394837843, 1.5075351359582, 1.5772319294471,
                               1.6574788695342, 1.6151699967458, 1.5955679181231]),
        ([0, 5, 3, 0, 2], [1.0296530140646, 1.1296530140646, 1.1497020513797,
                           1.2396146051222, 1.0792110896797, 1.1373015873016]),
    ],
)  # fmt: skip
def test_discrete_entropies_match_reference_values(counts, values):
    assert [entropy(counts) for entropy in ENTROPIES] == pytest.approx(values, abs=1e-13)


@pytest.mark.parametrize("entropy", ENTROPIES)
def test_one_category_has_no_entropy_by_any_estimate_but_grassbergers(entropy):
    if entropy is not information.entropy_grassberger:
        assert entropy([1]) == 0
        assert entropy([7]) == pytest.approx(0, abs=1e-14)
    # Its bias falls with the count alone.
    assert abs(entropy([1000])) < 1e-3


def test_the_jackknife_is_its_definition():
    counts, n = np.array([6, 3, 1, 1]), 11
    without = [entropy_plugin(counts - np.eye(4, dtype=int)[j]) for j in range(4)]
    expected = n * entropy_plugin(counts) - (n - 1) * (counts / n) @ without
    assert information.entropy_jackknife(counts) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("method", ["vasicek", "van es"])
def test_scipys_spacings_are_those_of_the_reference(method):
    """The display of a continuous entropy may also be SciPy's: its formula has not changed."""
    value = {"vasicek": 0.5182208966988, "van es": 1.1400880899215}[method]
    found = stats.differential_entropy(X, window_length=2, method=method)
    assert found == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("singletons", [1, 2, 40, 400])
@pytest.mark.parametrize("doubletons", [0, 1, 30])
def test_chao_wang_jost_is_its_published_formula(singletons, doubletons):
    """The textbook form is usable while (1-A)^(1-n) neither overflows nor cancels."""
    c = np.repeat([1.0, 2.0, 5.0], [singletons, doubletons, 4])
    n = c.sum()
    if doubletons:
        missing = 2 * doubletons / ((n - 1) * singletons + 2 * doubletons)
    else:
        missing = 2 / ((n - 1) * (singletons - 1) + 2)
    seen = sum(x / n * sum(1 / k for k in range(int(x), int(n))) for x in c)
    unseen = 0.0
    if missing < 1:
        r = np.arange(n, n + 60 / missing)
        unseen = singletons / n * np.sum((1 - missing) ** (r - n + 1) / r)
    # The direct sum is cut where its terms are exp(-60) of the first.
    assert entropy_chao_wang_jost(c) == pytest.approx(seen + unseen, rel=1e-11)


def test_chao_wang_jost_does_not_overflow():
    assert 11 < entropy_chao_wang_jost(np.ones(100_000)) < 30  # above log n
    assert entropy_chao_wang_jost([1]) == 0


@pytest.mark.parametrize(("k", "value"), [(1, 1.7804551178531), (3, 1.1920524461742)])
def test_nearest_neighbour_entropy_matches_reference_values(k, value):
    assert entropy_nearest_neighbour(X, k) == pytest.approx(value, abs=1e-12)


def test_entropy_refuses_what_has_none():
    with pytest.raises(DataError, match="values are equal"):
        entropy_nearest_neighbour(np.zeros(9))
    with pytest.raises(DataError, match="k = 3 neighbours"):
        entropy_nearest_neighbour([1.0, 2.0, 3.0])
    for counts in ([1, -1], [0.5], [0, 0], []):
        with pytest.raises(DataError, match="whole numbers"):
            entropy_plugin(counts)


# KL of discrete outcomes: exact values of p ‖ q from 40-digit sums

EXACT = {
    "Bernoulli": ([0.3, 0.7], [0.35, 0.65], 0.610864302054893, 0.616494678614321),
    "Categorical": ([0.5, 0.3, 0.2], [0.2, 0.3, 0.5], 1.02965301406457, 1.30454023362682),
    "Binomial": (
        stats.binom.pmf(range(11), 10, 0.3),
        stats.binom.pmf(range(11), 10, 0.35),
        1.77907878409006,
        1.83538254968434,
    ),
    "Poisson": (
        stats.poisson.pmf(range(80), 4),
        stats.poisson.pmf(range(80), 3),
        2.08667269988096,
        2.23740098968809,
    ),
    "Geometric": (
        stats.geom.pmf(range(1, 200), 0.2),
        stats.geom.pmf(range(1, 200), 0.25),
        2.50201211769094,
        2.53702265092701,
    ),
}


@pytest.mark.parametrize("case", EXACT)
def test_kl_is_that_of_the_truth_when_the_sample_is_exact(case):
    """10¹² rows in exactly the truth's proportions leave only rounding of the counts."""
    p, q, entropy, cross_entropy = EXACT[case]
    counts = np.round(1e12 * np.asarray(p))
    listed = counts > 0
    result = kl_discrete(counts, q)
    # Each probability is rounded by at most .5e-12, weighted by its log ratio, in < 200 terms.
    assert result.mean.value == pytest.approx(cross_entropy - entropy, abs=1e-9)
    assert entropy_chao_wang_jost(counts[listed]) == pytest.approx(entropy, abs=1e-9)
    assert result.label == "KL"


def test_cross_entropy_is_entropy_plus_kl():
    counts, q = np.array([50.0, 30, 20, 7]), np.array([0.3, 0.3, 0.3, 0.1])
    p = counts / counts.sum()
    cross_entropy = -(p * np.log(q)).sum()
    result = kl_discrete(counts, q)
    assert result.mean.value == pytest.approx(
        cross_entropy - entropy_chao_wang_jost(counts), rel=1e-12
    )
    # All counts above 1: no unseen part, so the plug-in KL is the G statistic over 2m.
    g = stats.power_divergence(counts, q * counts.sum(), lambda_="log-likelihood")
    assert cross_entropy - entropy_plugin(counts) == pytest.approx(
        g.statistic / (2 * counts.sum()), rel=1e-12
    )
    assert result.p_value == pytest.approx(g.pvalue, rel=1e-10)


def test_kl_of_the_frequencies_themselves_is_half_the_g_statistic_a_row():
    counts, q = np.array([50.0, 0, 20, 7]), np.array([0.5, 0.1, 0.25, 0.15])
    found = kl_plugin(counts, q)
    assert found == pytest.approx(stats.entropy(counts / counts.sum(), q), rel=1e-13)
    g, _ = stats.power_divergence(counts, counts.sum() * q, lambda_="log-likelihood")
    assert found == pytest.approx(g / (2 * counts.sum()), rel=1e-13)
    cross_entropy = -(counts @ np.log(q)) / counts.sum()
    assert cross_entropy == pytest.approx(entropy_plugin(counts) + found, rel=1e-13)
    assert kl_plugin([1, 2], [0.0, 1.0]) == np.inf
    with pytest.raises(DataError, match="2 counts but 3 probabilities"):
        kl_plugin([1, 2], [0.3, 0.3, 0.3])


def test_kl_se_is_the_hand_formula():
    counts, q = np.array([60.0, 40.0]), np.array([0.5, 0.5])
    ratios = np.log([1.2, 0.8])
    variance = 0.24 * (ratios[0] - ratios[1]) ** 2  # of a two-point variable
    expected = math.sqrt(variance / 100 + 1 / (2 * 100**2))
    assert kl_discrete(counts, q).mean.se == pytest.approx(expected, rel=1e-13)


def test_a_perfect_discrete_model_is_below_the_floor_in_19_of_20_samples(rng):
    q = np.array([0.4, 0.3, 0.2, 0.1])
    results = [kl_discrete(c, q) for c in rng.multinomial(500, q, size=400)]
    # Four binomial standard errors of 400 trials at .05; the mean within four of its own.
    assert np.mean([r.resolved for r in results]) == pytest.approx(0.05, abs=0.044)
    values = np.array([r.mean.value for r in results])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(400)
    assert np.mean([r.p_value < 0.05 for r in results]) == pytest.approx(0.05, abs=0.044)


def test_an_impossible_category_makes_kl_infinite_and_is_named():
    result = kl_discrete([5, 1, 4], [0.5, 0, 0.5], labels=["car", "train", "bus"])
    assert result.mean.value == math.inf
    assert result.reason.endswith("observed: train")


def test_kl_is_withheld_where_most_rows_are_alone_in_their_category():
    result = kl_discrete(np.append(np.ones(40), 60), np.full(41, 1 / 41))
    assert math.isnan(result.mean.value)
    assert "40% of the rows" in result.reason
    assert not result.resolved


def test_rare_categories_share_one_cell_of_the_test():
    # Expected 50, 40, 4, 3, 3: the last three are pooled to 10.
    result = kl_discrete([45, 40, 9, 3, 3], [0.5, 0.4, 0.04, 0.03, 0.03])
    pooled = stats.power_divergence([45, 40, 15], [50, 40, 10], lambda_="log-likelihood")
    assert result.p_value == pytest.approx(pooled.pvalue, rel=1e-10)


def test_a_test_without_cells_says_so():
    result = kl_discrete([3, 1], [0.6, 0.4])
    assert result.p_value is None
    assert "fewer than two categories" in result.reason


def test_probabilities_above_one_are_refused():
    with pytest.raises(DataError, match=r"sum to 1\.2"):
        kl_discrete([3, 3], [0.6, 0.6])
    with pytest.raises(DataError, match="2 counts but 3 probabilities"):
        kl_discrete([3, 3], [0.3, 0.3, 0.3])


# Calibration


def test_randomised_pit_of_a_right_count_model_is_uniform(rng):
    y = rng.poisson(1.5, 2000)
    u = probability_integral_transform(
        stats.poisson.cdf(y - 1, 1.5), stats.poisson.cdf(y, 1.5), rng
    )
    assert stats.kstest(u, "uniform").pvalue > 1e-4


def test_normal_scores_of_a_normal_are_the_values_far_into_both_tails(rng):
    y = np.array([-37.0, -9.0, -1.0, 0.0, 2.0, 8.5, 37.0, 1000.0])
    assert scores(stats.norm(), y, rng) == pytest.approx(y, rel=1e-9, abs=1e-12)


def test_normal_scores_are_those_of_the_randomised_pit():
    y = np.array([0, 1, 2, 5])
    model = stats.poisson(1.5)
    z = scores(model, y, np.random.default_rng(4))
    assert (stats.norm.cdf(z) > model.cdf(y - 1)).all()
    assert (stats.norm.cdf(z) < model.cdf(y)).all()


def test_normal_scores_beyond_the_smallest_number_are_infinite(rng):
    z = scores(stats.poisson(1.0), np.array([100, 10**6]), rng)
    assert 20 < z[0] < 38  # P(Y >= 100) is about 1e-158
    assert z[1] == np.inf


@pytest.mark.parametrize(
    ("n", "centre", "spread"),
    [(50, 0.0203, 0.0447), (200, 0.0038, 0.0187), (1000, 0.0005, 0.0081), (10000, 0.0, 0.0025)],
)
def test_null_law_matches_an_independent_simulation(n, centre, spread):
    null = null_estimates(n)
    # The table is itself simulated and rounded: 5 standard errors of the mean, 10 % of the spread.
    assert null.mean() == pytest.approx(centre, abs=5 * spread / math.sqrt(REPLICATES) + 5e-5)
    assert null.std() == pytest.approx(spread, rel=0.1)


def test_p_values_of_perfect_models_are_uniform(rng):
    samples = rng.standard_normal((200, 60))
    p = [calibration_divergence(z).p_value for z in samples]
    # Against the law that defines them: the same formula for a fresh draw of the null itself.
    null = null_estimates(60)
    own = [(1 + np.sum(null >= draw)) / (1 + null.size) for draw in null]
    assert stats.ks_2samp(p, own).pvalue > 1e-3


@pytest.mark.parametrize("n", [60, 500])
def test_perfect_models_have_no_divergence_on_average(n, rng):
    values = [calibration_divergence(z).mean.value for z in rng.standard_normal((200, n))]
    assert abs(np.mean(values)) < 3 * null_estimates(n).std() / math.sqrt(200)


@pytest.mark.parametrize(
    ("draw", "model", "truth"),
    [
        (stats.norm(), stats.norm(0.5, 1.5), 0.183242885885942),
        (stats.t(5), stats.norm(0, math.sqrt(5 / 3)), 0.0468486726732721),
        (stats.gamma(2), stats.norm(2, math.sqrt(2)), 0.188296458583113),
        (stats.poisson(4), stats.poisson(3), 0.150728289807124),
        (stats.nbinom(2, 2 / 12), stats.poisson(10), 1.44176487333654),
    ],
)
def test_divergence_of_known_models_is_found(draw, model, truth, rng):
    y = draw.rvs(3000, random_state=rng)
    result = calibration_divergence(scores(model, y, rng), label="KL")
    assert result.mean.value == pytest.approx(truth, abs=4 * result.mean.se)
    assert result.mean.se < 0.25 * truth + 0.01
    assert result.resolved
    assert result.p_value == pytest.approx(1 / (1 + REPLICATES))


def test_divergence_does_not_depend_on_the_order_of_rows(rng):
    z = 1.3 * rng.standard_normal(200)
    groups = rng.integers(0, 120, 200)
    order = rng.permutation(200)
    first = calibration_divergence(z, groups=groups).mean
    second = calibration_divergence(z[order], groups=groups[order]).mean
    assert (first.value, first.se) == pytest.approx((second.value, second.se), rel=1e-12)


def test_ties_are_refused(rng):
    with pytest.raises(DataError, match=r"\d+ of 500 normal scores repeat another"):
        calibration_divergence(np.round(rng.standard_normal(500), 2))


def test_grouped_rows_get_no_p_value_and_the_floor_of_their_groups(rng):
    groups = np.repeat(np.arange(100), 4)
    z = 0.5**0.5 * (rng.standard_normal(100)[groups] + rng.standard_normal(400))
    result = calibration_divergence(z, groups=groups)
    assert result.p_value is None
    assert "not independent" in result.reason
    assert result.mean.clusters == 100
    assert result.floor == calibration_divergence(z[:100]).floor


@pytest.mark.parametrize("correlation", [0.3, 0.7])
def test_the_floor_of_grouped_rows_is_conservative(correlation, rng):
    groups = np.repeat(np.arange(100), 4)
    shared, own = rng.standard_normal((150, 100))[:, groups], rng.standard_normal((150, 400))
    z = math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * own
    results = [calibration_divergence(sample, groups=groups) for sample in z]
    assert np.mean([r.resolved for r in results]) <= 0.05
    assert np.std([r.mean.value for r in results]) < null_estimates(100).std()


def test_impossible_rows_and_few_rows_are_told(rng):
    z = rng.standard_normal(100)
    impossible = calibration_divergence(np.append(z, [np.inf, np.inf]))
    assert impossible.mean.value == math.inf
    assert impossible.reason.startswith("2 of 102 rows")
    few = calibration_divergence(z[:49])
    assert math.isnan(few.mean.value)
    assert "fewer than the 50" in few.reason
    assert "49 independent" in few.reason
    with pytest.raises(DataError, match="NaN"):
        calibration_divergence([0.0, math.nan])


def test_pit_histogram_is_the_g_statistic_less_its_expectation(rng):
    u = rng.beta(2, 2, 400)
    observed = np.histogram(u, 20, (0, 1))[0]
    g = stats.power_divergence(observed, lambda_="log-likelihood")
    result = pit_histogram_divergence(u)
    assert result.mean.value == pytest.approx((g.statistic - 19) / 800, rel=1e-10)
    assert result.p_value == pytest.approx(g.pvalue, rel=1e-8)
    assert result.floor == pytest.approx((30.144 - 19) / 800, abs=1e-6)  # published chi-squared
    assert "lower bound" in result.label


def test_pit_histogram_of_grouped_rows_has_no_p_value(rng):
    result = pit_histogram_divergence(rng.random(300), groups=np.repeat(np.arange(100), 3))
    assert result.p_value is None
    assert result.floor == pytest.approx((30.144 - 19) / 200, abs=1e-5)
    with pytest.raises(DataError, match="between 0 and 1"):
        pit_histogram_divergence([0.5, 1.5])


def test_pit_histogram_sees_less_than_the_scores(rng):
    """Tails are hidden in the outer bins (data processing)."""
    y = stats.t(5).rvs(3000, random_state=rng)
    z = scores(stats.norm(0, math.sqrt(5 / 3)), y, rng)
    binned = pit_histogram_divergence(stats.norm.cdf(z)).mean
    assert binned.value + 2 * binned.se < calibration_divergence(z).mean.value


def test_pit_band_is_kolmogorovs_table():
    assert pit_band(20) == pytest.approx(0.294, abs=5e-4)  # published two-sided 5 % values
    assert pit_band(1000) == pytest.approx(1.358 / math.sqrt(1000), rel=0.01)
