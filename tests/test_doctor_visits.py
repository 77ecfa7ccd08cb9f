"""The doctor visits: what the page claims, on the real data, by other means."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

import workbench as wb
from models import counts
from tests.test_estimate import polished
from workbench import information
from workbench.estimate.covariances import score_products

FOLDER = Path(__file__).parent.parent / "reports" / "doctor-visits"
TERMS = ["lncoins", "idp", "lpi", "fmde", "physlm", "disea", "hlthg", "hlthf", "hlthp"]
FORMULA = "mdvis ~ " + " + ".join(TERMS)
PERSONAL = [term for term in TERMS if term != "lpi"]


@pytest.fixture(scope="module")
def everything():
    """All 20,190 rows, by person."""
    table = wb.read(FOLDER / "visits.csv.gz", group="person")
    return wb.design(FORMULA, table)(table)


@pytest.fixture(scope="module")
def fits(everything):
    return {d.__name__: wb.maximum_likelihood(wb.bind(d, everything))
            for d in (counts.poisson, counts.negative_binomial)}  # fmt: skip


def test_the_file_is_statsmodels_randhie_with_a_run_number():
    stored = pd.read_csv(FOLDER / "visits.csv.gz")
    original = sm.datasets.randhie.load_pandas().data
    pd.testing.assert_frame_equal(stored[original.columns], original)
    runs = (original[PERSONAL] != original[PERSONAL].shift()).any(axis=1).cumsum()
    np.testing.assert_array_equal(stored["person"], runs)
    assert runs.max() == 5245
    assert runs.value_counts().max() == 30


def test_poisson_is_statsmodels_poisson_to_six_digits(fits, everything):
    exog, y = everything["X"].values, everything["y"].values
    theirs = sm.Poisson(y, exog).fit(disp=0, tol=1e-12)
    np.testing.assert_allclose(fits["poisson"].params, theirs.params, rtol=1e-6)
    np.testing.assert_allclose(fits["poisson"].standard_errors("observed"), theirs.bse, rtol=1e-6)


def test_nb2_is_statsmodels_negative_binomial_once_polished(fits, everything):
    model = sm.NegativeBinomial(everything["y"].values, everything["X"].values)
    start = np.append(fits["poisson"].params.to_numpy(), 1.0)
    params = polished(model, model.fit(start_params=start, disp=0, maxiter=500))
    ours = fits["negative_binomial"]
    np.testing.assert_allclose(ours.params.iloc[:-1], params[:-1], rtol=1e-6)
    assert ours.params["alpha"] == pytest.approx(1 / params[-1], rel=1e-6)
    errors = np.sqrt(np.diag(np.linalg.inv(-model.hessian(params))))
    np.testing.assert_allclose(ours.standard_errors("observed").iloc[:-1], errors[:-1], rtol=1e-6)


def test_rows_of_one_person_hang_together(fits):
    # Figures of the project's brief, computed independently: .0146 by run against .0090 by row,
    # and an optimism of 182 against 72.
    evaluation = wb.evaluate(fits["negative_binomial"])
    assert evaluation.cross_entropy.se == pytest.approx(0.0146, abs=5e-5)
    assert information.mean(evaluation.pointwise).se == pytest.approx(0.0090, abs=5e-5)
    assert fits["poisson"].effective_parameters == pytest.approx(182, abs=0.5)
    fit = fits["poisson"]
    by_row = np.trace(np.linalg.solve(fit.optimum.information, score_products(fit, None)))
    assert by_row == pytest.approx(72, abs=0.5)


def test_no_person_stands_on_both_sides():
    train, test = wb.Study.read(FOLDER / "study.toml").tables()
    assert not set(train.frame["person"]) & set(test.frame["person"])
    assert len(test) / 20190 == pytest.approx(0.25, abs=0.001)


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("compare", FOLDER / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.comparison()


@pytest.mark.slow
def test_the_script_and_the_study_find_the_same(script):
    found = wb.Study.read(FOLDER / "study.toml").run()
    assert [c.name for c in found.ranking.contenders] == list(script.evaluations)
    for contender in found.ranking.contenders:
        evaluation = script.evaluations[contender.name]
        # Their jittered starts differ: the same optimum to a millionth of a standard error, by
        # which a mean over other rows than were fitted moves in the first order.
        assert contender.cross_entropy.value == pytest.approx(
            evaluation.cross_entropy.value, rel=1e-7
        )
        assert contender.cross_entropy.se == pytest.approx(evaluation.cross_entropy.se, rel=1e-6)
    others = {(fit.name, check.code, check.outcome)
              for fit in found.fits for check in fit.checks if check.outcome != "pass"}  # fmt: skip
    assert others == {("Hurdle negative binomial", "namesake", "n/a")}  # statsmodels has another
    assert found.ranking.rows_hash == script.evaluations["Poisson"].rows_hash


@pytest.mark.slow
def test_the_hurdle_model_is_scipys_formula_by_hand(script):
    table = wb.read(FOLDER / "visits.csv.gz", group="person")
    train, test = wb.split(table, heldout=0.25, rng=np.random.default_rng(20261123))
    plan = wb.design(FORMULA, train)
    fit = wb.maximum_likelihood(wb.bind(counts.hurdle_negative_binomial, plan(train)))
    data = plan(test)
    X, y, params = data["X"].values, data["y"].values, fit.params.to_numpy()
    mu, alpha = np.exp(X @ params[:10]), params[10]
    log_zero = stats.logistic.logcdf(X @ params[11:])
    log_some = stats.logistic.logsf(X @ params[11:])
    count = stats.nbinom(alpha, alpha / (alpha + mu))
    nll = -np.where(y == 0, log_zero, log_some + count.logpmf(y) - count.logsf(0))
    found = script.evaluations["Hurdle negative binomial"]
    assert found.cross_entropy.value == pytest.approx(nll.mean(), rel=1e-10)
