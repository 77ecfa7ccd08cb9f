"""One PyMC declaration: maximum likelihood and MAP, checked, and related to cross-entropy and KL.

import workbench as wb
from models import counts

table = wb.read("visits.csv.gz", group="person")
train, test = wb.split(table, heldout=0.25)
design = wb.design("mdvis ~ lncoins + idp", train)
fit = wb.maximum_likelihood(wb.bind(counts.poisson, design(train)))
wb.evaluate(fit, design(test)).cross_entropy
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.agreement import Agreement, Checks, check
    from workbench.comparison import Comparison, Difference, compare
    from workbench.cross_validation import CrossValidation, cross_validate
    from workbench.errors import DataError, ModelError, StudyError, WorkbenchError
    from workbench.estimate import (
        Estimate,
        Laplace,
        fit,
        likelihood_ratio_test,
        maximum_a_posteriori,
        maximum_likelihood,
        prior_pull,
    )
    from workbench.evaluation import Evaluation, evaluate
    from workbench.findings import Findings
    from workbench.formula import Design, design
    from workbench.information import Divergence, Mean
    from workbench.learning import LearningCurve, learning_curve
    from workbench.leaving_out import LeaveOneOut, leave_one_out
    from workbench.leverage import Influence, influence
    from workbench.predictive import Predictive, predictive_cross_entropy
    from workbench.problem import Problem, bind
    from workbench.report import write_pages
    from workbench.reweighting import PsisLoo, psis_loo
    from workbench.study import Study
    from workbench.table import Folds, Table, drop_missing, folds, read, split

# Where each public name lives; imported when first asked for, so that `import workbench` is
# quick and drawing a page needs no PyMC.
HOMES = {
    "agreement": ("Agreement", "Checks", "check"),
    "comparison": ("Comparison", "Difference", "compare"),
    "cross_validation": ("CrossValidation", "cross_validate"),
    "errors": ("DataError", "ModelError", "StudyError", "WorkbenchError"),
    "estimate": (
        "Estimate",
        "Laplace",
        "fit",
        "likelihood_ratio_test",
        "maximum_a_posteriori",
        "maximum_likelihood",
        "prior_pull",
    ),
    "evaluation": ("Evaluation", "evaluate"),
    "findings": ("Findings",),
    "formula": ("Design", "design"),
    "information": ("Divergence", "Mean"),
    "learning": ("LearningCurve", "learning_curve"),
    "leaving_out": ("LeaveOneOut", "leave_one_out"),
    "leverage": ("Influence", "influence"),
    "predictive": ("Predictive", "predictive_cross_entropy"),
    "problem": ("Problem", "bind"),
    "report": ("write_pages",),
    "reweighting": ("PsisLoo", "psis_loo"),
    "study": ("Study",),
    "table": ("Folds", "Table", "drop_missing", "folds", "read", "split"),
}
_HOME = {name: module for module, names in HOMES.items() for name in names}

__all__ = [
    "Agreement",
    "Checks",
    "Comparison",
    "CrossValidation",
    "DataError",
    "Design",
    "Difference",
    "Divergence",
    "Estimate",
    "Evaluation",
    "Findings",
    "Folds",
    "Influence",
    "Laplace",
    "LearningCurve",
    "LeaveOneOut",
    "Mean",
    "ModelError",
    "Predictive",
    "Problem",
    "PsisLoo",
    "Study",
    "StudyError",
    "Table",
    "WorkbenchError",
    "bind",
    "check",
    "compare",
    "cross_validate",
    "design",
    "drop_missing",
    "evaluate",
    "fit",
    "folds",
    "influence",
    "learning_curve",
    "leave_one_out",
    "likelihood_ratio_test",
    "maximum_a_posteriori",
    "maximum_likelihood",
    "predictive_cross_entropy",
    "prior_pull",
    "psis_loo",
    "read",
    "split",
    "write_pages",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'workbench' has no attribute {name!r}")
    return getattr(import_module(f"workbench.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
