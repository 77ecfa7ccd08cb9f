"""The page says what was found, in one file that is safe, stable, and opens anywhere."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import html5lib
import numpy as np
import pytest
import xarray as xr
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright
from scipy import stats

from tests.fixtures_report import NASTY, count_findings
from tests.marking import slow_but
from workbench import evaluation, information
from workbench.findings import (
    AtomsFound,
    DivergenceFound,
    DroppedFound,
    Findings,
    InfluentialFound,
    InformationLeftFound,
    LearningFound,
    LeftOutFound,
    PredictiveFound,
    Quantity,
    ReweightedFound,
)
from workbench.report import distance, headline, left_out, numbers, rankings, write_pages
from workbench.report.formulas import mathml
from workbench.report.pages import comparison_page

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync"]  # fmt: skip
WIDE, NARROW = 1200, 390
NEGATIVE = "Negative binomial"


@pytest.fixture(scope="module")
def findings() -> Findings:
    return count_findings()


@pytest.fixture(scope="module")
def page_file(findings, tmp_path_factory) -> Path:
    return write_pages(findings, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def page(page_file) -> str:
    return page_file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tree(page):
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)


def words(found: str) -> str:
    """What a reader sees."""
    parsed = html5lib.parse(found, namespaceHTMLElements=False)
    return " ".join(" ".join(parsed.find("body").itertext()).split())


def data_facts(findings: Findings, **data) -> dict[str, str]:
    """The data section by its headings, of the findings with these facts of the data."""
    told = findings.model_copy(update={"data": findings.data.model_copy(update=data)})
    parsed = html5lib.parse(comparison_page(told), namespaceHTMLElements=False)
    pairs = parsed.iterfind(".//section[@id='data']//dl/div")
    return {pair.find("dt").text: " ".join(pair.find("dd").text.split()) for pair in pairs}


def without(findings: Findings, *variables, **data) -> Findings:
    """The findings, less some of what is known of each held-out row."""
    trees = {
        name: xr.DataTree.from_dict(
            {"heldout": tree["heldout"].to_dataset().drop_vars(variables, errors="ignore")}
        )
        for name, tree in findings.trees.items()
    }
    data = findings.data.model_copy(update=data)
    return findings.model_copy(update={"trees": trees, "data": data})


def changed(findings: Findings, **ranking) -> Findings:
    return findings.model_copy(update={"ranking": findings.ranking.model_copy(update=ranking)})


# The numbers


@pytest.mark.parametrize(
    ("value", "se", "printed"),
    [
        (2.1234, 0.0146, "2.123 ± 0.015"),
        (-0.0042, 0.0061, "−0.0042 ± 0.0061"),
        (-0.0001, 0.012, "0.000 ± 0.012"),  # no minus sign on a zero
        (2.0, 0.0996, "2.00 ± 0.10"),  # the second digit is found after rounding
        (181.7, 23.4, "182 ± 23"),
        (12345.6, 1234.5, "12,300 ± 1,200"),
        (1.02e-8, 2e-9, "(1.02 ± 0.20) × 10⁻⁸"),
        (0.5, None, "0.5"),
        (0.5, 0.0, "0.5"),
        (0.5, float("nan"), "0.5"),
        (None, 0.1, "not known"),
        (float("inf"), None, "not known"),
    ],
)
def test_a_number_is_printed_to_the_second_digit_of_its_error(value, se, printed):
    assert numbers.plus_minus(value, se) == printed


def test_a_value_alone_keeps_the_digits_of_its_error():
    assert numbers.to_error(2.1234, 0.0146) == "2.123"
    assert numbers.to_error(1.02e-8, 2e-9) == "1.02 × 10⁻⁸"


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (0.0, "0"), (2.0, "2"), (-1234.5678, "−1,235"), (3.1e-8, "3.1 × 10⁻⁸"),
        (-9.99996e-5, "−0.0001"), (6.02214e23, "6.022 × 10²³"), (None, "not known"),
    ],
)  # fmt: skip
def test_a_number_without_an_error_is_printed_to_four_digits(value, printed):
    assert numbers.number(value) == printed


# The title and the words


def test_a_best_model_apart_from_all_rivals_is_said_to_predict_best(findings):
    assert all(one.separated for one in findings.ranking.contenders[1:])
    assert headline.title(findings).endswith(": Hurdle NB predicts best")


def test_rivals_within_reach_share_the_title(findings):
    best, second, *rest = findings.ranking.contenders
    close = changed(
        findings, contenders=(best, second.model_copy(update={"separated": False}), *rest)
    )
    assert headline.title(close).endswith(
        ": Hurdle NB and Negative binomial are not separated by these rows"
    )


def test_the_title_follows_the_rows():
    near = count_findings(rows=80, names=("Hurdle NB", "Negative binomial"), shift=0.02)
    assert headline.title(near).endswith("are not separated by these rows")


def test_left_out_rows_are_told_with_what_is_doubtful_of_them(findings):
    known = LeftOutFound(
        cross_entropy=Quantity(value=2.345, se=0.067, count=100, unit="nats per row"),
        refitted=3, advice="",
    )  # fmt: skip
    unknown = known.model_copy(update={"reason": "no leave-one-out: irregular"})
    doubtful = known.model_copy(update={"advice": "7 of 100 rows weigh so much"})
    fits = [
        fit.model_copy(update={"left_out": left_out})
        for fit, left_out in zip(findings.fits, (known, unknown, doubtful, None), strict=False)
    ]
    page = rankings.optimism_table(findings.model_copy(update={"fits": tuple(fits)}))
    place = [column.heading for column in page.columns].index("CE left out")
    shown = {row.cells[0].text: row.cells[place] for row in page.rows}
    assert (shown[fits[0].name].text, shown[fits[0].name].note) == ("2.345 ± 0.067",
                                                                   "3 fitted again")  # fmt: skip
    assert (shown[fits[1].name].text, shown[fits[1].name].note) == (
        "not known", "no leave-one-out: irregular",
    )  # fmt: skip
    assert shown[fits[2].name].note == "7 of 100 rows weigh so much"


def test_a_predictive_density_stands_beside_the_plug_in_with_its_gain(findings):
    assert not rankings.predictive_table(findings).rows  # many rows a parameter
    known = PredictiveFound(
        label="maximum likelihood",
        cross_entropy=Quantity(value=2.345, se=0.067, count=100, unit="nats per row"),
        gain=Quantity(value=0.0123, se=0.0034, count=100, unit="nats per row"),
        draws=400,
        monte_carlo=0.00051,
    )
    nothing = Quantity(value=None, se=None, count=0, unit="nats per row")
    unknown = PredictiveFound(label="MAP", cross_entropy=nothing, gain=nothing, draws=0,
                              monte_carlo=None, reason="no Laplace draws")  # fmt: skip
    fit = findings.fits[0]
    heldout = fit.heldout.model_copy(update={"predictive": (known, unknown)})
    told = findings.model_copy(update={"fits": (fit.model_copy(update={"heldout": heldout}),
                                                *findings.fits[1:])})  # fmt: skip
    tree = html5lib.parse(comparison_page(told), namespaceHTMLElements=False)
    rows = tree.find(".//table[@id='table-predictive']/tbody")
    shown = [[" ".join(" ".join(cell.itertext()).split()) for cell in row] for row in rows]
    share = numbers.number(fit.k / fit.training_rows, 2)
    assert shown == [
        [f"{fit.name} maximum likelihood", share, "2.345 ± 0.067", "0.0123 ± 0.0034", "0.0005"],
        [f"{fit.name} MAP", share, "not known no Laplace draws", "not known", "—"],
    ]


def test_the_priors_worth_is_a_paired_difference(findings, tree):
    told = row_of(tree, "table-chain", "Poisson")[-1]
    assert told == numbers.quantity(findings.fit("Poisson").heldout.prior_worth)
    assert "±" in told


def test_one_model_is_called_the_only_one(tmp_path):
    alone = count_findings(names=("Poisson",))
    assert headline.title(alone).endswith(": Poisson is the only model ranked")
    page = write_pages(alone, tmp_path).read_text(encoding="utf-8")
    assert "figure-difference" not in page
    assert "figure-pit" in page


@pytest.mark.parametrize("ranking", ["none", "empty"])
def test_nothing_ranked_is_said_and_drawn(findings, ranking, tmp_path):
    nothing = (
        findings.model_copy(update={"ranking": None})
        if ranking == "none"
        else changed(findings, contenders=())
    )
    page = write_pages(nothing, tmp_path).read_text(encoding="utf-8")
    assert "no model could be ranked" in words(page)
    assert_anchors_resolve(html5lib.parse(page, namespaceHTMLElements=False))


def test_the_lede_gives_value_error_unit_rows_and_what_it_is_compared_with(findings, page):
    best, second = findings.ranking.contenders[:2]
    said = words(page)
    assert f"{numbers.quantity(best.cross_entropy)} nats per row" in said
    assert f"Negative binomial by {numbers.quantity(second.above_best)}" in said
    assert f"on 1,000 held-out rows in {findings.data.heldout_groups} groups by person" in said
    assert f"exceeds {findings.ranking.limit:.2f} of its standard errors" in said


def test_unranked_and_failed_models_stay_visible_with_their_reasons(page):
    said = words(page)
    assert "Unidentified not ranked: its optimum is not regular" in said
    assert f"Tobit & co failed: no column '{NASTY}', did you mean 'mdvis'?" in said


def test_checks_that_fail_come_before_those_that_need_a_look_and_say_why(tree):
    table = tree.find(".//table[@id='table-fail-look']")
    outcomes = [cell.get("class") for cell in table.iter("span") if cell.get("class")]
    outcomes = [outcome for outcome in outcomes if outcome in ("fail", "look")]
    assert outcomes == sorted(outcomes)
    assert {"fail", "look"} <= set(outcomes)
    assert "budget more seconds" in " ".join(table.itertext())
    assert tree.find(".//details//table[@id='table-pass-na']") is not None


def of_all_fits(findings: Findings, **fit) -> Findings:
    fits = tuple(one.model_copy(update=fit) for one in findings.fits)
    return findings.model_copy(update={"fits": fits})


def row_of(tree, table: str, heading: str) -> list[str]:
    """The cells of the row with that heading."""
    rows = tree.find(f".//table[@id='{table}']/tbody").iter("tr")
    told = [[" ".join(" ".join(cell.itertext()).split()) for cell in row] for row in rows]
    return next(cells for cells in told if cells[0].startswith(heading))


def test_the_checks_tile_says_how_many_apply(findings):
    def note(*outcomes: str) -> str:
        check = findings.fits[0].checks[0]
        checks = tuple(check.model_copy(update={"outcome": outcome}) for outcome in outcomes)
        first = findings.fits[0].model_copy(update={"checks": checks})
        return headline.tiles(findings.model_copy(update={"fits": (first,), "ranking": None}))[
            1
        ].note

    assert note("pass", "look") == "none fails, all apply"
    assert note("pass", "n/a") == "none fails, 1 does not apply"
    assert note("fail", "n/a", "n/a") == "see which fail, 2 do not apply"
    assert note() == "no fit was checked"


def test_the_distance_of_an_aic_is_not_told_in_nats(tree, page):
    heading, *distances = row_of(tree, "table-statsmodels", "AIC")
    assert heading == "AIC 0.0002 units of AIC"
    assert "✓ 4.1 × 10⁻⁸" in distances
    assert "1 nat of log L is 2 units of AIC" in words(page)


def test_bounds_are_called_estimates(page):
    said = words(page)
    assert "Estimated lower bounds of the distance from the truth, as KL in nats per row: " in said
    assert "Room left, estimated lower bound" in said
    assert "Room left, at least" not in said


def test_the_floor_is_exact_for_independent_rows_only(findings, page):
    ungrouped = findings.data.model_copy(update={"group": None, "heldout_groups": None})
    alone = words(comparison_page(findings.model_copy(update={"data": ungrouped})))
    assert "exceeds by chance in 5 % of samples;" in alone
    assert "in about 5 % of samples or less, if rows of a group are not nearly equal;" in words(
        page
    )


def test_a_minimum_is_the_best_of_its_starts(tree):
    found = row_of(tree, "table-optimum", "Poisson")[1]
    assert found == "✓ a minimum: no better point from 2 starts"
    assert row_of(tree, "table-optimum", "Unidentified")[1] == "▲ not identified"


def test_a_map_that_ran_away_is_named_and_moves_nothing(findings):
    running = comparison_page(of_all_fits(findings, map_status="running away"))
    tree = html5lib.parse(running, namespaceHTMLElements=False)
    for heading in ("beta[lncoins]", "Largest shift by the prior"):
        assert all(
            "MAP: running away" in cell for cell in row_of(tree, "table-parameters", heading)[1:]
        )
    assert row_of(tree, "table-chain", "Poisson")[-1] == "running away"


def test_a_prior_that_moves_an_estimate_is_shown_in_standard_errors(findings, tree):
    moved = [one for one in findings.fit("Poisson").parameters if one.label == "beta[a$b$_c]"]
    shift = (moved[0].map_estimate - moved[0].estimate) / moved[0].se
    poisson = [fit.name for fit in findings.fits].index("Poisson") + 1
    told = f"MAP +{shift:.1f}"
    assert row_of(tree, "table-parameters", "beta[a$b$_c]")[poisson].endswith(told)


def test_only_what_differs_between_declarations_is_in_their_table(tree):
    table = tree.find(".//table[@id='table-declarations']")
    parts = [row.find("th").text for row in table.find("tbody").iter("tr")]
    differing = ("Definition", "In words", "Formula of zero", "Prior of alpha", "Prior of gamma")
    assert sorted(parts) == sorted(differing)


def test_a_held_parameter_is_told_among_the_declarations(findings):
    fits = tuple(
        fit.model_copy(update={"held": {"alpha": 1.0} if fit.name == NEGATIVE else {}})
        for fit in findings.fits
    )
    page = comparison_page(findings.model_copy(update={"fits": fits}))
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    cells = row_of(tree, "table-declarations", "Held: alpha")
    assert cells.count("at 1") == 1
    places = [place for place, fit in enumerate(findings.fits, 1) if fit.name == NEGATIVE]
    shown = row_of(tree, "table-parameters", "alpha")
    assert [shown[place].endswith("held") for place in places] == [True]


def test_the_page_claims_no_significance(page):
    assert not re.search(r"signific|substantial|p\s*[<=]\s*\.?0|\*\*", words(page))


def test_every_figure_shows_looks_and_computes(tree):
    captions = [" ".join(found.itertext()) for found in tree.iter("figcaption")]
    assert len(captions) == 8
    assert all("Shows" in one and "Look for" in one and "Here" in one for one in captions)


def here(tree, identifier: str) -> str:
    """The computed part of a figure's words."""
    caption = tree.find(f".//figure[@id='{identifier}']/figcaption")
    return " ".join("".join(caption.itertext()).partition("Here ")[2].split())


def test_what_leaves_the_band_is_what_kolmogorovs_test_refuses(findings, tree):
    outside, _, inside = here(tree, "figure-pit").partition(";")
    for one in findings.ranking.contenders:
        rows = findings.trees[one.name]["heldout"]
        sizes = np.unique(rows["group"].values, return_counts=True)[1]
        units = int(sizes.sum() ** 2 / (sizes**2).sum())  # Kish
        distance = stats.kstest(rows["pit"].values, "uniform").statistic
        refused = stats.kstwo.sf(distance, units) < 0.05
        told = f"{one.name} ({distance:.2g})"
        assert told in (outside if refused else inside)


def test_a_kl_above_its_floor_inside_the_band_is_explained(findings):
    one = findings.fit("Hurdle NB")
    found = one.heldout.divergence
    assert found.estimate.value < found.floor  # nothing to explain yet

    def said(name: str) -> str:
        low = found.model_copy(update={"floor": found.estimate.value - 1})
        above = one.heldout.model_copy(update={"divergence": low})
        fits = [fit if fit.name != name else fit.model_copy(update={"heldout": above})
                for fit in findings.fits]  # fmt: skip
        page = comparison_page(findings.model_copy(update={"fits": tuple(fits)}))
        return here(html5lib.parse(page, namespaceHTMLElements=False), "figure-pit")

    assert "Hurdle NB stands above the floor of the calibration KL is no contradiction" in said(
        "Hurdle NB"
    )
    assert f"KL averages {evaluation.RANDOMISATIONS} randomisations" in said("Hurdle NB")
    assert "contradiction" not in said("Poisson")  # it leaves the band
    assert "contradiction" not in said("nobody")


def test_coverage_off_by_more_than_two_errors_is_told(findings, tree):
    said = here(tree, "figure-coverage")
    for one in findings.ranking.contenders:
        rows = findings.trees[one.name]["heldout"]
        told = " ".join(part for part in said.split("; ") if part.startswith(f"{one.name} has"))
        for level in (50, 80, 95):
            inside = np.abs(rows["pit"].values - 0.5) < level / 200
            # by group, as statsmodels' cluster-robust mean, with G / (G - 1)
            sums = np.bincount(rows["group"].values, inside - inside.mean())
            groups = len(np.unique(rows["group"].values))
            error = np.sqrt(groups / (groups - 1) * (sums**2).sum()) / len(inside)
            error = max(error, np.sqrt(level * (100 - level)) / 100 / np.sqrt(len(inside)))
            off = abs(inside.mean() - level / 100) > 2 * error
            share = f"{100 * inside.mean():.1f}\u00a0% in the {level}\u00a0% intervals"
            assert (share.replace("\u00a0", " ") in told.replace("\u00a0", " ")) == off


def test_scores_outside_their_band_are_told_with_the_place(findings, tree):
    said = here(tree, "figure-worm")
    # The truth is among the models, Poisson is not: its largest scores go far beyond.
    assert re.search(r"Poisson leaves the band over \d+ % of the scores", said)
    scores = np.sort(findings.trees["Poisson"]["heldout/score"].values)
    place = re.search(
        r"; Poisson leaves .*? most where (−?[\d.]+) is expected and (−?[\d.]+)", said
    )
    at, observed = (float(value.replace("−", "-")) for value in place.groups())
    rank = round(len(scores) * stats.norm.cdf(at) + 0.5) - 1
    near = scores[max(rank - 60, 0) : rank + 60]  # the place is printed to a tenth
    assert near.min() - 0.05 <= observed <= near.max() + 0.05
    assert "Hurdle NB stays inside" in said or "and Hurdle NB stay inside" in said


def binary(findings: Findings, sure: float = 1.0) -> Findings:
    """Outcomes of 0 and 1 drawn from one model's probabilities; the others' are `sure` of them."""
    rng = np.random.default_rng(5)
    p = rng.beta(2, 3, 1000)
    y = (rng.random(1000) < p).astype(float)
    trees = {}
    for name, tree in findings.trees.items():
        logit = np.log(p / (1 - p)) * (1.0 if name == "Hurdle NB" else sure)
        mean = 1 / (1 + np.exp(-logit))
        rows = tree["heldout"].to_dataset().drop_vars(["frequency", "value", "group"])
        rows = rows.assign(
            observed=("row", y),
            mean=("row", mean),
            nll=("row", -np.log(np.where(y == 1, mean, 1 - mean))),
            frequency=("value", [1 - mean.mean(), mean.mean()]),
        ).assign_coords(value=[0, 1])
        trees[name] = xr.DataTree.from_dict({"heldout": rows})
    return findings.model_copy(update={"trees": trees})


def test_a_binary_outcome_has_its_reliability_in_place_of_frequencies(findings):
    page = comparison_page(binary(findings, sure=3.0))
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    assert "figure-frequency" not in page
    shares = dict(re.findall(r"([A-Z][\w -]*?) (\d+\.\d) %", here(tree, "figure-reliability")
                             .partition("model, is ")[2].replace("\u00a0", " ")))  # fmt: skip
    assert float(shares["Hurdle NB"]) < 25  # the model they were drawn from: 5 expected, in runs
    assert float(shares["Poisson"]) > 50  # three times too sure of itself
    assert "too narrow here" not in page
    assert "figure-reliability" not in comparison_page(findings)  # counts


def test_learning_curves_are_drawn_with_what_more_rows_would_mend(findings):
    def learned(fit):
        full, n, effective = fit.heldout.cross_entropy.value, float(fit.training_rows), 24.0
        rows = (0.1 * n, 0.4 * n)
        excess = [effective / 2 * (1 / part - 1 / n) for part in rows]
        return LearningFound(
            rows=rows, all_rows=n, effective=effective,
            heldout=((full + excess[0] + 0.001, full + excess[1]), (full + excess[0], None)),
        )  # fmt: skip

    ranked = {one.name for one in findings.ranking.contenders}
    fits = tuple(fit.model_copy(update={"learning": learned(fit)}) if fit.name in ranked else fit
                 for fit in findings.fits)  # fmt: skip
    tree = html5lib.parse(comparison_page(findings.model_copy(update={"fits": fits})),
                          namespaceHTMLElements=False)  # fmt: skip
    said = here(tree, "figure-learning")
    full = findings.fit("Poisson").heldout.cross_entropy.value
    # 24 / (2 x 3000) above the limit; at 300 rows 12 (1 / 300 - 1 / 3000) and half of .001 more
    assert f"Poisson stands 0.004 nats above its limit {full - 0.004:.4f}" in said
    assert "with 300 rows loses 0.036 more (0.036 expected)" in said
    assert "4 parts have no finite cross-entropy and are left out" in said
    assert "figure-learning" not in comparison_page(findings)


def test_rows_left_out_of_the_posterior_are_told_or_why_not(findings):
    def quantity(value):
        return Quantity(value=value, se=0.067, count=100, unit="nats per row")

    known = ReweightedFound(
        cross_entropy=quantity(2.345), waic=quantity(2.341), effective_parameters=11.6, k_hat=0.43,
        monte_carlo=0.00021, advice="",
    )  # fmt: skip
    doubtful = known.model_copy(update={"k_hat": 0.91, "advice": "1 of 100 rows have a k-hat"})
    unknown = known.model_copy(update={"reason": "no Laplace draws"})
    every = zip(findings.fits, (known, doubtful, unknown, None), strict=False)
    fits = [fit.model_copy(update={"reweighted": one}) for fit, one in every]
    rows = left_out.left_out_table(findings.model_copy(update={"fits": tuple(fits)})).rows
    assert [row.cells[0].text for row in rows] == [fit.name for fit in fits[:3]]
    shown = [(row.cells[2].text, row.cells[2].note, row.cells[3].text) for row in rows]
    assert shown == [
        ("2.345 ± 0.067", "± 0.0002 by the draws", "0.43"),
        ("2.345 ± 0.067", "1 of 100 rows have a k-hat", "0.91"),
        ("—", "no Laplace draws", "—"),
    ]
    assert not left_out.left_out_table(findings).rows


def test_rows_that_a_fit_hangs_on_are_told_with_their_share(findings):
    one = InfluentialFound(label=f"p {NASTY}", leverage=0.0123, displacement=1.25, share=0.1,
                           parameter="beta[age]", change=-0.456)  # fmt: skip
    fit = findings.fits[0].model_copy(update={"influential": (one,)})
    told = findings.model_copy(update={"fits": (fit, *findings.fits[1:])})
    tree = html5lib.parse(comparison_page(told), namespaceHTMLElements=False)
    shown = row_of(tree, "table-influence", "p ")
    assert shown == [f"p {NASTY}", fit.name, "1.2", "10.0", "0.012", "beta[age]", "−0.46"]
    assert "table-influence" not in comparison_page(findings)


def test_an_infinite_loss_is_no_unknown_one():
    infinite = Quantity.of(information.mean([1.0, np.inf]))
    assert numbers.quantity(infinite) == numbers.in_bits(infinite) == "∞"
    assert infinite.mean().value == np.inf
    again = Quantity.model_validate_json(infinite.model_dump_json())
    assert again == infinite
    unknown = Quantity.of(information.Mean(np.nan, np.nan, 2))
    assert numbers.quantity(unknown) == "not known"


def test_standard_errors_near_a_limit_have_the_digit_that_decides():
    assert numbers.away(2.047, 2.0395) == "2.05"
    assert numbers.away(-2.047, 2.0395) == "−2.05"
    assert numbers.away(3.047, 2.0395) == "3.0"


def test_rows_drawn_whole_that_count_for_several_are_warned_of(findings):
    weighted = {"weight": "times", "training_weight": 9e3, "heldout_weight": 4e3}
    drawn = findings.data.model_copy(update=weighted | {"drawn_whole": True})
    (said,) = headline.as_recorded(findings.model_copy(update={"data": drawn}))
    assert said.startswith("Rows that count for several (by times) were drawn whole")
    marked = findings.data.model_copy(update=weighted)
    assert headline.as_recorded(findings.model_copy(update={"data": marked})) == []


def test_a_model_without_predictors_has_the_kl_of_the_outcome_alone(findings):
    def told(*whole: str) -> set[str]:
        fits = []
        for fit in findings.fits:
            found = fit.heldout.divergence.model_copy(update={"label": "KL"})
            heldout = fit.heldout.model_copy(update={"divergence": found})
            fits.append(fit.model_copy(update={"heldout": heldout}) if fit.name in whole else fit)
        table = distance.truth_table(
            findings.model_copy(update={"fits": tuple(fits)}), findings.ranking
        )
        assert "Of so few rows" not in table.caption
        return {cell.note for row in table.rows for cell in row.cells if cell.note}

    assert told() == set()
    assert told("Poisson") == {"KL without regard to predictors"}
    assert told(*(one.name for one in findings.ranking.contenders)) == {"KL itself"}


def test_what_else_is_known_of_kl_has_a_table_of_its_own(findings):
    estimate = Quantity(value=0.0123, se=0.0045, count=900, unit="nats per trial")
    given = DivergenceFound(estimate=estimate, label=information.GIVEN_PREDICTORS, floor=0.006,
                            p_value=0.02, reason="")  # fmt: skip
    bound = given.model_copy(update={"label": "KL by mean and covariance, a lower bound"})

    def tables(*further):
        fits = [fit.model_copy(update={"heldout": fit.heldout.model_copy(
            update={"further": further if fit.name == "Poisson" else ()})})
            for fit in findings.fits]  # fmt: skip
        told = findings.model_copy(update={"fits": tuple(fits)})
        return distance.further_tables(told, findings.ranking)

    (table,) = tables(given)
    (row,) = table.rows
    assert [cell.text for cell in row.cells] == [
        "Poisson", "KL given the predictors", "0.0123 ± 0.0045", "nats per trial", "0.006", "0.02",
    ]  # fmt: skip
    assert "rows that share all predictors" in table.caption
    assert "rows that share all predictors" not in tables(bound)[0].caption
    assert tables() == []


def test_what_the_predictors_still_tell_is_one_table(findings):
    left = InformationLeftFound(
        names=("lncoins", "idp", NASTY), estimates=(0.002, 0.013, -0.001),
        p_values=(0.3, 0.005, 0.6), p_value=0.01, floor=0.009, rows=1000, grouped=True,
        permutations=200, reason="",
    )  # fmt: skip
    reasoned = left.model_copy(update={"names": (), "estimates": (), "reason": "too few"})
    told = {"Hurdle NB": left, "Poisson": reasoned}
    fits = [
        fit.model_copy(update={"heldout": fit.heldout.model_copy(
            update={"information_left": told.get(fit.name)})})
        for fit in findings.fits
    ]  # fmt: skip
    page = comparison_page(findings.model_copy(update={"fits": tuple(fits)}))
    table = html5lib.parse(page, namespaceHTMLElements=False).find(".//table[@id='table-left']")
    assert "1,000 groups, one row of each" in " ".join(table.find("caption").itertext())
    found = [[" ".join("".join(cell.itertext()).split()) for cell in row]
             for row in table.findall("tbody/tr")]  # fmt: skip
    rows = {name: told for name, *told in found}
    assert rows["Hurdle NB"][:4] == ["idp", "0.013", "0.009", "0.01"]
    assert rows["Hurdle NB"][4].startswith("lncoins 0.002, ")
    assert rows["Poisson"][0] == "too few"
    assert "table-left" not in comparison_page(findings)


def test_the_difference_without_its_extreme_rows_is_computed(findings, tree):
    best, other = (findings.trees[name]["heldout/nll"].values for name in ("Hurdle NB", "Poisson"))
    d = other - best
    rest = d[np.argsort(-np.abs(d))[10:]].sum() / d.size
    said = here(tree, "figure-cumulative")
    found = [float(value) for value in re.findall(r"\d\.\d+", said)]
    assert found == pytest.approx([rest, d.mean()], abs=1e-3)  # the page shows three decimals


def test_the_share_of_rows_that_would_have_to_move_is_the_total_variation(findings, tree):
    rows = findings.trees["Poisson"]["heldout"]
    last = int(re.search(r"; (\d+)\+ takes", words_of(tree, "figure-frequency"))[1])
    observed = np.bincount(np.minimum(rows["observed"].values.astype(int), last)) / 1000
    expected = rows["frequency"].values[:last]
    expected = np.append(expected, 1 - expected.sum())
    variation = 50 * np.abs(observed - expected).sum()
    assert f"Poisson {variation:.1f} %" in here(tree, "figure-frequency")


def words_of(tree, identifier: str) -> str:
    return " ".join(tree.find(f".//*[@id='{identifier}']").itertext())


def test_the_rows_that_decide_are_those_that_differ_most(findings, tree):
    best, other = (findings.trees[name]["heldout/nll"] for name in ("Hurdle NB", "Poisson"))
    d = (other - best).to_series()
    table = tree.find(".//table[@id='table-deciding']/tbody")
    labels = [" ".join(heading.itertext()).strip() for heading in table.iter("th")]
    assert labels == list(d.abs().sort_values(ascending=False).index[:10])


def test_a_continuous_outcome_without_groups_or_baseline_is_drawn(findings, tmp_path):
    plain = without(
        findings, "frequency", "group", "value",
        discrete=False, group=None, groups=None, heldout_groups=None,
    ).model_copy(update={"baseline": None})  # fmt: skip
    page = write_pages(plain, tmp_path).read_text(encoding="utf-8")
    said = words(page)
    assert "figure-frequency" not in page
    assert "changes with the unit of measurement" in said
    assert "0 ≤ KL ≤ CE" not in said
    assert "baseline, which knows" not in said
    assert "effective number of groups" not in said


def test_unit_and_width_stand_with_the_outcome(findings):
    assert data_facts(findings)["Outcome"] == "mdvis, counts"
    told = data_facts(findings, unit=f"visits {NASTY}", width=0.25, discrete=False)
    assert told["Outcome"] == f"mdvis, continuous, in visits {NASTY}, rounded to multiples of 0.25"


def test_a_change_a_width_and_an_order_in_time_are_told(findings):
    """Once each, in the outcome's own name, however many models share the change."""
    first, second, *others = findings.fits
    logged = [fit.model_copy(update={"change": "log(spent)"}) for fit in (first, second)]
    facts = {"outcome": "spent", "rounded": True, "discrete": False, "width": 0.5, "group": None,
             "time": "week", "heldout_blocks": 17}  # fmt: skip
    told = findings.model_copy(
        update={
            "fits": (*logged, *others),
            "data": findings.data.model_copy(update=facts),
        }
    )
    found = words(comparison_page(told))
    both = f"{first.name} and {second.name} take in log(spent). Every loss on this page is of spent"
    assert found.count(both) == 1
    assert "spent is rounded to multiples of 0.5, and a loss is −log of the probability" in found
    assert "1,000 held-out rows in 17 blocks of neighbours in time (week)" in found
    assert "Standard errors take 17 blocks of neighbouring held-out rows" in found
    assert "no p-value: neighbouring rows are not independent" in found
    assert "at most (CE)" in found  # a probability's loss bounds KL


def test_the_two_parts_of_a_hurdle_are_told(findings, tree):
    assert tree.find(".//table[@id='table-atoms']") is None  # of counts alone
    parts = AtomsFound(share=0.25, at=_mean(0.3), beside=_mean(1.7))
    fit = findings.fits[0]
    heldout = fit.heldout.model_copy(update={"atoms": parts})
    mixed = of_all_fits(findings, heldout=heldout)
    found = words(comparison_page(mixed))
    assert "25.0 % 0.300 ± 0.010 1.700 ± 0.010" in found.replace("\xa0", " ")


def _mean(value: float) -> Quantity:
    return Quantity(value=value, se=0.01, count=1000, unit="nats per row")


def test_nested_models_are_tested_or_refused_in_a_sentence(tree, page):
    tested = row_of(tree, "table-nested", "Poisson within Negative binomial")
    assert tested[1:4] == ["312.41", "1", "3.2 × 10⁻⁷⁰"]
    assert "rows in groups are not independent" in words(page)
    assert "½ χ²₀ + ½ χ²₁" in words(page)


def test_both_errors_of_a_difference_stand_beside_it(findings, tree):
    second = findings.ranking.contenders[1]
    row = row_of(tree, "table-differences", second.name)
    assert row[2:4] == [numbers.to_error(se, se) for se in (second.se_rows, second.se_implied)]
    z = numbers.decimals(second.above_best.value / second.se_rows, 1)
    assert row[4:6] == [z, z]  # where the larger is the rows' own
    assert row[6] == numbers.quantity(second.above_reference)
    assert row_of(tree, "table-differences", "Poisson")[6] == "the reference"
    assert "SE" not in row_of(tree, "table-ranking", second.name)[4]
    wider = second.model_copy(update={"se_implied": 2 * second.se_rows})
    ranking = findings.ranking.model_copy(
        update={"contenders": (findings.ranking.contenders[0], wider)}
    )
    shown = rankings.ranking_table(findings.model_copy(update={"ranking": ranking})).rows[1]
    assert shown.cells[4].note.endswith("separated, SE implied")


def test_dropped_rows_are_told_plainly(findings):
    assert "Missing values" not in data_facts(findings)
    dropped = DroppedFound(counts={NASTY: 3, "age": 1200, "town": 3}, rows=1201)
    assert data_facts(findings, dropped=dropped)["Missing values"] == (
        f"1,201 rows were dropped before the split, for missing values in age (1,200), {NASTY} (3) "
        "and town (3)"
    )
    one = DroppedFound(counts={"age": 1}, rows=1)
    assert data_facts(findings, dropped=one)["Missing values"].startswith("1 row was dropped")
    none = DroppedFound(counts={}, rows=0)
    assert data_facts(findings, dropped=none)["Missing values"].startswith("none in the columns")


def test_rows_of_several_outcomes_are_drawn_without_what_needs_one(findings):
    bare = without(findings, "pit", "mean", "frequency", "value", "observed", discrete=False)
    for name, tree in bare.trees.items():
        observed = findings.trees[name]["heldout/observed"].values
        pair = (("row", "outcome_1"), np.column_stack([observed, observed]))
        bare.trees[name]["heldout"] = tree["heldout"].to_dataset().assign(observed=pair)
    page = comparison_page(bare)
    assert "figure-pit" not in page
    assert "figure-frequency" not in page
    assert "figure-loss" in page
    parsed = html5lib.parse(page, namespaceHTMLElements=False)
    heading = parsed.find(".//table[@id='table-deciding']/thead/tr")
    told = [" ".join("".join(cell.itertext()).split()) for cell in heading]
    assert told == ["Row", "NLL, Hurdle NB", "NLL, Poisson", "difference"]


def test_categories_are_told_by_their_labels(findings):
    labels = tuple(f"level {code}" for code in range(81))
    told = without(findings, "mean", "frequency", "value", categories=labels)
    parsed = html5lib.parse(comparison_page(told), namespaceHTMLElements=False)
    rows = parsed.findall(".//table[@id='table-deciding']/tbody/tr")
    assert all(row[1].text.strip().startswith("level ") for row in rows)
    assert "categories level 0, level 1" in data_facts(told)["Outcome"]
    assert "figure-pit" in comparison_page(told)


def test_a_number_that_is_not_known_says_so(page, tree):
    assert "None" not in words(page)
    assert "nan" not in words(page)
    cells = [" ".join(cell.itertext()).strip() for cell in tree.iter("td")]
    assert any("not known" in cell for cell in cells)


def test_rows_of_probability_zero_are_counted_not_drawn(findings, tmp_path):
    trees = {name: tree.copy(deep=True) for name, tree in findings.trees.items()}
    trees["Poisson"]["heldout/nll"].values[:3] = float("inf")
    impossible = findings.model_copy(update={"trees": trees})
    page = write_pages(impossible, tmp_path).read_text(encoding="utf-8")
    assert "3 rows of probability 0 are left out" in words(page)


# The file


def test_the_page_is_valid_html_with_unique_ids(tree):
    identifiers = [element.get("id") for element in tree.iter() if element.get("id")]
    assert len(identifiers) == len(set(identifiers))


def assert_anchors_resolve(tree):
    identifiers = {element.get("id") for element in tree.iter()}
    linked = [element.get("href") for element in tree.iter() if element.get("href")]
    anchors = [link[1:] for link in linked if link.startswith("#")]
    assert anchors
    assert set(anchors) <= identifiers


def test_every_anchor_and_reference_resolves(tree, page):
    assert_anchors_resolve(tree)
    identifiers = {element.get("id") for element in tree.iter()}
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= identifiers
    named = [one.get("aria-labelledby") for one in tree.iter() if one.get("aria-labelledby")]
    assert named
    assert set(" ".join(named).split()) <= identifiers


def test_nothing_is_loaded_from_elsewhere(tree, page):
    loaded = [element.get(key) for element in tree.iter() for key in ("src", "srcset", "action")]
    links = [element.get("href") for element in tree.iter("link")]
    assert not any(loaded)
    assert not links
    assert not re.search(r"url\(\s*['\"]?(?!#)", page)
    assert "@import" not in page
    assert tree.find(".//script") is None


def test_names_from_data_are_text_everywhere(tree, page):
    assert "<script" not in page
    assert NASTY in words(page)
    headings = [" ".join(heading.itertext()).strip() for heading in tree.iter("th")]
    assert f"beta[{NASTY}]" in headings


def test_a_nasty_model_name_is_text_in_the_drawing(tmp_path):
    nasty = count_findings(names=("Poisson", "Hurdle NB"))
    text = nasty.model_dump_json(exclude={"trees"}).replace("Hurdle NB", NASTY)
    trees = {name.replace("Hurdle NB", NASTY): tree for name, tree in nasty.trees.items()}
    renamed = Findings.model_validate_json(text).model_copy(update={"trees": trees})
    page = write_pages(renamed, tmp_path).read_text(encoding="utf-8")
    tree = html5lib.parse(page, namespaceHTMLElements=False)
    assert "<script" not in page
    drawn = [element.text for element in tree.iter() if str(element.tag).endswith("text")]
    assert NASTY in drawn


def test_formulas_are_escaped_and_link_nowhere():
    formula = mathml(rf"\text{{a & {NASTY}}} \href{{javascript:alert(1)}}{{x}}")
    assert "<script" not in formula
    assert "href" not in formula
    parsed = html5lib.parseFragment(str(formula), namespaceHTMLElements=False)
    assert "alert(1)" in "".join(parsed.itertext())


def test_latex_that_cannot_be_read_is_shown_as_it_stands(page):
    assert mathml(r"\frac{") is None
    assert r"<code>\frac{</code>" in page


def test_colours_are_the_pages_variables(tree):
    drawn = [element for element in tree.iter() if str(element.tag).endswith("svg")]
    styles = [one.get("style") or "" for svg in drawn for one in svg.iter()]
    assert len(drawn) == 8
    assert not re.search(r"#[0-9a-f]{6}", " ".join(styles))


def test_every_variable_has_a_light_and_a_dark_value(page):
    light, dark = page.split("prefers-color-scheme: dark", 1)
    for variable in set(re.findall(r"var\((--[a-z0-9-]+)\)", page)):
        assert f"{variable}:" in light, variable
        assert f"{variable}:" in dark, variable


def test_the_same_findings_give_the_same_bytes(findings, page_file, tmp_path):
    again = write_pages(count_findings(), tmp_path)
    assert again.read_bytes() == page_file.read_bytes()


def test_saved_findings_give_the_same_page(findings, page_file, tmp_path):
    findings.save(tmp_path)
    page = write_pages(Findings.read(tmp_path), tmp_path)
    assert page.read_bytes() == page_file.read_bytes()


def test_a_page_of_five_thousand_rows_stays_small(tmp_path):
    page = write_pages(count_findings(rows=5000), tmp_path)
    assert page.stat().st_size < 2_000_000


def test_drawing_needs_no_modelling_library():
    code = (
        "import sys, workbench.report, workbench.plots\n"
        "heavy = {'pymc', 'pytensor', 'jax', 'statsmodels', 'arviz', 'matplotlib.pyplot'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# In the browser


@pytest.fixture(scope="module")
def browser(chromium):
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=chromium, args=FLAGS, headless=True
        )
        yield context
        context.close()


def opened(browser, page_file, scheme: str, width: int):
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url != url else None)
    url = page_file.as_uri()
    page.goto(url)
    return page, said


@pytest.mark.parametrize(
    ("scheme", "width"),
    slow_but(
        {("dark", WIDE), ("light", NARROW)}, [("light", WIDE), ("dark", WIDE), ("light", NARROW)]
    ),
)
def test_the_page_opens_and_everybody_can_read_it(browser, page_file, scheme, width):
    page, said = opened(browser, page_file, scheme, width)
    boxes = [svg.bounding_box() for svg in page.locator("figure svg").all()]
    assert len(boxes) == 8
    assert all(box["width"] > 300 and box["height"] > 80 for box in boxes)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert said == []
    page.close()
