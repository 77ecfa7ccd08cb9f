"""Paired differences: the entropy cancels, pairing is by row, and different rows are refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import workbench as wb
from benchmarks.difference_coverage import coverage_of_differences
from models import continuous, counts, positive
from tests.declarations import dataset
from workbench import implied

RNG = np.random.default_rng(23)
N = 800
X = RNG.normal(size=(N, 1))
MEAN = np.exp(0.7 + 0.4 * X[:, 0])
DATA = dataset(RNG.negative_binomial(1, 1 / (1 + MEAN)), X, group=np.repeat(np.arange(N // 2), 2))
TRAIN, TEST = DATA.isel(row=slice(0, 400)), DATA.isel(row=slice(400, N))


@pytest.fixture(scope="module")
def evaluations():
    definitions = {"Poisson": counts.poisson, "NB2": counts.negative_binomial}
    return {
        name: wb.evaluate(wb.maximum_likelihood(wb.bind(definition, TRAIN)), TEST)
        for name, definition in definitions.items()
    }


def test_a_difference_is_paired_and_antisymmetric(evaluations):
    found = wb.compare(evaluations)
    gap, back = found.difference("Poisson", "NB2"), found.difference("NB2", "Poisson")
    d = evaluations["Poisson"].pointwise - evaluations["NB2"].pointwise
    assert gap.value == pytest.approx(d.mean(), rel=1e-12)
    sums = (d - d.mean()).reshape(200, 2).sum(axis=1)
    assert gap.rows.se == pytest.approx(np.sqrt(200 / 199 * (sums**2).sum()) / 400, rel=1e-10)
    assert (back.value, back.se) == (-gap.value, pytest.approx(gap.se, rel=1e-12))


def test_the_best_stands_first_and_is_separated_by_the_simultaneous_limit(evaluations):
    found = wb.compare(evaluations)
    assert found.best == "NB2"
    assert found.above_best("NB2") is None
    assert found.limit == pytest.approx(stats.norm.isf(0.025), rel=1e-12)  # one rival
    gap = found.above_best("Poisson")
    assert found.separated("Poisson") == (gap.value > found.limit * gap.se)
    assert list(found.to_frame().index) == ["NB2", "Poisson"]


def test_three_rivals_need_239_standard_errors(evaluations):
    four = dict.fromkeys("abcd", evaluations["NB2"])
    assert wb.compare(four).limit == pytest.approx(2.394, abs=5e-4)
    assert not wb.compare(four).separated("b")


@pytest.mark.parametrize(("chosen", "other"), [("Poisson", "NB2"), ("NB2", "Poisson")])
def test_the_competitor_is_chosen_on_training_rows(evaluations, chosen, other):
    """NB2 is the best on the held-out rows; on the training rows either may be."""
    training = {chosen: 1.0, other: 2.0}
    found = wb.compare(
        {name: replace(one, training_nll=training[name]) for name, one in evaluations.items()}
    )
    assert found.best == "NB2"
    assert found.competitor == chosen
    assert found.above_competitor(chosen) is None
    assert found.above_competitor(other) == found.difference(other, chosen)


def test_other_rows_are_refused(evaluations):
    fit = wb.maximum_likelihood(wb.bind(counts.poisson, TRAIN))
    backwards = wb.evaluate(fit, TEST.isel(row=slice(None, None, -1)))
    with pytest.raises(wb.DataError, match="not evaluated on the same rows"):
        wb.compare(evaluations | {"backwards": backwards})
    with pytest.raises(wb.DataError, match="no evaluation"):
        wb.compare({})


def test_held_out_rows_are_not_compared_with_training_rows(evaluations):
    trained = replace(evaluations["NB2"], heldout=False)
    with pytest.raises(wb.DataError, match="only one of them is held out"):
        wb.compare(evaluations | {"trained": trained})


def test_an_unknown_reference_gets_a_hint(evaluations):
    with pytest.raises(wb.DataError, match="did you mean 'Poisson'"):
        wb.compare(evaluations, reference="poison")


def test_few_rows_and_small_differences_are_flagged(evaluations):
    fits = {d.__name__: wb.maximum_likelihood(wb.bind(d, TRAIN))
            for d in (counts.poisson, counts.zero_inflated_poisson)}  # fmt: skip
    few = {name: wb.evaluate(fit, TEST.isel(row=slice(0, 20))) for name, fit in fits.items()}
    assert any("only 20 held-out rows" in flag for flag in wb.compare(few).flags)
    same = dict.fromkeys("ab", evaluations["NB2"])
    assert any("less than 4 nats" in flag for flag in wb.compare(same).flags)


def test_fits_without_a_maximum_are_not_compared(evaluations):
    lost = replace(evaluations["NB2"], status="running away")
    with pytest.raises(wb.ModelError, match="'lost' is running away"):
        wb.compare(evaluations | {"lost": lost})


def test_densities_are_not_compared_with_probabilities(evaluations):
    normal = wb.maximum_likelihood(wb.bind(continuous.normal, TRAIN))
    with pytest.raises(wb.DataError, match="the other densities"):
        wb.compare(evaluations | {"normal": wb.evaluate(normal, TEST)})


def test_a_difference_that_is_small_over_all_rows_separates_nothing(evaluations):
    nearly = replace(evaluations["NB2"], pointwise=evaluations["NB2"].pointwise + 1e-6)
    found = wb.compare({"NB2": evaluations["NB2"], "nearly": nearly})
    assert found.difference("nearly", "NB2").se < 1e-12
    assert not found.separated("nearly")


def test_few_groups_take_students_t(evaluations):
    five = {name: replace(one, clusters=np.arange(400) % 5) for name, one in evaluations.items()}
    assert wb.compare(five).limit == pytest.approx(stats.t.isf(0.025, 4), rel=1e-12)


def test_the_error_used_is_the_larger_of_two(evaluations):
    found = wb.compare(evaluations)
    gap = found.above_best("Poisson")
    assert gap.se == max(gap.rows.se, gap.implied_se)
    frame = found.to_frame().loc["Poisson"]
    assert frame["se_above_best"] == gap.se
    assert (frame["se_rows"], frame["se_implied"]) == (gap.rows.se, gap.implied_se)


@pytest.fixture(scope="module")
def normals():
    """Two normals of sd 1, half a unit apart: d is linear in y, its spread in closed form."""
    y, test = RNG.normal(size=300), dataset(RNG.normal(size=200))
    problems = [wb.bind(continuous.normal, dataset(y + shift)) for shift in (0.0, 0.5)]
    fits = [wb.maximum_likelihood(problem, fixed={"sigma": 1.0}) for problem in problems]
    return {name: wb.evaluate(fit, test) for name, fit in zip("ab", fits, strict=True)}


def test_the_implied_error_is_the_known_one(normals):
    """(y - a - .5)^2/2 - (y - a)^2/2 has sd .5 under N(a, 1); of 20,000 draws to 0.5 %."""
    found = wb.compare(normals)
    assert found.best == "a"
    assert found.above_best("b").spread.sd == pytest.approx(0.5, rel=0.02)
    assert found.above_best("b").implied_se == pytest.approx(0.5 / np.sqrt(200), rel=0.02)
    again = wb.compare(normals).above_best("b")
    assert again == found.above_best("b")  # seeded


def test_rows_count_in_the_implied_spread_by_their_weights(normals):
    """A weight of 3 on half of the rows: those rows are drawn three times as often."""
    weights = np.where(np.arange(200) % 2, 3.0, 1.0)
    places = implied._places(weights, np.random.default_rng(0))
    shares = np.bincount(places, minlength=200) / len(places)
    np.testing.assert_allclose(shares, weights / weights.sum(), atol=1.01 / len(places))


@pytest.mark.slow
def test_a_difference_without_finite_variance_separates_nothing():
    """Cauchy against normal: under the Cauchy the difference has no variance at all."""
    rows = dataset(RNG.standard_cauchy(400))
    problems = {"cauchy": continuous.student_t, "normal": continuous.normal}
    held = {"cauchy": {"nu": 1.0}, "normal": {}}
    found = wb.compare({
        name: wb.evaluate(
            wb.maximum_likelihood(wb.bind(one, rows.isel(row=slice(200))), fixed=held[name]),
            rows.isel(row=slice(200, 400)),
        )
        for name, one in problems.items()
    })  # fmt: skip
    assert found.best == "cauchy"
    assert not found.above_best("normal").finite
    assert not found.separated("normal")
    assert any("no finite variance" in flag for flag in found.flags)


def test_a_variance_that_draws_do_not_show_is_integrated():
    """Student's t of 4.5 degrees against normal: E d^2 is finite, draws of d do not settle."""
    rows = dataset(RNG.standard_t(5, 400))
    fits = {
        "t": wb.maximum_likelihood(wb.bind(continuous.student_t, rows), fixed={"nu": 4.5}),
        "normal": wb.maximum_likelihood(wb.bind(continuous.normal, rows)),
    }
    (centre, scale), (mean, sd) = (
        (fits[name].params.iloc[0], fits[name].params["sigma"]) for name in ("t", "normal")
    )
    law, normal = stats.t(4.5, centre, scale), stats.norm(mean, sd)
    moments = [
        integrate.quad(lambda p, power=power: (
            law.logpdf(law.isf(np.exp(p))) - normal.logpdf(law.isf(np.exp(p)))) ** power * np.exp(p)
            + (law.logpdf(law.ppf(np.exp(p))) - normal.logpdf(law.ppf(np.exp(p)))) ** power
            * np.exp(p), -180, np.log(0.5), limit=500)[0]
        for power in (1, 2)
    ]  # fmt: skip
    held = {name: replace(wb.evaluate(fit, rows), heldout=True) for name, fit in fits.items()}
    spread = implied._settled(implied.Spread(1.0, 2.0), held["t"], held["normal"])
    assert spread.sd == pytest.approx(np.sqrt(moments[1] - moments[0] ** 2), rel=0.01)
    assert spread.finite


def test_what_the_better_expects_and_the_other_forbids_is_told():
    """Half of the outcomes of a normal around zero are none of an exponential's."""
    rows = dataset(RNG.exponential(size=100))
    positives = wb.maximum_likelihood(wb.bind(positive.exponential, rows))
    around_zero = wb.bind(continuous.normal, rows)
    broad = wb.maximum_likelihood(around_zero, fixed={"beta": 0.0})
    better = replace(wb.evaluate(broad, rows), heldout=True, pointwise=np.zeros(100))
    other = replace(wb.evaluate(positives, rows), heldout=True)
    found = wb.compare({"broad": better, "positive": other})
    gap = found.above_best("positive")
    assert gap.spread.impossible == pytest.approx(0.5, abs=0.02)
    assert np.isfinite(gap.implied_se)
    assert any("impossible under positive" in flag for flag in found.flags)


def test_vuongs_statistic_is_the_difference_over_its_rows_error(evaluations):
    alone = {name: replace(one, clusters=None) for name, one in evaluations.items()}
    found = wb.compare(alone)
    d = alone["Poisson"].pointwise - alone["NB2"].pointwise
    expected = np.sqrt(400) * d.mean() / d.std(ddof=1)
    assert found.vuong("Poisson", "NB2") == pytest.approx(expected, rel=1e-12)
    assert found.vuong("NB2", "Poisson") == pytest.approx(-expected, rel=1e-12)
    assert found.to_frame().loc["Poisson", "vuong"] == pytest.approx(expected, rel=1e-12)


def test_vuongs_statistic_in_sample_pays_for_parameters(evaluations):
    """As AIC: one nat a parameter over all rows, of which NB2 has one more."""
    inside = {name: replace(one, clusters=None, heldout=False) for name, one in evaluations.items()}
    found, d = wb.compare(inside), inside["Poisson"].pointwise - inside["NB2"].pointwise
    expected = (d.sum() - 1) / (np.sqrt(400) * d.std(ddof=1))
    assert found.vuong("Poisson", "NB2") == pytest.approx(expected, rel=1e-12)


def test_a_chosen_reference_is_related_to_all(evaluations):
    found = wb.compare(evaluations, reference="Poisson")
    assert found.above_reference("Poisson") is None
    assert found.above_reference("NB2") == found.difference("NB2", "Poisson")
    frame = found.to_frame()
    assert frame.loc["NB2", "above_reference"] == -frame.loc["Poisson", "above_best"]


@pytest.mark.slow
def test_the_larger_error_covers_where_the_rows_own_does_not():
    """Normal against Student's t on t5 rows (theory: .77 to .85 against .99 to 1.00)."""
    shares = coverage_of_differences(rows=300, replicates=300, seed=2)
    error = 3 * np.sqrt(0.95 * 0.05 / 300)
    assert shares["rows"] + error < 0.95
    assert shares["used"] > 0.95 - error


# Rows that were left out of the fits that they are compared under


@pytest.fixture(scope="module")
def two_scales():
    """A log-normal outcome as it is, and in a normal of its logarithm."""
    rng = np.random.default_rng(31)
    x = rng.normal(size=150)
    table = wb.read(pd.DataFrame({"x": x, "y": np.exp(1 + 0.5 * x + 0.4 * rng.normal(size=150))}))

    def fit(definition, formula):
        return wb.maximum_likelihood(wb.bind(definition, wb.design(formula, table)(table)))

    fits = {
        "normal of log": fit(continuous.normal, "log(y) ~ x"),
        "log-normal": fit(positive.lognormal, "y ~ x"),
        "normal": fit(continuous.normal, "y ~ x"),
    }
    return table, fits


def test_rows_left_out_are_compared_pair_by_pair(two_scales):
    table, fits = two_scales
    left_out = {name: wb.leave_one_out(fit) for name, fit in fits.items()}
    found = wb.compare(left_out)
    jacobian = np.log(table.frame["y"].to_numpy())
    losses = {name: one.pointwise for name, one in left_out.items()}
    losses["normal of log"] = losses["normal of log"] + jacobian
    for name, other in (("normal", "log-normal"), ("normal of log", "normal")):
        gap, d = found.difference(name, other), losses[name] - losses[other]
        assert gap.value == pytest.approx(d.mean(), rel=1e-9)
        assert gap.rows.se == pytest.approx(d.std(ddof=1) / np.sqrt(150), rel=1e-9)
        assert found.vuong(name, other) == pytest.approx(gap.value / gap.rows.se, rel=1e-12)
    assert found.difference("normal of log", "log-normal").value == pytest.approx(0, abs=1e-6)
    assert found.competitor is None  # it would have been chosen on these very rows
    assert "fitted on" in left_out["normal"].evaluation.kl.reason


def test_few_rows_left_out_are_flagged_by_their_own_name(two_scales):
    few = dataset(two_scales[0].frame["y"].to_numpy()[:60])
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, few))
    assert wb.compare({"normal": wb.leave_one_out(fit)}).flags == ("only 60 rows",)


def test_folds_compare_the_rows_that_they_hold_out(two_scales):
    table, fits = two_scales
    folds = wb.folds(table, 5, rng=np.random.default_rng(0))
    pair = {name: wb.cross_validate(fits[name], folds) for name in ("log-normal", "normal")}
    gap = wb.compare(pair).difference("normal", "log-normal")
    d = pair["normal"].pointwise - pair["log-normal"].pointwise
    assert gap.value == pytest.approx(d.mean(), rel=1e-9)


def test_rows_that_no_fold_holds_out_are_not_compared(two_scales):
    table, fits = two_scales
    future = wb.folds(
        wb.read(table.frame.assign(week=np.arange(150)), time="week"), 5, way="future"
    )
    pair = {name: wb.cross_validate(fits[name], future) for name in ("log-normal", "normal")}
    found = wb.compare(pair)
    assert found.rows == np.isfinite(pair["normal"].pointwise).sum() < 150
    d = pair["normal"].pointwise - pair["log-normal"].pointwise
    assert found.difference("normal", "log-normal").value == pytest.approx(np.nanmean(d), rel=1e-9)


def test_rows_left_out_in_other_ways_are_not_compared(two_scales):
    table, fits = two_scales
    one = wb.leave_one_out(fits["normal"])
    for other in (
        wb.evaluate(fits["log-normal"]),
        wb.cross_validate(fits["log-normal"], wb.folds(table, 5)),
    ):
        with pytest.raises(wb.DataError, match=r"those of the other one by one$"):
            wb.compare({"a": one, "b": other})
