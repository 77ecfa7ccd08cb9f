"""Maximum likelihood and maximum a posteriori as users meet them: the labelled result."""

from workbench.estimate.fitting import maximum_a_posteriori, maximum_likelihood
from workbench.estimate.hypotheses import HypothesisTest, likelihood_ratio_test
from workbench.estimate.result import Estimate

__all__ = [
    "Estimate",
    "HypothesisTest",
    "likelihood_ratio_test",
    "maximum_a_posteriori",
    "maximum_likelihood",
]
