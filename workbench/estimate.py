"""Maximum likelihood and maximum a posteriori as users meet them: the labelled result."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from workbench import uncertainty
from workbench.density import mean as expected_value
from workbench.errors import ModelError
from workbench.optimum import Optimum, Point, find, jittered, point
from workbench.problem import Problem

STARTS = 3
MINOR = 0.05
FAR = (300.0, 600.0)  # on a logarithm or a logit, where its exponential is zero or beyond use
COVARIANCES = {
    "observed": "inverse of the observed information",
    "opg": "inverse of the outer product of the scores",
    "sandwich": "sandwich of the observed information and the scores, by row",
    "cluster": "sandwich with scores added up by group, times G / (G - 1)",
}
NOT_YET = {
    "expected": "the expected information",
    "profile": "profile-likelihood limits",
    "bootstrap": "bootstrap limits",
}


@dataclass(frozen=True)
class _Objective:
    """The problem's NLL, less `prior` times the log prior."""

    problem: Problem
    prior: float

    @property
    def longest(self) -> np.ndarray:
        """A factor e on a transformed scale, no limit on the others."""
        return np.array(
            [
                np.inf if parameter.labels == parameter.theta_labels else 1.0
                for parameter in self.problem.parameters
                for _ in parameter.theta_labels
            ]
        )

    def values(self, thetas: np.ndarray) -> np.ndarray:
        return self.problem.values(thetas, self.prior)

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return self.problem.derivatives(theta, self.prior)

    def ends(self, theta: np.ndarray, direction: np.ndarray) -> bool:
        """Whether the natural values come to a limit: a logarithm's at zero, a logit's at 0 or 1.

        Coordinates with a share below `MINOR` are taken for the others' company.
        """
        share = direction / np.abs(direction).max()
        main = np.where(np.abs(share) > MINOR, share, 0.0)
        near, far = (self.problem.natural(theta + reach * main) for reach in FAR)
        return bool(np.isfinite(far).all() and np.allclose(near, far, rtol=1e-9, atol=1e-9))


@dataclass(frozen=True, eq=False)
class Estimate:
    """A point estimate on the natural scale, its uncertainty, and the verdict on the optimum.

    `objective` is "likelihood" or "joint" (likelihood and prior). All values are in nats;
    `params`, `bse` and limits are labelled by parameter and coordinate, as declared.
    """

    problem: Problem
    objective: str
    optimum: Optimum

    @property
    def theta(self) -> np.ndarray:
        return self.optimum.theta

    @property
    def status(self) -> str:
        """The verdict in a word or two; its advice is in `summary()`."""
        return str(self.optimum.verdict.status)

    @cached_property
    def params(self) -> pd.Series:
        """Estimates on the natural scale."""
        return pd.Series(self.problem.natural(self.theta), index=list(self.problem.labels))

    @cached_property
    def llf(self) -> float:
        """The log-likelihood at the estimate, without prior, in nats."""
        return -self.problem.derivatives(self.theta)[0]

    @property
    def nobs(self) -> float:
        """Rows, counted by their frequency weights."""
        return float(self.problem.rows.weights.sum())

    @property
    def k(self) -> int:
        """Free parameters: the length of theta."""
        return len(self.theta)

    @property
    def aic(self) -> float:
        """2 k - 2 log L. Raises ModelError for a MAP."""
        self._require_likelihood("AIC")
        return 2 * self.k - 2 * self.llf

    @property
    def bic(self) -> float:
        """k log n - 2 log L, where n counts groups if they are declared. Raises for a MAP."""
        self._require_likelihood("BIC")
        groups = self.problem.rows.groups
        units = self.nobs if groups is None else len(np.unique(groups))
        return float(self.k * np.log(units) - 2 * self.llf)

    @property
    def covariance_kind(self) -> str:
        """What `cov_params()` and `bse` are: `cluster` where a group is declared."""
        return "observed" if self.problem.rows.groups is None else "cluster"

    def cov_params(self, kind: str | None = None) -> pd.DataFrame:
        """Covariance on the natural scale; kinds: observed, opg, sandwich, cluster.

        Raises ModelError where the verdict is not a minimum, with the reason.
        """
        if not self.optimum.verdict.regular:
            raise ModelError(f"no covariance: {self.status}. {self.optimum.verdict.advice}")
        labels = list(self.problem.labels)
        return pd.DataFrame(self._covariance(kind), index=labels, columns=labels)

    def standard_errors(self, kind: str | None = None) -> pd.Series:
        """Square roots of the covariance's diagonal; NaN without a regular minimum."""
        if not self.optimum.verdict.regular:
            return self.params * np.nan
        if (kind or self.covariance_kind) == "cluster" and self._few_groups:
            return self.params * np.nan
        variances = np.diag(self._covariance(kind))
        return pd.Series(np.sqrt(variances), index=list(self.problem.labels))

    @cached_property
    def bse(self) -> pd.Series:
        """Standard errors of `covariance_kind`."""
        return self.standard_errors()

    def conf_int(self, kind: str = "wald", level: float = 0.95) -> pd.DataFrame:
        """Limits on the natural scale, columns `lower` and `upper`."""
        if kind in NOT_YET:
            raise ModelError(f"{NOT_YET[kind]} are not built yet; kind='wald' is")
        if kind != "wald":
            raise ModelError(f"an interval is 'wald', 'profile' or 'bootstrap', not {kind!r}")
        if not 0 < level < 1:
            raise ModelError(f"level lies between 0 and 1, such as 0.95, not {level!r}")
        groups = self.problem.rows.groups
        units = np.inf if groups is None else len(np.unique(groups))
        limits = uncertainty.wald(self.params.to_numpy(), self.bse.to_numpy(), level, units)
        return pd.DataFrame(limits, index=self.params.index, columns=["lower", "upper"])

    @cached_property
    def effective_parameters(self) -> float:
        """tr(H^-1 K), the optimism of the training NLL over all rows, in nats; K by group."""
        if not self.optimum.verdict.regular or self._few_groups:
            return float("nan")
        return uncertainty.trace(self.optimum.information, self._products(self.problem.rows.groups))

    def predict(self, data: xr.Dataset | None = None) -> pd.Series:
        """Expected outcome of each row of `data` (default: the training rows)."""
        problem = self.problem if data is None else self.problem.on(data)
        values = expected_value(problem.distribution(self.theta))
        values = np.broadcast_to(values, (problem.rows.count,))
        return pd.Series(values, index=problem.rows.labels, name="mean")

    def summary(self) -> str:
        """The result as text."""
        return "\n".join([*self._heading(), "", self._table().to_string(float_format="%.5g")])

    def to_datatree(self) -> xr.DataTree:
        """ArviZ's container: the estimate as one draw, in the groups that `pm.find_MAP` writes.

        Beside them stand our own: `estimates` on the natural scale, and `starts`.
        """
        return xr.DataTree.from_dict(
            {
                "posterior": self._one_draw(),
                "log_likelihood": xr.Dataset(
                    {"outcome": (("chain", "draw", "row"), self._pointwise()[None, None, :])},
                    coords={"row": self.problem.rows.labels},
                ),
                "observed_data": xr.Dataset(
                    {"outcome": ("row", np.asarray(self.problem.rows.observed))},
                    coords={"row": self.problem.rows.labels},
                ),
                "constant_data": self._constant_data(),
                "fit": self._normal_approximation(),
                "estimates": self._estimates(),
                "starts": self._starts(),
            }
        )

    def _require_likelihood(self, what: str) -> None:
        if self.objective != "likelihood":
            raise ModelError(
                f"{what} is defined for a maximum of the likelihood, and this is a MAP; "
                "use wb.maximum_likelihood(problem)"
            )

    def _pointwise(self) -> np.ndarray:
        return self.problem.pointwise(self.theta)

    @property
    def _few_groups(self) -> bool:
        """Whether the groups are too few for as many parameters: their sums span less."""
        groups = self.problem.rows.groups
        return groups is not None and len(np.unique(groups)) <= self.k

    @cached_property
    def _scores(self) -> np.ndarray:
        return self.problem.scores(self.theta)

    def _products(self, groups: np.ndarray | None) -> np.ndarray:
        return uncertainty.score_products(self._scores, self.problem.rows.weights, groups)

    def _covariance(self, kind: str | None) -> np.ndarray:
        """Of the natural values."""
        covariance = self._theta_covariance(kind or self.covariance_kind)
        return uncertainty.mapped(covariance, self.problem.natural_jacobian(self.theta))

    def _theta_covariance(self, kind: str) -> np.ndarray:
        information = self.optimum.information
        groups = self.problem.rows.groups
        if kind == "observed":
            return uncertainty.inverse(information)
        if kind == "opg":
            return uncertainty.inverse(self._products(None))
        if kind == "sandwich":
            return uncertainty.sandwich(information, self._products(None))
        if kind == "cluster":
            if groups is None:
                raise ModelError("kind='cluster' needs a declared group: wb.read(file, group=...)")
            if self._few_groups:
                raise ModelError(_too_few(groups, self.k))
            factor = uncertainty.cluster_factor(groups)
            return factor * uncertainty.sandwich(information, self._products(groups))
        if kind in NOT_YET:
            raise ModelError(f"{NOT_YET[kind]} is not built yet; kind is one of {_listed()}")
        raise ModelError(f"a covariance is one of {_listed()}, not {kind!r}")

    def _heading(self) -> list[str]:
        verdict = self.optimum.verdict
        what = "Maximum likelihood" if self.objective == "likelihood" else "Maximum a posteriori"
        lines = [
            f"{what} of {self.problem.name}: {self.status}",
            f"log-likelihood {self.llf:.6g} nats, n {self.nobs:g}, k {self.k}, "
            f"standard errors: {COVARIANCES[self.covariance_kind]}",
        ]
        if self._few_groups:
            lines.append(f"no {_too_few(self.problem.rows.groups, self.k)}")
        if verdict.regular and verdict.bounded:
            lines.append(f"no better point from {len(self.optimum.starts)} starts; "
                         f"Newton step left {verdict.step:.1g} standard errors")  # fmt: skip
        if verdict.advice:
            lines.append(verdict.advice)
        return lines

    def _table(self) -> pd.DataFrame:
        return pd.DataFrame({"estimate": self.params, "se": self.bse}).join(self.conf_int())

    def _one_draw(self) -> xr.Dataset:
        variables: dict[str, Any] = {}
        end = 0
        for parameter in self.problem.parameters:
            begin, end = end, end + len(parameter.labels)
            values = self.params.to_numpy()[begin:end].reshape((1, 1, *parameter.shape))
            dims = tuple(f"{parameter.name}_dim_{axis}" for axis in range(len(parameter.shape)))
            variables[parameter.name] = (("chain", "draw", *dims), values)
        return xr.Dataset(variables, coords={"chain": [0], "draw": [0]})

    def _constant_data(self) -> xr.Dataset:
        """What the likelihood read, by the names of its `pm.Data`."""
        read = zip(self.problem.graph.inputs, self.problem.rows.arrays, strict=True)
        return xr.Dataset(
            {
                row.name: (
                    tuple(
                        "row" if axis == 0 and row.varies_by_row else f"{row.name}_dim_{axis}"
                        for axis in range(array.ndim)
                    ),
                    array,
                )
                for row, array in read
                if not row.constant
            },
            coords={"row": self.problem.rows.labels},
        )

    def _normal_approximation(self) -> xr.Dataset:
        """theta and its covariance from the observed information, as `pm.find_MAP` stores them."""
        labels, size = list(self.problem.theta_labels), self.k
        covariance = np.full((size, size), np.nan)
        if self.optimum.verdict.regular:
            covariance = self._theta_covariance("observed")
        return xr.Dataset(
            {
                "mean_vector": ("rows", self.theta),
                "covariance_matrix": (("rows", "columns"), covariance),
            },
            coords={"rows": labels, "columns": labels},
        )

    def _estimates(self) -> xr.Dataset:
        limits = self.conf_int()
        return xr.Dataset(
            {
                "value": ("parameter", self.params.to_numpy()),
                "se": ("parameter", self.bse.to_numpy()),
                "lower": ("parameter", limits["lower"].to_numpy()),
                "upper": ("parameter", limits["upper"].to_numpy()),
            },
            coords={"parameter": list(self.params.index)},
        )

    def _starts(self) -> xr.Dataset:
        starts = self.optimum.starts
        longest = max(len(start.values) for start in starts)
        path = np.full((len(starts), longest), np.nan)
        for row, start in zip(path, starts, strict=True):
            row[: len(start.values)] = start.values
        return xr.Dataset(
            {
                "objective": (("start", "iteration"), path),
                "theta": (("start", "coordinate"), np.array([start.end.theta for start in starts])),
            },
            coords={
                "start": [start.name for start in starts],
                "coordinate": list(self.problem.theta_labels),
            },
        )


def maximum_likelihood(problem: Problem, *, rng: np.random.Generator | None = None) -> Estimate:
    """The maximum of the likelihood; priors are left out, but for their support.

    rng
        For the jittered starts; None means a generator seeded with 0.

    Raises ModelError for a declaration with latent variables. A numerical outcome never raises:
    it is the estimate's `status`.
    """
    if problem.graph.latent:
        name = problem.graph.latent[0]
        raise ModelError(
            f"the prior of '{name}' depends on another unknown, so '{name}' is latent and maximum "
            "likelihood would cut the link; integrate it out, or use wb.maximum_a_posteriori"
        )
    return _estimate(problem, "likelihood", 0.0, rng)


def maximum_a_posteriori(problem: Problem, *, rng: np.random.Generator | None = None) -> Estimate:
    """The maximum of likelihood times prior, both as declared: no Jacobian is added."""
    return _estimate(problem, "joint", 1.0, rng)


def _estimate(
    problem: Problem, name: str, prior: float, rng: np.random.Generator | None
) -> Estimate:
    objective = _Objective(problem, prior)
    starts = _starts(objective, problem, rng or np.random.default_rng(0))
    optimum = find(objective, starts, problem.theta_labels, problem.rows.weights.sum())
    return Estimate(problem, name, optimum)


def _starts(objective: _Objective, problem: Problem, rng: np.random.Generator) -> dict[str, Point]:
    """The model's initial point, one from the data where offered, and others by jitter."""
    starts = {"initial point": point(objective, problem.start())}
    from_data = problem.data_start()
    if from_data is not None:
        starts["from the data"] = point(objective, from_data)
    centre = list(starts.values())[-1]
    for number in range(1, STARTS - len(starts) + 1):
        theta = jittered(centre, problem.rows.weights.sum(), rng)
        starts[f"jittered {number}"] = point(objective, theta)
    return starts


def _too_few(groups: np.ndarray | None, k: int) -> str:
    count = 0 if groups is None else len(np.unique(groups))
    return (
        f"errors by group: {count} groups cannot tell those of {k} parameters apart; "
        "kind='observed' takes the rows for independent"
    )


def _listed() -> str:
    return ", ".join(f"'{kind}'" for kind in COVARIANCES)
