"""The argument's identities, on its own numbers; what it expects is a closed form or SciPy's."""

import importlib
import sys
from pathlib import Path

import html5lib
import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from scipy import integrate, optimize, special, stats

import workbench as wb
from models import continuous
from tests.test_report import FLAGS, NARROW, WIDE, assert_anchors_resolve, opened, words
from workbench import information
from workbench.report import write_page

FOLDER = Path(__file__).parent.parent / "reports" / "likelihood-cross-entropy-kl"
EXACT = 1e-10  # relative: what every identity of the page is held to
SEARCHED = 1e-7  # minutes: a search by values alone ends where they differ by rounding, 1e-16


@pytest.fixture(scope="module")
def folder():
    """The study's own modules, as its script imports them."""
    names = ("simulate", "steps", "figures", "argument")
    sys.path.insert(0, str(FOLDER))
    try:
        yield {name: importlib.import_module(name) for name in names}
    finally:
        sys.path.remove(str(FOLDER))
        for name in names:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def steps(folder):
    return folder["steps"]


@pytest.fixture(scope="module")
def data(steps):
    return steps.waits()


@pytest.fixture(scope="module")
def normal(data):
    return wb.maximum_likelihood(wb.bind(continuous.normal, data.training))


@pytest.fixture(scope="module")
def counted(steps, data):
    return steps.counts_curves(data)


@pytest.fixture(scope="module")
def curved(steps, data, normal):
    return steps.continuous_curves(data, normal)


@pytest.fixture(scope="module")
def whole(data):
    return np.floor(data.minutes)


def test_the_stored_waits_are_those_of_the_script(folder):
    stored = pd.read_csv(FOLDER / "waits.csv")
    pd.testing.assert_frame_equal(stored, folder["simulate"].waits(), rtol=0, atol=1e-9)
    assert stored["minutes"].is_unique
    # Drawn from Gamma(2, 1), as the page says.
    assert stats.kstest(stored["minutes"], stats.gamma(2).cdf).pvalue > 0.01


# 1 The product and the sum


def test_the_product_is_lost_and_the_sum_is_the_closed_form(steps, data, normal):
    found = steps.product(normal)
    assert found.products == (0.0, np.inf)
    n, variance = data.minutes.size, data.minutes.var()
    closed = -n / 2 * (np.log(2 * np.pi * variance) + 1)
    assert found.in_minutes.sum() == pytest.approx(closed, rel=EXACT)
    assert found.in_hours.sum() == pytest.approx(closed + n * np.log(steps.HOUR), rel=EXACT)
    first = np.exp(found.in_minutes[:5])
    assert -np.log(first.prod()) == pytest.approx(-found.in_minutes[:5].sum(), rel=EXACT)


# 2 An average is an estimate


def test_the_fitted_theta_is_too_good_on_its_rows_and_worse_under_the_truth(steps, data, normal):
    best = steps.closest_to_truth("Normal")
    np.testing.assert_allclose(best.params, [2, np.sqrt(2)], rtol=EXACT)
    found = steps.averages(data, normal, best)
    assert found["fitted"].training.value < found["best"].training.value
    assert found["fitted"].exact > found["best"].exact
    for one, (mean, sigma) in (("best", (2, np.sqrt(2))), ("fitted", normal.params)):
        closed = 0.5 * np.log(2 * np.pi * sigma**2) + (2 + (2 - mean) ** 2) / (2 * sigma**2)
        assert found[one].exact == pytest.approx(closed, rel=EXACT)


# 3 Counts


def test_cross_entropy_is_minus_log_likelihood_over_n(counted, whole):
    log_likelihood = [stats.poisson(mu).logpmf(whole).sum() for mu in counted.over]
    np.testing.assert_allclose(counted.log_likelihood, log_likelihood, rtol=EXACT)
    np.testing.assert_allclose(counted.cross_entropy, -counted.log_likelihood / whole.size,
                               rtol=EXACT)  # fmt: skip


def test_cross_entropy_of_counts_is_entropy_plus_kl(counted, whole):
    shares = np.bincount(whole.astype(int)) / whole.size
    assert counted.entropy == pytest.approx(stats.entropy(shares), rel=EXACT)
    total = counted.entropy + counted.divergences["KL"]
    np.testing.assert_allclose(counted.cross_entropy, total, rtol=EXACT)


def test_three_searches_over_counts_end_at_the_mean(counted, whole):
    assert counted.best["log L"] == pytest.approx(whole.mean(), rel=EXACT)
    for name in ("CE", "KL"):
        assert counted.best[name] == pytest.approx(whole.mean(), abs=SEARCHED)
    at = counted.at_best
    assert at["log_likelihood"] == counted.log_likelihood.max()
    assert at["cross_entropy"] == pytest.approx(counted.entropy + at["divergence"], rel=EXACT)


# 4 Continuous outcomes


def test_the_continuous_curves_are_the_closed_form_with_its_minimum(curved, data):
    variance = data.minutes.var()
    closed = 0.5 * np.log(2 * np.pi * curved.over**2) + variance / (2 * curved.over**2)
    np.testing.assert_allclose(curved.cross_entropy, closed, rtol=EXACT)
    assert curved.best["log L"] == pytest.approx(np.sqrt(variance), rel=EXACT)
    assert curved.best["CE"] == pytest.approx(np.sqrt(variance), abs=SEARCHED)


def test_kl_in_finer_cells_rises_without_end_and_its_differences_converge(steps, data, normal):
    mean, sigma = normal.params
    near, far = stats.norm(mean, sigma), stats.norm(mean, 1.5 * sigma)
    levels = [steps.in_cells(data.minutes, width, near) for width in steps.CELLS]
    assert all(np.diff(levels) > 0)
    # Alone in its cell of width w, a row has the share 1/n and the probability q w; the densities
    # bend so little within a cell of 1e-6 minutes that a millionth of a nat is left.
    n, width = data.minutes.size, steps.CELLS[-1]
    cross_entropy = -near.logpdf(data.minutes).mean()
    assert levels[-1] == pytest.approx(cross_entropy - np.log(n * width), abs=1e-6)
    apart = steps.in_cells(data.minutes, width, far) - levels[-1]
    assert apart == pytest.approx(-far.logpdf(data.minutes).mean() - cross_entropy, abs=1e-6)


def test_seen_in_cells_a_truth_is_no_further_than_it_is(steps):
    q = stats.norm(2, np.sqrt(2))
    found = []
    for width in (4.0, 2.0, 1.0, 0.5, 0.25):  # each cell is two of the next
        edges = np.append(np.arange(0, 13, width), np.inf)
        p_in, q_in = np.diff(stats.gamma(2).cdf(edges)), np.diff(q.cdf(edges))
        seen = p_in > 0  # what is beyond, rounding has made 0
        found.append(special.rel_entr(p_in[seen], q_in[seen]).sum())
    assert all(np.diff(found) > 0)
    assert found[-1] < information.known_divergence(stats.gamma(2), q).divergence


# 5 Densities in the place of the rows


@pytest.fixture(scope="module")
def smoothed(steps, normal, curved):
    return steps.smooth(normal, curved.over)


def test_the_kernel_adds_its_variance_exactly(smoothed, data):
    variance = data.minutes.var()
    for one in smoothed:
        assert one.sigma**2 == pytest.approx(variance + one.bandwidth**2, rel=EXACT)
        closed = 0.5 * np.log(2 * np.pi * one.sigma**2) + 0.5
        assert one.cross_entropy == pytest.approx(closed, rel=EXACT)


def test_the_curves_over_sigma_are_cross_entropy_less_the_entropy_of_the_kernel(
    smoothed, curved, data
):
    for one in smoothed:
        variance = data.minutes.var() + one.bandwidth**2
        closed = 0.5 * np.log(2 * np.pi * curved.over**2) + variance / (2 * curved.over**2)
        np.testing.assert_allclose(one.curve + one.entropy, closed, rtol=EXACT)
        assert (one.curve >= one.divergence * (1 - EXACT)).all()


def test_the_level_rises_as_the_bandwidth_shrinks_and_keeps_above_its_bound(smoothed, data):
    levels = [one.divergence for one in smoothed]
    assert [one.bandwidth for one in smoothed] == sorted(
        (one.bandwidth for one in smoothed), reverse=True
    )
    assert all(np.diff(levels) > 0)
    for one in smoothed:
        most = np.log(data.minutes.size) + 0.5 * np.log(2 * np.pi * np.e * one.bandwidth**2)
        assert one.entropy < most


def test_a_histogram_by_probabilities_is_the_least_kl_in_cells(steps, data, normal):
    for one in steps.binned(normal):
        cells = np.floor(data.minutes / one.width)
        middles = (cells + 0.5) * one.width
        assert one.by_density**2 == pytest.approx(middles.var(), rel=EXACT)

        def in_cells(at, width=one.width):
            return steps.in_cells(data.minutes, width, stats.norm(at[0], np.exp(at[1])))

        least = optimize.minimize(in_cells, [2.0, np.log(1.5)], method="Nelder-Mead",
                                  options={"xatol": 1e-9, "fatol": 1e-15})  # fmt: skip
        assert one.by_probability == pytest.approx(np.exp(least.x[1]), abs=SEARCHED)
        assert one.divergence == pytest.approx(least.fun, rel=EXACT)


def test_bars_add_a_twelfth_of_the_squared_width_on_average_over_their_origins(data):
    width, origins = 1.0, 4000
    squares = []
    for origin in np.arange(origins) / origins * width:
        middles = (np.floor((data.minutes - origin) / width) + 0.5) * width + origin
        squares.append(np.mean((middles - data.minutes.mean()) ** 2))
    # The origins stand for all of them but for a step of 1/4000 at each row's own cell edge.
    expected = data.minutes.var() + width**2 / 12
    assert np.mean(squares) == pytest.approx(expected, abs=width / origins)


# 6 A known truth


@pytest.fixture(scope="module")
def distances(steps, data):
    return steps.distances(data)


def test_known_distances_are_the_closed_forms(distances):
    mean_log, variance_log = special.psi(2), special.polygamma(1, 2)  # of log x under Gamma(2, 1)
    entropy = 1 + np.euler_gamma
    params = {name: one.params.to_numpy() for name, one in distances.items()}
    beta, alpha = params["Gamma"]
    rate = alpha / np.exp(beta)
    mu, sigma = params["Log-normal"]
    closed = {
        "Gamma": special.gammaln(alpha) - alpha * np.log(rate) - (alpha - 1) * mean_log + 2 * rate,
        "Log-normal": mean_log + 0.5 * np.log(2 * np.pi * sigma**2)
        + (variance_log + (mean_log - mu) ** 2) / (2 * sigma**2),
        "Exponential": params["Exponential"][0] + 2 / np.exp(params["Exponential"][0]),
    }  # fmt: skip
    mean, sigma = params["Normal"]
    closed["Normal"] = 0.5 * np.log(2 * np.pi * sigma**2) + (2 + (2 - mean) ** 2) / (2 * sigma**2)
    for name, one in distances.items():
        assert one.known.entropy == pytest.approx(entropy, rel=EXACT)
        assert one.known.cross_entropy == pytest.approx(closed[name], rel=EXACT)
        assert one.known.divergence == pytest.approx(closed[name] - entropy, rel=EXACT)


def test_the_estimates_are_means_of_losses_near_what_they_estimate(steps, data, distances):
    minutes = data.heldout["y"].values
    for name, one in distances.items():
        losses = -steps.SCIPY[name](*one.params).logpdf(minutes)
        assert one.heldout.value == pytest.approx(losses.mean(), rel=EXACT)
        assert one.less_entropy.value == pytest.approx(losses.mean() - 1 - np.euler_gamma, abs=1e-9)
        paired = losses + stats.gamma(2).logpdf(minutes)
        assert one.against_truth.value == pytest.approx(paired.mean(), rel=1e-8)  # of a difference
        assert one.against_truth.se < one.heldout.se
        assert one.calibration.label == "KL"
        for estimate in (one.less_entropy, one.against_truth, one.calibration.mean):
            assert abs(estimate.value - one.known.divergence) < 3 * estimate.se


# 7 A prior


def test_the_prior_is_in_the_objective_and_not_in_the_cross_entropy(steps, data, whole):
    shape, rate = 2 * steps.EXPECTED, 2.0
    for one in steps.priors(data):
        first = whole[: one.count]
        mle, map_ = first.mean(), (first.sum() + shape - 1) / (one.count + rate)
        np.testing.assert_allclose(one.estimates, [mle, map_], rtol=EXACT)
        losses = [-stats.poisson(mu).logpmf(first).mean() for mu in (mle, map_)]
        np.testing.assert_allclose(one.training, losses, rtol=EXACT)
        assert one.training[0] < one.training[1]
        prior = -stats.gamma(shape, scale=1 / rate).logpdf(one.over) / one.count
        ce, part, both = one.curves.values()
        np.testing.assert_allclose(part, prior, rtol=EXACT, atol=1e-13)  # it is a difference
        np.testing.assert_allclose(both, ce + part, rtol=EXACT)
        out = np.floor(data.heldout["y"].values)
        for mu, mean in zip((mle, map_), one.heldout, strict=True):
            assert mean.value == pytest.approx(-stats.poisson(mu).logpmf(out).mean(), rel=EXACT)
        gain = one.heldout[0].value - one.heldout[1].value
        assert one.worth.value == pytest.approx(gain, abs=1e-14)


# 8 Forward and reverse


def test_forward_covers_and_reverse_seeks(steps):
    found = steps.approximations()
    forward, left, right = (found[name] for name in
                            ("forward", "reverse, left", "reverse, right"))  # fmt: skip
    assert (forward.mean, forward.sigma**2) == (pytest.approx(0.5, rel=EXACT),
                                                pytest.approx(6.875, rel=EXACT))  # fmt: skip
    assert forward.forward == pytest.approx(0.618691314935152, rel=EXACT)  # case 21 of the theory
    assert max(left.reverse, right.reverse) < forward.reverse
    assert forward.forward < min(left.forward, right.forward)
    for one, mode in ((left, -2.0), (right, 3.0)):
        assert one.mean == pytest.approx(mode, abs=0.05)
        assert one.reverse < np.log(2)
    for one in found.values():
        q = stats.norm(one.mean, one.sigma)

        def integrand(x, q=q):
            p = 0.5 * (stats.norm.pdf(x, -2, 1) + stats.norm.pdf(x, 3, 0.5))
            return q.pdf(x) * (q.logpdf(x) - np.log(p))

        ends = one.mean + one.sigma * np.array([-9, 9])
        theirs = integrate.quad(integrand, *ends, epsabs=1e-12, limit=200)[0]
        assert one.reverse == pytest.approx(theirs, rel=EXACT)


# 9 A wrong family


@pytest.mark.parametrize(("name", "least", "trace"), [("Normal", 0.188296458583113, 3.5),
                                                      ("Gamma", 0.0, 2.0)])  # fmt: skip
def test_what_a_family_cannot_express_and_its_trace_are_known(steps, name, least, trace):
    best = steps.closest_to_truth(name)
    found = information.known_divergence(steps.TRUTH, steps.SCIPY[name](*best.params)).divergence
    assert found == pytest.approx(least, rel=EXACT, abs=1e-13)
    assert best.effective_parameters == pytest.approx(trace, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Normal", "Gamma"])
def test_fits_learn_at_the_rate_of_their_trace(steps, name):
    found = steps.learning(name, replicates=60)
    values = np.array([one.value for one in found.divergences])
    errors = np.array([one.se for one in found.divergences])
    assert (values > found.least).all()
    # The next order of the expansion is about the square of the first; 3 standard errors besides.
    first = found.expected(found.sizes) - found.least
    assert (np.abs(values - found.least - first) < 3 * errors + 4 * first**2).all()


# The page


@pytest.fixture(scope="module")
def page_file(folder, steps, tmp_path_factory):
    """The whole argument, with fewer samples in its last step."""
    few = pytest.MonkeyPatch()
    learning = steps.learning
    few.setattr(steps, "learning", lambda name: learning(name, replicates=3))
    told = {name: value for part in folder["argument"].argument() for name, value in part.items()}
    few.undo()
    page = tmp_path_factory.mktemp("argument") / "argument.html"
    return write_page(FOLDER / "argument.html", page, **told)


@pytest.mark.slow
def test_the_page_says_the_computed_numbers(page_file, counted, smoothed, distances):
    said = words(page_file.read_text(encoding="utf-8"))
    assert f"μ = {counted.best['log L']:.3f}" in said
    assert f"H is {counted.entropy:.6f} nats" in said
    assert f"{smoothed[0].divergence:.3f} to {smoothed[-1].divergence:.3f} nats" in said
    assert f"for the fitted normal {distances['Normal'].known.divergence:.4f} nats" in said
    assert not {"nan", "None", "not known"} & set(said.split())


@pytest.mark.slow
def test_the_page_is_valid_and_complete(page_file):
    text = page_file.read_text(encoding="utf-8")
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    identifiers = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(identifiers) == len(set(identifiers))
    assert_anchors_resolve(tree)
    others = {element.get("href") for element in tree.iter("a")}
    assert {link for link in others if not link.startswith("#")} == {"index.html"}
    captions = [" ".join(found.itertext()) for found in tree.iter("figcaption")]
    assert len(captions) == 9
    assert all("Shows" in one and "Look for" in one and "Here" in one for one in captions)
    rows = tree.findall(".//table[@id='table-statements']/tbody/tr")
    codes = [row.find("th/small").text for row in rows]
    assert codes == [f"E{k}" for k in range(1, 10)] + [f"I{k}" for k in range(1, 11)]
    assert page_file.stat().st_size < 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", WIDE), ("dark", WIDE), ("light", NARROW)])
def test_everybody_can_read_the_page(chromium, page_file, scheme, width, tmp_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path, executable_path=chromium, args=FLAGS, headless=True
        )
        page, said = opened(browser, page_file, scheme, width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert said == []
        browser.close()
