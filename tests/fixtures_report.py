"""Findings of a made-up study: four count models on rows in groups, one unranked, one failed.

The rows are drawn from a negative binomial with SciPy, the models are SciPy's distributions, and
all averages are information.py's own, so that the page's numbers hang together.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy import stats

from workbench import information
from workbench.findings import (
    BaselineFound,
    CheckFound,
    Contender,
    DataFound,
    DivergenceFound,
    FailedModel,
    Findings,
    FitFound,
    HeldoutFound,
    NestedFound,
    ParameterFound,
    Provenance,
    Quantity,
    Ranking,
    StartFound,
    VerdictFound,
)

NASTY = "<script>alert(1)</script>"
RIVALS = ("Hurdle NB", "Negative binomial", "Zero-inflated Poisson", "Poisson")
LARGEST = 80
LATEX = {
    "Poisson": r"y_i \sim \mathrm{Poisson}(\mu_i), \quad \log \mu_i = x_i^\top \beta",
    "Negative binomial": r"y_i \sim \mathrm{NB}(\mu_i, \alpha), \quad \log \mu_i = x_i^\top \beta",
    "Zero-inflated Poisson": (
        r"y_i \sim \pi_i\, \delta_0 + (1 - \pi_i)\, \mathrm{Poisson}(\mu_i), \quad "
        r"\operatorname{logit} \pi_i = z_i^\top \gamma"
    ),
}
TERMS = ("Intercept", "lncoins", "physlm", NASTY, "a$b$_c")


def count_findings(
    *, rows: int = 1000, seed: int = 1, shift: float = 1.0, names: Sequence[str] = RIVALS
) -> Findings:
    """A study of `names`, those of RIVALS, in order; `shift` drives the models apart."""
    rng = np.random.default_rng(seed)
    groups = np.sort(rng.integers(0, rows // 4, rows))
    mean = np.exp(rng.normal(0.7, 0.5, rows) + 0.4 * rng.normal(size=groups.max() + 1)[groups])
    observed = stats.nbinom.rvs(0.9, 0.9 / (0.9 + mean), random_state=rng)
    mass = {name: _probabilities(name, mean, shift) for name in names}
    trees = {name: _tree(mass[name], observed, mean, groups, rng) for name in names}
    losses = {name: trees[name]["heldout/nll"].values for name in names}
    ordered = sorted(names, key=lambda name: losses[name].mean())
    flat = np.broadcast_to(
        _probabilities("Poisson", np.full(1, mean.mean()), 0), mass[names[0]].shape
    )
    baseline = -np.log(flat[np.arange(rows), observed])
    fits = [_fit(name, losses[name], baseline, groups) for name in names]
    competitor = min(fits, key=lambda fit: fit.training_nll).name
    return Findings(
        title=f"Doctor visits {NASTY}",
        question="Which count model predicts best, and at least how far is each from the truth?",
        data=_data(rows, int(groups.max()) + 1),
        fits=(*fits, _unranked(fits[-1])),
        failed=(FailedModel(name="Tobit & co", define="counts:tobit",
                            reason=f"no column '{NASTY}', did you mean 'mdvis'?"),),
        baseline=BaselineFound(define="counts:poisson", training_nll_per_row=float(baseline.mean()),
                               cross_entropy=_quantity(baseline, groups)),
        ranking=Ranking(
            contenders=tuple(_contender(name, ordered[0], competitor, losses, groups)
                             for name in ordered),
            unranked={"Unidentified": "its optimum is not regular: not identified"},
            limit=information.simultaneous_z(max(len(names) - 1, 1)), level=0.95, smallest=4.0,
            reference=names[-1], competitor=competitor, rows=rows, rows_hash="f" * 64,
            flags=(f"a flag about {NASTY}",)),
        nested=(NestedFound(small="Poisson", large="Negative binomial", null="boundary",
                            statistic=312.41, df=1, p_value=3.2e-70),
                NestedFound(small="Poisson", large="Hurdle NB", null="chi-squared",
                            reason=f"rows in groups are not independent {NASTY}")),
        provenance=Provenance(command="wb run study.toml", created="2026-11-23T15:00:00+00:00",
                              seed=20261123, versions={"pymc": "6.4.0", "workbench": "0.1.0"},
                              seconds=41.3),
        trees=trees | {"Unidentified": trees[names[-1]]},
    )  # fmt: skip


def _probabilities(name: str, mean: np.ndarray, shift: float) -> np.ndarray:
    """P(y = j) of each row for j up to LARGEST, (rows, LARGEST + 1), never quite zero."""
    j, mu = np.arange(LARGEST + 1), mean[:, None] * np.exp(0.1 * shift)
    negative_binomial = stats.nbinom.pmf(j, 0.9, 0.9 / (0.9 + mu))
    poisson = stats.poisson.pmf(j, mu)
    zero = 0.35
    if name == "Poisson":
        mass = poisson
    elif name == "Negative binomial":
        mass = stats.nbinom.pmf(j, 0.9 + shift, (0.9 + shift) / (0.9 + shift + mu))
    elif name == "Zero-inflated Poisson":
        mass = zero * (j == 0) + (1 - zero) * stats.poisson.pmf(j, mu / (1 - zero))
    else:
        mass = negative_binomial
    mass = 0.999 * mass + 0.001 / (LARGEST + 1)
    return mass / mass.sum(axis=1, keepdims=True)


def _tree(mass, observed, mean, groups, rng) -> xr.DataTree:
    row = np.arange(observed.size)
    cumulative = mass.cumsum(axis=1)
    at = cumulative[row, observed]
    pit = information.probability_integral_transform(at - mass[row, observed], at, rng)
    return xr.DataTree.from_dict({"heldout": xr.Dataset(
        {
            "observed": ("row", observed.astype(float)),
            "nll": ("row", -np.log(mass[row, observed])),
            "pit": ("row", np.clip(pit, 0, 1)),
            "score": ("row", stats.norm.ppf(np.clip(pit, 1e-12, 1 - 1e-12))),
            "mean": ("row", mean),
            "group": ("row", groups),
            "frequency": ("value", mass.mean(axis=0)),
        },
        coords={"row": [f"r{label}" for label in row], "value": np.arange(LARGEST + 1)},
    )})  # fmt: skip


def _quantity(values, groups) -> Quantity:
    return Quantity.of(information.mean(values, groups=groups))


def _contender(name, best, competitor, losses, groups) -> Contender:
    limit = information.simultaneous_z(max(len(losses) - 1, 1))
    above = None if name == best else _quantity(losses[name] - losses[best], groups)
    bound = None if name == competitor else _quantity(losses[name] - losses[competitor], groups)
    return Contender(
        name=name,
        cross_entropy=_quantity(losses[name], groups),
        above_best=above,
        se_rows=above and above.se,
        se_implied=above and 0.7 * above.se,
        separated=above is not None and above.value > limit * above.se,
        above_competitor=bound,
        above_reference=None if name == list(losses)[-1] else
        _quantity(losses[name] - losses[list(losses)[-1]], groups),
    )  # fmt: skip


def _parameters(name: str) -> tuple[ParameterFound, ...]:
    labels = [f"beta[{term}]" for term in TERMS]
    if name in ("Negative binomial", "Hurdle NB"):
        labels.append("alpha")
    if name in ("Zero-inflated Poisson", "Hurdle NB"):
        labels += ["gamma[Intercept]", "gamma[physlm]"]
    known = {"Hurdle NB": 0.05}.get(name, 0.031)
    return tuple(
        ParameterFound(
            label=label, prior="HalfNormal(5)" if label == "alpha" else "Normal(0, 10)",
            support="positive" if label == "alpha" else "real", estimate=0.71 - 0.2137 * place,
            se=known, lower=None, upper=None, se_observed=known,
            map_estimate=0.71 - 0.2137 * place + 0.005 * place,
        )
        for place, label in enumerate(labels)
    )  # fmt: skip


def _checks(name: str) -> tuple[CheckFound, ...]:
    def check(code, quantity, distance, limit, unit, outcome, why=""):
        return CheckFound(code=code, quantity=quantity, ours=-1234.5678, theirs=-1234.5679,
                          distance=distance, limit=limit, unit=unit, outcome=outcome,
                          why=why)  # fmt: skip

    found = [check("starts", "starts that arrived", 0, 0, "", "pass"),
             check("gradient", "largest score", 2e-9, 1e-5, "standard errors", "pass")]  # fmt: skip
    if name == "Hurdle NB":
        why = "statsmodels ran out of its time budget; give [checks] budget more seconds"
        return (*found, check("statsmodels", "statsmodels", None, None, "", "look", why))
    found.append(check("statsmodels-llf", "log-likelihood", 3.1e-8, 1e-4, "nats", "pass"))
    for term in TERMS:
        found.append(
            check("statsmodels-estimate", f"beta[{term}]", 2.13e-5, 0.01, "standard errors", "pass")
        )
    found.append(check("statsmodels-aic", "AIC", 4.1e-8, 2e-4, "AIC", "pass"))
    if name == "Poisson":
        why = "the standard error differs by more than numerical differentiation explains"
        found.append(check("statsmodels-se", "standard error of beta[lncoins]", 0.032, 0.01,
                           "relative", "fail", why))  # fmt: skip
    return (*found, check("cluster", "groups", None, None, "", "n/a", "nothing to compare"))


def _fit(name: str, losses: np.ndarray, baseline: np.ndarray, groups: np.ndarray) -> FitFound:
    zero = name in ("Zero-inflated Poisson", "Hurdle NB")
    inside = float(losses.mean()) - 0.011
    divergence = information.calibration_divergence(
        stats.norm.ppf(np.random.default_rng(3).random(losses.size)), groups=groups
    )
    return FitFound(
        name=name, define="counts:" + name.lower().replace(" ", "_"),
        description=f"{name} regression of {NASTY}.", formula="mdvis ~ lncoins + physlm",
        predictors={"zero": "~ physlm"} if zero else {}, latex=LATEX.get(name),
        k=len(_parameters(name)), training_nll=inside * 3 * losses.size,
        training_rows=3 * losses.size, aic=2 * inside * 3 * losses.size + 20, bic=None,
        bic_units="groups", effective_parameters=23.4, se_kind="cluster",
        verdict=VerdictFound(status="a minimum", determined=True, advice="", step=3.2e-9, starts=(
            StartFound(name="own start", value=inside * 3 * losses.size, iterations=17),
            StartFound(name="initial point", value=inside * 3 * losses.size, iterations=23))),
        map_status="a minimum", parameters=_parameters(name), checks=_checks(name),
        heldout=HeldoutFound(
            cross_entropy=_quantity(losses, groups), gain=_quantity(baseline - losses, groups),
            prior_worth=_quantity(1e-3 * (losses - losses.mean()) - 1e-5, groups),
            divergence=DivergenceFound(
                estimate=Quantity.of(divergence.mean), label=divergence.label,
                floor=divergence.floor, p_value=None, reason=divergence.reason)),
        engines={"gradient": "JAX"}, tree=f"{len(name)}.nc",
    )  # fmt: skip


def _unranked(fit: FitFound) -> FitFound:
    """A fit in which nothing is known that can be unknown."""
    unknown = Quantity(value=None, se=None, count=0, unit="nats per row")
    parameters = tuple(
        one.model_copy(update={"se": None, "se_observed": None, "map_estimate": None})
        for one in fit.parameters
    )
    heldout = HeldoutFound(
        cross_entropy=unknown, gain=unknown, prior_worth=unknown,
        divergence=DivergenceFound(estimate=unknown, label="KL", floor=None, p_value=None,
                                   reason="the optimum is not regular"),
    )  # fmt: skip
    verdict = VerdictFound(
        status="not identified", determined=False, step=None, starts=(),
        advice=f"the rows cannot tell beta[{NASTY}] from beta[Intercept]; drop one of them",
    )  # fmt: skip
    unknowns = {"aic": None, "bic": None, "effective_parameters": None, "name": "Unidentified"}
    return fit.model_copy(
        update=unknowns | {"parameters": parameters, "heldout": heldout, "verdict": verdict,
                           "map_status": "not finite", "latex": r"\frac{", "tree": "u.nc"}
    )  # fmt: skip


def _data(rows: int, groups: int) -> DataFound:
    return DataFound(
        file="visits.csv.gz", source="RAND Health Insurance Experiment",
        notes=("The column person marks runs of equal person-level columns; two persons with "
               "equal columns in a row count as one.", NASTY),
        sha256="0123456789abcdef" * 4, outcome="mdvis", discrete=True, rows=4 * rows,
        training_rows=3 * rows, heldout_rows=rows, split="25 % of the groups, drawn with the seed",
        group="person", groups=4 * groups, training_groups=3 * groups, heldout_groups=groups,
    )  # fmt: skip
