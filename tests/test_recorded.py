"""Losses of the outcome as recorded: changes of variables, rounding, atoms and order in time."""

import numpy as np
import pandas as pd
import pymc as pm
import pytest
from scipy import stats

import workbench as wb
from models import continuous, counts, positive
from tests.declarations import dataset, tobit
from workbench import density, recorded
from workbench.formula import UNCHANGED

RNG = np.random.default_rng(41)
X = RNG.normal(size=400)
Y = RNG.gamma(2.0, np.exp(1.0 + 0.3 * X) / 2.0)
FRAME = pd.DataFrame({"y": Y, "x": X, "t": np.arange(400)})


def fitted(definition, formula, frame=FRAME, rows=200, **declared):
    """A fit on the first rows, and its evaluation on the others."""
    table = wb.read(frame, **declared)
    train, test = table.take(np.arange(rows)), table.take(np.arange(rows, len(frame)))
    design = wb.design(formula, train)
    fit = wb.maximum_likelihood(wb.bind(definition, design(train)))
    return fit, wb.evaluate(fit, design(test))


@pytest.fixture(scope="module")
def found():
    ways = {
        "gamma": (positive.gamma, "y ~ x"),
        "lognormal": (positive.lognormal, "y ~ x"),
        "normal of log": (continuous.normal, "log(y) ~ x"),
    }
    return {name: fitted(*way) for name, way in ways.items()}


def test_a_normal_of_the_logarithm_is_a_lognormal(found):
    fit, evaluation = found["normal of log"]
    beta, sigma = fit.params.to_numpy()[:2], fit.params["sigma"]
    mu = beta[0] + beta[1] * X[200:]
    expected = -stats.lognorm.logpdf(Y[200:], sigma, scale=np.exp(mu))
    np.testing.assert_allclose(evaluation.pointwise, expected, rtol=1e-12)
    np.testing.assert_array_equal(evaluation.observed, Y[200:])
    own = -stats.lognorm.logpdf(Y[:200], sigma, scale=np.exp(beta[0] + beta[1] * X[:200]))
    assert evaluation.training_nll == pytest.approx(own.mean(), rel=1e-12)
    np.testing.assert_allclose(evaluation.pit, found["lognormal"][1].pit, atol=1e-6)


def test_the_change_is_the_mean_logarithm_and_no_better_model(found):
    """On the logarithm's own scale the normal's loss is lower than gamma's; on y it is not."""
    fit, evaluation = found["normal of log"]
    logs = dataset(np.log(Y[200:]), X[200:])
    beta, sigma = fit.params.to_numpy()[:2], fit.params["sigma"]
    on_logs = -stats.norm.logpdf(logs["y"], beta[0] + beta[1] * X[200:], sigma).mean()
    changed = evaluation.cross_entropy.value
    assert changed == pytest.approx(on_logs + np.log(Y[200:]).mean(), rel=1e-12)
    assert on_logs < found["gamma"][1].cross_entropy.value < changed


def test_models_on_two_scales_are_compared_on_the_recorded_one(found):
    ranked = wb.compare({name: evaluation for name, (_, evaluation) in found.items()})
    gap = ranked.difference("normal of log", "lognormal")
    assert gap.value == pytest.approx(0, abs=1e-9)
    gap, known = (ranked.difference(name, "gamma") for name in ("normal of log", "lognormal"))
    assert gap.spread.sd == pytest.approx(known.spread.sd, rel=1e-6)  # the same draws of gamma's
    back, again = (ranked._spreads_under(name)["gamma"] for name in ("normal of log", "lognormal"))
    assert back.sd == pytest.approx(again.sd, rel=0.1)  # draws of their own, undone


def test_a_unit_moves_every_cross_entropy_alike(found):
    """y to 100 y: CE + log 100, KL and differences as they are (theory: 14)."""
    hundred = FRAME.assign(y=100 * Y)
    gamma = fitted(positive.gamma, "y ~ x", hundred)[1]
    lognormal = fitted(positive.lognormal, "y ~ x", hundred)[1]
    before = found["gamma"][1]
    shift = gamma.cross_entropy.value - before.cross_entropy.value
    assert shift == pytest.approx(np.log(100), abs=1e-6)
    assert gamma.kl.mean.value == pytest.approx(before.kl.mean.value, abs=1e-5)
    gap = (gamma.pointwise - lognormal.pointwise).mean()
    own = (before.pointwise - found["lognormal"][1].pointwise).mean()
    assert gap == pytest.approx(own, abs=1e-6)
    undone = fitted(positive.gamma, "I(100 * y) ~ x")[1]
    assert undone.cross_entropy.value == pytest.approx(before.cross_entropy.value, abs=1e-6)


def test_a_change_can_be_named_for_a_column_that_was_stored_changed(found):
    logs = dataset(np.log(Y), X)
    fit = wb.maximum_likelihood(wb.bind(continuous.normal, logs.isel(row=slice(200))))
    test = logs.isel(row=slice(200, 400))
    named = wb.evaluate(fit, test, change="log(y)")
    by_formula = found["normal of log"][1]
    np.testing.assert_allclose(named.pointwise, by_formula.pointwise, rtol=1e-6)
    assert named.rows_hash == by_formula.rows_hash  # though exp(log y) is y but to 15 digits
    wb.compare({"named": named, "gamma": found["gamma"][1]})
    with pytest.raises(wb.DataError, match=r"the outcome of the model is .* which is no sqrt\(y\)"):
        wb.evaluate(fit, test, change="sqrt(y)")
    with pytest.raises(wb.DataError, match="not evaluated on the same rows"):
        wb.compare({"unnamed": wb.evaluate(fit, test), "gamma": found["gamma"][1]})


def test_the_mean_of_a_changed_outcome_is_not_told(found):
    with pytest.raises(wb.ModelError, match=r"expects a mean of log\(y\)"):
        _ = found["normal of log"][1].expected


WIDTH = 0.1
ROUNDED = FRAME.assign(y=np.maximum(np.rint(Y / WIDTH), 1) * WIDTH)


def test_a_rounded_outcome_has_the_loss_of_its_cell():
    fit, evaluation = fitted(positive.gamma, "y ~ x", ROUNDED, width=WIDTH)
    mu = np.exp(fit.params.iloc[0] + fit.params.iloc[1] * X[200:])
    shape, y = fit.params["alpha"], ROUNDED["y"].to_numpy()[200:]
    law = stats.gamma(shape, scale=mu / shape)
    cells = law.cdf(y + WIDTH / 2) - law.cdf(y - WIDTH / 2)
    np.testing.assert_allclose(evaluation.pointwise, -np.log(cells), rtol=1e-9)
    by_density = -law.logpdf(y) - np.log(WIDTH)
    assert evaluation.cross_entropy.value == pytest.approx(by_density.mean(), abs=2e-3)
    assert evaluation.atoms.all()
    assert np.isfinite(evaluation.kl.mean.value)  # ties are told apart within their cells
    changed = fitted(continuous.normal, "log(y) ~ x", ROUNDED, width=WIDTH)[1]
    same = fitted(positive.lognormal, "y ~ x", ROUNDED, width=WIDTH)[1]
    np.testing.assert_allclose(changed.pointwise, same.pointwise, rtol=1e-6)


def test_a_declared_width_lets_a_density_meet_a_probability():
    whole = FRAME.assign(y=np.rint(3 * Y))
    evaluations = {
        "normal": fitted(continuous.normal, "y ~ x", whole, width=1.0)[1],
        "NB2": fitted(counts.negative_binomial, "y ~ x", whole, width=1.0)[1],
    }
    assert wb.compare(evaluations).best == "NB2"
    undeclared = fitted(continuous.normal, "y ~ x", whole)[1]
    with pytest.raises(wb.DataError, match=r"probabilities, the other densities.* rounding width"):
        wb.compare({"normal": undeclared, "NB2": evaluations["NB2"]})


def test_rounded_normals_have_their_known_cross_entropy():
    """Theory 24: N(0, 1) against N(.5, 1.5^2) in cells of .5, by 40-digit arithmetic."""
    recording = recorded.Recording(UNCHANGED, 0.5)
    truth, model = (density.Distribution("Normal", (np.array(m), np.array(s)))
                    for m, s in ((0.0, 1.0), (0.5, 1.5)))  # fmt: skip
    low, high = recording.cell(np.arange(-80, 81) * 0.5)
    p, q = (density.log_interval(of, low, high) for of in (truth, model))
    assert -np.exp(p) @ q == pytest.approx(2.30197801722627, abs=1e-13)
    assert np.exp(p) @ (p - q) == pytest.approx(0.179582665069055, abs=1e-13)


def hurdle(data):
    """A share of zeros, and else a lognormal."""
    with pm.Model() as model:
        y = pm.Data("y", data["y"], dims="row")
        psi, sigma = pm.Beta("psi", 1, 1), pm.HalfNormal("sigma", 5.0)
        pm.HurdleLogNormal("outcome", psi=psi, mu=pm.Normal("mu", 0, 10), sigma=sigma, observed=y)
    return model


ZEROS = FRAME.assign(y=np.where(RNG.random(400) < 0.3, 0.0, Y))


@pytest.mark.slow
def test_a_density_is_not_compared_with_a_model_that_has_an_atom():
    several = {
        "hurdle": fitted(hurdle, "y ~ 1", ZEROS)[1],
        "normal": fitted(continuous.normal, "y ~ 1", ZEROS)[1],
    }
    message = r"the outcome 0 at row \d+ \(and \d+ more\) has a probability under one of them"
    with pytest.raises(wb.DataError, match=message):
        wb.compare(several)
    censored = fitted(tobit, "y ~ x", ZEROS)[1]
    wb.compare({"hurdle": several["hurdle"], "tobit": censored})  # both have the atom at 0


def test_the_two_parts_of_a_hurdle_add_up(found):
    fit, evaluation = fitted(hurdle, "y ~ 1", ZEROS)
    share, at, beside = evaluation.atom_parts
    zero = ZEROS["y"].to_numpy()[200:] == 0
    assert share == zero.mean()
    psi = fit.params["psi"]
    assert at.value == pytest.approx(-zero.mean() * np.log1p(-psi), rel=1e-9)
    assert at.value + beside.value == pytest.approx(evaluation.cross_entropy.value, rel=1e-12)
    assert found["gamma"][1].atom_parts is None


def test_a_series_has_errors_by_blocks_in_time():
    evaluation = fitted(continuous.normal, "y ~ x", time="t")[1]
    blocks = np.arange(200) * 16 // 200  # 2 x 200^(1/3) rows to a block, 16 of them
    np.testing.assert_array_equal(evaluation.clusters, blocks)
    assert evaluation.cross_entropy.clusters == 16
    assert "not independent" in evaluation.kl.reason or evaluation.kl.p_value is None
    fit, _ = fitted(continuous.normal, "y ~ x")
    left_out = wb.leave_one_out(fitted(continuous.normal, "y ~ x", time="t")[0])
    assert left_out.cross_entropy.clusters == 16
    cut = wb.evaluate(
        fit, dataset(Y[200:], X[200:]).assign_coords(term=["Intercept", "x"]), blocks=5
    )
    assert cut.cross_entropy.clusters == 5
