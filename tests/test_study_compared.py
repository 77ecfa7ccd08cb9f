"""Studies whose models differ in scale, order or nesting: what is found, and what the page says."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench.errors import StudyError
from workbench.report import write_pages
from workbench.study import Study

ROWS = 160
STUDY = """
title = "Spending"
seed = 3
[data]
file = "spending.csv"
time = "week"
[split]
heldout = 0.25
blocks = 20
[defaults]
formula = "spent ~ age"
[models.Gamma]
define = "positive:gamma"
[models.Exponential]
define = "positive:exponential"
[models.Lognormal]
define = "positive:lognormal"
[models."Normal of log"]
define = "continuous:normal"
formula = "log(spent) ~ age"
[checks]
budget = 5
[report]
reference = "Gamma"
[[report.nested]]
small = "Exponential"
large = "Gamma"
[[report.nested]]
small = "Gamma"
large = "Lognormal"
null = "boundary"
"""


def write(folder, study=STUDY):
    rng = np.random.default_rng(11)
    age = rng.normal(size=ROWS).round(3)
    spent = rng.gamma(2.0, np.exp(1 + 0.3 * age) / 2).round(6)
    frame = pd.DataFrame({"spent": spent, "age": age, "week": np.arange(ROWS)})
    frame.to_csv(folder / "spending.csv", index=False)
    path = folder / "study.toml"
    path.write_text(study, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    return Study.read(write(tmp_path_factory.mktemp("spending"))).run()


@pytest.fixture(scope="module")
def page(findings, tmp_path_factory):
    text = write_pages(findings, tmp_path_factory.mktemp("page")).read_text(encoding="utf-8")
    return re.sub(r"\s+", " ", text)


@pytest.mark.slow
def test_models_of_an_outcome_and_of_its_logarithm_stand_in_one_ranking(findings, page):
    assert findings.ranking.unranked == {}
    lognormal, normal = findings.fit("Lognormal"), findings.fit("Normal of log")
    assert normal.change == "log(spent)"
    for of in ("training_nll", "aic", "aicc", "bic", "tic"):
        assert getattr(normal, of) == pytest.approx(getattr(lognormal, of), abs=1e-4), of
    ours, theirs = (fit.left_out.cross_entropy.value for fit in (normal, lognormal))
    assert ours == pytest.approx(theirs, abs=1e-6)
    values = [fit.heldout.cross_entropy.value for fit in (normal, lognormal)]
    assert values[0] == pytest.approx(values[1], abs=1e-6)
    assert "Normal of log takes in log(spent). Every loss on this page is of spent itself" in page
    assert "mean" not in findings.trees["Normal of log"].children["heldout"].data_vars


@pytest.mark.slow
def test_a_series_has_its_errors_by_blocks_and_says_so(findings, page):
    assert findings.data.heldout_blocks == 5  # a quarter of twenty
    assert {one.cross_entropy.clusters for one in findings.ranking.contenders} == {5}
    assert findings.fit("Gamma").left_out.cross_entropy.clusters == 15
    for fit in findings.fits:  # all that stands beside it has the errors of the same blocks
        assert fit.heldout.prior_worth.clusters == 5
        assert {one.cross_entropy.clusters for one in fit.heldout.predictive} <= {5}
    assert any(fit.heldout.predictive for fit in findings.fits)


@pytest.mark.slow
def test_differences_are_told_on_left_out_training_rows_too(findings, page):
    best = findings.ranking.contenders[0].name
    for one in findings.ranking.contenders[1:]:
        apart = [findings.fit(name).left_out.cross_entropy.value for name in (one.name, best)]
        assert one.left_out.value == pytest.approx(apart[0] - apart[1], abs=1e-9)
        assert one.left_out.clusters == 15
    assert findings.ranking.contenders[0].left_out is None
    assert "ΔCE left out is the same difference on the training rows" in page
    assert findings.fit("Gamma").heldout.divergence.p_value is None
    assert "40 held-out rows in 5 blocks of neighbours in time (week)" in page
    assert "There is no p-value: neighbouring rows are not independent" in page


@pytest.mark.slow
def test_a_declared_reference_has_a_column_of_its_own(findings, page):
    above = {one.name: one.above_reference for one in findings.ranking.contenders}
    assert above["Gamma"] is None
    rows = {name: findings.trees[name]["heldout/nll"].values for name in above}
    expected = (rows["Exponential"] - rows["Gamma"]).mean()
    assert above["Exponential"].value == pytest.approx(expected, rel=1e-9)
    assert "ΔCE to Gamma" in page


@pytest.mark.slow
def test_the_error_of_a_difference_is_the_larger_of_two(findings, page):
    for one in findings.ranking.contenders[1:]:
        assert one.above_best.se == max(one.se_rows, one.se_implied)
    assert "SE implied" in page


@pytest.mark.slow
def test_declared_nesting_is_tested_or_refused(findings, page):
    """Exponential within gamma by its own likelihoods; gamma in lognormal cannot be."""
    tested, refused = findings.nested
    gain = findings.fit("Exponential").training_nll - findings.fit("Gamma").training_nll
    assert tested.statistic == pytest.approx(2 * gain, rel=1e-9)
    assert tested.p_value == pytest.approx(stats.chi2.sf(2 * gain, 1), rel=1e-9)
    assert "free parameters" in refused.reason
    assert "Nested models" in page


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('small = "Exponential"', 'small = "Exponentil"', "no model is called 'Exponentil', did"),
        ('small = "Exponential"', 'small = "Gamma"', "'Gamma' is nested in itself"),
        ('null = "boundary"', 'null = "edge"', "must be 'chi-squared', 'boundary' or 'simulated'"),
        ("log(spent)", "log(age)", "the outcome is 'age', but 'Gamma' explains 'spent'"),
    ],
)  # fmt: skip
def test_a_mistake_in_what_is_compared_is_told(old, new, mistake, tmp_path):
    with pytest.raises(StudyError, match=re.escape(mistake)):
        Study.read(write(tmp_path, STUDY.replace(old, new, 1)))
