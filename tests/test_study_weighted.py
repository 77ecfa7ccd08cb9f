"""A table of cells with counts: whatever a page shows of rows, it shows as often as they count."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from workbench import Study
from workbench.report import figures, headline, write_pages

STUDY = """
title = "Wards"
seed = 3
[data]
file = "wards.csv"
weight = "times"
[split]
column = "later"
[defaults]
formula = "survived ~ ward + sex"
[models.Added]
define = "binary:logit"
[models.Crossed]
define = "binary:logit"
formula = "survived ~ ward * sex"
[checks]
budget = 5
"""


def cells():
    rng, rows = np.random.default_rng(8), []
    for later in (0, 1):
        for place, ward in enumerate("abc"):
            for sex in "fm":
                count = rng.integers(100, 300)
                chance = 1 / (1 + np.exp(0.5 - 0.6 * place + 0.8 * (sex == "m")))
                yes = rng.binomial(count, chance)
                rows += [(ward, sex, 1, yes, later), (ward, sex, 0, count - yes, later)]
    return pd.DataFrame(rows, columns=["ward", "sex", "survived", "times", "later"])


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wards")
    cells().to_csv(folder / "wards.csv", index=False)
    path = folder / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    return Study.read(path).run(), folder


@pytest.mark.slow
def test_a_page_of_weighted_rows_counts_them(study):
    findings, folder = study
    later = cells().query("later == 1")
    total = int(later["times"].sum())
    assert headline.held_out(findings) == f"12 held-out rows that count for {total:,}"
    assert findings.fit("Added").heldout.cross_entropy.count == total
    rows = figures.heldout_rows(findings, "Added")
    assert rows.sizes["row"] == total
    assert float(rows["nll"].mean()) == pytest.approx(
        findings.fit("Added").heldout.cross_entropy.value, rel=1e-12
    )
    assert stats.kstest(rows["pit"].values, "uniform").pvalue > 1e-4  # the truth is its own
    table = figures.deciding_table(findings, figures.pair(findings, findings.ranking))
    assert len(table.rows) == figures.DECIDING
    assert len({row.cells[0].text for row in table.rows}) == figures.DECIDING
    page = write_pages(findings, folder / "page").read_text(encoding="utf-8")
    assert f"those held out for {total:,}." in page


@pytest.mark.slow
def test_cells_have_the_kl_of_their_rows(study):
    findings, _ = study
    for fit in findings.fits:
        assert fit.heldout.divergence.estimate.count == fit.heldout.cross_entropy.count
        (given,) = fit.heldout.further
        assert (given.label, given.estimate.unit) == ("KL given the predictors", "nats per row")
