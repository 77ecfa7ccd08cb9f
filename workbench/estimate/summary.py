"""An estimate as text."""

from typing import TYPE_CHECKING

import pandas as pd

from workbench.estimate.covariances import COVARIANCES, few_groups, too_few

if TYPE_CHECKING:
    from workbench.estimate.result import Estimate


def summary(fit: "Estimate") -> str:
    """What was maximised, the verdict with its advice, and the table of parameters."""
    table = pd.DataFrame({"estimate": fit.params, "se": fit.bse}).join(fit.conf_int())
    return "\n".join([*_heading(fit), "", table.to_string(float_format="%.5g")])


def _heading(fit: "Estimate") -> list[str]:
    verdict = fit.optimum.verdict
    what = "Maximum likelihood" if fit.objective == "likelihood" else "Maximum a posteriori"
    lines = [
        f"{what} of {fit.problem.name}: {fit.status}",
        f"log-likelihood {fit.llf:.6g} nats, n {fit.nobs:g}, k {fit.k}, "
        f"standard errors: {COVARIANCES[fit.covariance_kind]}",
    ]
    if fit.free is not None:
        lines.append(f"held: {', '.join(fit.held)}")
    if fit.bounds is not None:
        lines.append(f"bounds: {fit.bounds.said}")
    if few_groups(fit):
        lines.append(f"no {too_few(fit)}")
    if verdict.determined and verdict.bounded:
        lines.append(f"no better point from {len(fit.optimum.starts)} starts; "
                     f"Newton step left {verdict.step:.1g} standard errors")  # fmt: skip
    if verdict.advice:
        lines.append(verdict.advice)
    return lines
