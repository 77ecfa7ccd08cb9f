"""Maximum likelihood and maximum a posteriori as users meet them: the labelled result."""

from workbench.estimate.bootstrap import Bootstrap
from workbench.estimate.consistency import ConsistencyTest
from workbench.estimate.fitting import fit, maximum_a_posteriori, maximum_likelihood
from workbench.estimate.hypotheses import HypothesisTest, likelihood_ratio_test
from workbench.estimate.intervals import BetterOptimumError
from workbench.estimate.laplace import Laplace, normal_draws, smoothed
from workbench.estimate.likelihood_ratio import SimulatedTest
from workbench.estimate.objective import held_at, own_coordinates
from workbench.estimate.pull import prior_pull
from workbench.estimate.result import Estimate

__all__ = [
    "BetterOptimumError",
    "Bootstrap",
    "ConsistencyTest",
    "Estimate",
    "HypothesisTest",
    "Laplace",
    "SimulatedTest",
    "fit",
    "held_at",
    "likelihood_ratio_test",
    "maximum_a_posteriori",
    "maximum_likelihood",
    "normal_draws",
    "own_coordinates",
    "prior_pull",
    "smoothed",
]
