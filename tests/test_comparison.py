"""Paired differences: the entropy cancels, pairing is by row, and different rows are refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import workbench as wb
from models import continuous, counts
from tests.declarations import dataset

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
    assert gap.se == pytest.approx(np.sqrt(200 / 199 * (sums**2).sum()) / 400, rel=1e-10)
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
    five = {name: replace(one, groups=np.arange(400) % 5) for name, one in evaluations.items()}
    assert wb.compare(five).limit == pytest.approx(stats.t.isf(0.025, 4), rel=1e-12)
