"""Doctor visits: the study of `study.toml`, through the Python API."""

from pathlib import Path

import numpy as np

import workbench as wb
from models import counts

HERE = Path(__file__).parent
FORMULA = "mdvis ~ lncoins + idp + lpi + fmde + physlm + disea + hlthg + hlthf + hlthp"
MODELS = {
    "Poisson": (counts.poisson, {}),
    "Negative binomial": (counts.negative_binomial, {}),
    "Zero-inflated Poisson": (counts.zero_inflated_poisson, {"zero": "~ disea + hlthp"}),
    "Hurdle negative binomial": (counts.hurdle_negative_binomial, {}),
}


def comparison() -> wb.Comparison:
    """Each model fitted on three quarters of the persons, evaluated on the others."""
    table = wb.read(HERE / "visits.csv.gz", group="person")
    train, test = wb.split(table, heldout=0.25, rng=np.random.default_rng(20261123))
    evaluations = {}
    for name, (definition, predictors) in MODELS.items():
        design = wb.design(FORMULA, train, **predictors)
        fit = wb.maximum_likelihood(wb.bind(definition, design(train)))
        print(f"{name}: {fit.status}, training NLL {-fit.llf / fit.nobs:.4f} nats per row")
        evaluations[name] = wb.evaluate(fit, design(test))
    return wb.compare(evaluations, reference="Poisson")


if __name__ == "__main__":
    found = comparison()
    print("\nHeld-out cross-entropy in nats per row, lower is better; errors by person:")
    print(found.to_frame().to_string(float_format="%.4f"))
    for name in found.evaluations:
        kl = found.evaluations[name].kl
        print(f"{name}: {kl.label} {kl.mean.value:.3f} ± {kl.mean.se:.3f}, floor {kl.floor:.3f}")
