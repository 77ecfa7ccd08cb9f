"""How each published fit is declared, and what of ours its parameters are called."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import xarray as xr

import workbench as wb
from models import (
    binary,
    categorical,
    circular,
    continuous,
    counts,
    multivariate,
    ordered,
    positive,
    proportions,
)
from tests.published import categories, groups, lifetimes, regressions, samples
from tests.published.records import PUBLISHED, dataset, table, terms
from workbench.estimate.expressions import evaluated


@dataclass(frozen=True)
class Declared:
    """A definition, and how it takes the record's columns.

    names
        Published name -> our expression, where it is neither a term nor the same.
    further
        Predictor by the definition's name -> the record's list of its terms.
    columns
        What the definition reads as it is, or under another name: name -> column.
    turned
        Coefficients that have the other sign in the source.
    errors
        The kind of the errors that the source prints ("": another one), and of some parameters.
    data
        The Dataset of a record where it is no design of its terms.
    """

    definition: Callable
    names: Mapping[str, str] = field(default_factory=dict)
    further: Mapping[str, str] = field(default_factory=dict)
    formula: str | None = None
    columns: Sequence[str] | Mapping[str, str] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, float] | None = None
    errors: str = "observed"
    errors_of: Mapping[str, str] = field(default_factory=dict)
    data: Callable | None = None
    turned: str = ""


def as_outcomes(frame):
    """Several numbers a row, and an intercept alone."""
    return xr.Dataset(
        {
            "y": (("row", "outcome"), frame.to_numpy(float)),
            "X": (("row", "term"), np.ones((len(frame), 1))),
        },
        {"outcome": list(frame), "term": ["Intercept"]},
    )


# Of the Cholesky factor, whose rows are packed one after the other.
COVARIANCE = {
    "m1": "beta[Sepal.Length, Intercept]",
    "m2": "beta[Sepal.Width, Intercept]",
    "m3": "beta[Petal.Length, Intercept]",
    "S11": "factor[0] ** 2",
    "S21": "factor[0] * factor[1]",
    "S31": "factor[0] * factor[3]",
    "S22": "factor[1] ** 2 + factor[2] ** 2",
    "S32": "factor[1] * factor[3] + factor[2] * factor[4]",
    "S33": "factor[3] ** 2 + factor[4] ** 2 + factor[5] ** 2",
}
LOGNORMAL = {"meanlog": "beta[Intercept]", "sdlog": "sigma"}
GAMMA = {"shape": "alpha", "rate": "alpha / exp(beta[Intercept])"}
INFLATION = {"zero": "inflation_design"}
ZERO_PART = {"zero": "zero_part_design"}
RIGHT, EITHER = ("status",), ("status", "t2")
OFFSET = {"offset": "ln_service"}
CLUSTERED = {"group": "ship"}

FITS = {
    # Distributions
    "dist.groundbeef_gamma": Declared(positive.gamma, GAMMA),
    "dist.groundbeef_lnorm": Declared(positive.lognormal, LOGNORMAL),
    "dist.endosulfan_burr": Declared(samples.burr),
    "dist.danishuni_lnorm": Declared(positive.lognormal, LOGNORMAL),
    # A Pareto tail from zero: the generalised one by other parameters.
    "dist.danishuni_pareto2": Declared(
        positive.generalised_pareto, {"shape": "1 / xi", "scale": "exp(beta[Intercept]) / xi"}
    ),
    "dist.aircondit_exp": Declared(positive.exponential, {"rate": "exp(-beta[Intercept])"}),
    "dist.newcomb_logistic": Declared(samples.logistic),
    "dist.abbey_lnorm": Declared(positive.lognormal, LOGNORMAL),
    "dist.rivers_lnorm": Declared(positive.lognormal, LOGNORMAL),
    "dist.rivers_gamma": Declared(positive.gamma, GAMMA),
    "dist.discoveries_pois": Declared(counts.poisson, {"lambda": "exp(beta[Intercept])"}),
    "dist.quinedays_geom": Declared(samples.geometric),
    "dist.quinedays_nbinom": Declared(
        counts.negative_binomial, {"size": "alpha", "mu": "exp(beta[Intercept])"}
    ),
    "dist.precip_norm": Declared(continuous.normal, {"mean": "beta[Intercept]", "sd": "sigma"}),
    "dist.oxford_gev": Declared(samples.extreme_value),
    "dist.pigeonsv1_vonmises": Declared(
        circular.von_mises, {"mu": "2 * atan(beta[Intercept])"}, data=lambda case: turned(case)
    ),
    "dist.iris_setosa_mvn": Declared(
        multivariate.normal,
        names=COVARIANCE,
        data=lambda case: as_outcomes(table(case).frame),
    ),
    # Generalised linear models. Of the gamma and the inverse Gaussian three likelihoods are in
    # use; `refined` is Stata's, whose dispersion is 1. The others, and the errors that R prints
    # under Pearson's dispersion, stand in test_published.
    "glm.cancer_gamma_identity": Declared(
        regressions.gamma_identity, fixed={"shape": 1.0}, errors=""
    ),
    "glm.medpar_invgauss_identity": Declared(
        regressions.inverse_gaussian, fixed={"lambda": 1.0}, errors=""
    ),
    "glm.cpunish_poisson": Declared(counts.poisson),
    "glm.cpunish_scaled_poisson": Declared(counts.poisson),
    # Discrete outcomes
    "disc.spector_logit": Declared(binary.logit),
    "disc.spector_probit": Declared(binary.probit),
    "disc.spector_logit_constraint1": Declared(binary.logit, fixed={"beta[gpa]": 2.8}),
    "disc.spector_logit_robust": Declared(binary.logit, errors="sandwich"),
    "disc.anes96_mnlogit": Declared(categorical.multinomial_logit),
    "disc.randhie_poisson": Declared(counts.poisson),
    # Stata's alpha, the dispersion, is the inverse of ours; the slopes' errors are R's glm.nb's.
    "disc.randhie_nb2": Declared(
        counts.negative_binomial,
        {"alpha": "1 / alpha"},
        errors="expected",
        errors_of={"alpha": "observed"},
    ),
    "disc.randhie_nb1": Declared(counts.negative_binomial_1, {"alpha": "delta"}),
    "disc.randhie_gp2": Declared(counts.generalised_poisson, {"alpha": "phi"}),
    "disc.randhie_zero_inflated_poisson_logit": Declared(
        counts.zero_inflated_poisson, further=INFLATION
    ),
    "disc.randhie_zinb": Declared(
        counts.zero_inflated_negative_binomial, {"alpha": "1 / alpha"}, further=INFLATION
    ),
    "disc.randhie_truncated_poisson": Declared(regressions.poisson_above(5)),
    "disc.docvis_trunc_poisson": Declared(counts.truncated_poisson),
    "disc.docvis_trunc_poisson1": Declared(regressions.poisson_above(1)),
    "disc.ships_poisson_exposure_clu": Declared(
        counts.poisson, roles=OFFSET | CLUSTERED, errors="cluster"
    ),
    "disc.ships_poisson_clu": Declared(counts.poisson, roles=CLUSTERED, errors="cluster"),
    "disc.ships_negbin_exposure_nonrobust": Declared(
        counts.negative_binomial, {"alpha": "1 / alpha"}, roles=OFFSET
    ),
    # The constraint age4 = age5 is one term.
    "disc.doctors_poisson_exposure_constraint": Declared(
        counts.poisson,
        dict.fromkeys(["age4", "age5"], "beta[I(age4 + age5)]"),
        formula="deaths ~ smokes + age2 + age3 + I(age4 + age5)",
        roles={"offset": "lnpyears"},
    ),
    "disc.condpoisson_1d": Declared(
        groups.conditional, data=lambda case: groups.in_groups(table(case).frame, "g", "y", ["x1"])
    ),
    "disc.ucla_ordered_logit": Declared(ordered.logit),
    "disc.ucla_ordered_cloglog": Declared(categories.ordered_cloglog),
    "disc.methylation_beta_logprec": Declared(
        proportions.variable_precision_beta, further={"precision": "precision_design"}
    ),
    "disc.foodexpenditure_beta": Declared(proportions.beta, errors="expected"),
    # Censored outcomes
    "cens.lung_weibull": Declared(lifetimes.weibull_lifetimes, columns=RIGHT),
    "cens.kidney_weibull": Declared(lifetimes.weibull_lifetimes, columns=RIGHT),
    "cens.gehan_weibull": Declared(lifetimes.weibull_lifetimes, columns=RIGHT),
    "cens.capacitor_weibull": Declared(lifetimes.weibull_lifetimes, columns=RIGHT),
    "cens.fluazinam_lognormal": Declared(lifetimes.lognormal_lifetimes, columns=RIGHT),
    "cens.tobin_tobit": Declared(lifetimes.tobit, columns=RIGHT),
    "cens.affairs_tobit": Declared(lifetimes.tobit, columns=RIGHT),
    "cens.bcdeter_weibull": Declared(lifetimes.interval_weibull, columns=EITHER),
    "cens.salinity_loglogistic": Declared(lifetimes.interval_loglogistic, columns=EITHER),
    "cens.smokedfish_norm": Declared(lifetimes.interval_normal, columns=EITHER),
    # Regressions that R prints
    "rreg.birthwt_logit": Declared(binary.logit),
    "rreg.infert_logit": Declared(binary.logit),
    "rreg.mroz_logit": Declared(binary.logit),
    "rreg.dobson_poisson": Declared(counts.poisson),
    "rreg.insectsprays_poisson": Declared(counts.poisson),
    "rreg.clotting_gamma_lot2": Declared(regressions.gamma_inverse, errors="expected"),
    "rreg.clotting_gamma_lot1_log": Declared(
        positive.gamma, {"shape": "alpha"}, errors="expected"
    ),
    "rreg.biochem_zip": Declared(counts.zero_inflated_poisson, further=ZERO_PART),
    "rreg.biochem_zinb": Declared(
        counts.zero_inflated_negative_binomial, {"theta": "alpha"}, further=ZERO_PART
    ),
    # R's zero part is the log-odds of a count above zero, ours those of a zero.
    "rreg.biochem_hurdle_pois": Declared(counts.hurdle_poisson, further=ZERO_PART, turned="gamma"),
    "rreg.stats4_hyperbola": Declared(regressions.hyperbola, columns=("x",)),
    "rreg.wine_clm_logit": Declared(ordered.logit),
    "rreg.irisbin_mnlogit": Declared(categorical.multinomial_logit),
    "rreg.lirat_betabinom_hb": Declared(
        binary.beta_binomial, {"M": "phi"}, columns={"trials": "m"}
    ),
    "rreg.infert_clogit": Declared(
        categorical.conditional_logit,
        formula="case ~ 0 + spontaneous + induced",
        roles={"group": "stratum"},
    ),
    "rreg.lakehuron_ar2": Declared(
        groups.autoregression, data=lambda case: groups.lagged(table(case).frame)
    ),
    "rreg.sleepstudy_ri": Declared(
        groups.random_intercept,
        {"sd_subject": "sd_group"},
        data=lambda case: groups.in_groups(
            table(case).frame, "Subject", "Reaction", ["Intercept", "Days"]
        ),
    ),
}  # fmt: skip


def design_of(case):
    """The Dataset on which a case is declared."""
    declared, model = FITS[case], PUBLISHED[case]["model"]
    if declared.data:
        return declared.data(case)
    further = {
        name: f"~ {terms([term.removeprefix('z_') for term in model[listed]])}"
        for name, listed in declared.further.items()
    }
    return dataset(case, declared.formula, declared.columns, declared.roles, **further)


@cache
def fit_of(case):
    """The fit of a case; the same one for every test."""
    problem = wb.bind(FITS[case].definition, design_of(case))
    return wb.maximum_likelihood(problem, fixed=FITS[case].fixed)


def expressions(case):
    """Our expression of each published parameter, in their order."""
    return [_ours(case, name) for name in PUBLISHED[case]["param_names"]]


SYMBOLS = {"inflate:": "gamma", "z_": "gamma", "prec:": "precision"}  # of further predictors


def _ours(case, name):
    if name in FITS[case].names:
        return FITS[case].names[name]
    for prefix, symbol in SYMBOLS.items():
        if name.startswith(prefix):
            sign = "-" * (FITS[case].turned == symbol)
            return f"{sign}{symbol}[{_term(name.removeprefix(prefix))}]"
    if category := re.fullmatch(r"(\d+):(.*)", name):
        return f"beta[{category[1]}, {_term(category[2])}]"
    if cut := re.fullmatch(r"cut(\d+)", name):
        first = 1 if FITS[case].definition is categories.ordered_cloglog else 0
        return f"cut[{int(cut[1]) - 1 + first}]"
    is_term = name in PUBLISHED[case]["model"].get("design", [])
    return f"beta[{_term(name)}]" if is_term else name


def _term(name):
    return "Intercept" if name == "const" else name


def errors_as_printed(case):
    """Standard errors of the source's kinds, in the published order."""
    declared, fit, ours = FITS[case], fit_of(case), expressions(case)
    names = PUBLISHED[case]["param_names"]
    kinds = [declared.errors_of.get(name, declared.errors) for name in names]
    tables = {kind: fit.derived(*ours, kind=kind)["se"].to_numpy() for kind in set(kinds)}
    errors = np.array([tables[kind][place] for place, kind in enumerate(kinds)])
    if declared.errors == "sandwich":  # Stata's vce(robust)
        errors *= np.sqrt(fit.nobs / (fit.nobs - 1))
    return errors


def natural(case, values):
    """Natural values by label at which our expressions have the published values.

    By Newton's method; what no expression reads stays at the estimate.
    """
    fit, here = fit_of(case), fit_of(case).params.to_numpy().copy()
    for _ in range(50):
        told = [evaluated(one, list(fit.params.index), here) for one in expressions(case)]
        left = np.array([one.value for one in told]) - np.asarray(values, float)
        step = np.linalg.lstsq(np.array([one.gradient for one in told]), -left)[0]
        here = here + step
        if np.abs(step).max() <= 1e-15 * np.abs(here).max():
            break
    return dict(zip(fit.params.index, here, strict=True))


def turned(case):
    """The angles between -pi and pi, and an intercept alone."""
    data = dataset(case)
    return data.assign(y=(data["y"] + np.pi) % (2 * np.pi) - np.pi)
