"""Losses of the outcome as it was recorded, whatever function of it a model takes in.

A change of variables is undone: -log q(y) = -log q(t) - log |g'(y)| for t = g(y). A value that was
rounded to a width has the probability of its cell, which is a loss like that of a count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from workbench import density, information
from workbench.density import Distribution
from workbench.errors import DataError, ModelError
from workbench.formula import UNCHANGED, Change, change_of
from workbench.problem import Problem


@dataclass(frozen=True)
class Recording:
    """What stands between the outcome as recorded and the one that a model takes in."""

    change: Change
    width: float | None  # to a multiple of which a continuous outcome was rounded

    @property
    def plain(self) -> bool:
        """Whether the model takes in the outcome as it was recorded, and no cells of it."""
        return not self.change.steps and self.width is None

    def drawn(self, modelled: np.ndarray) -> np.ndarray:
        """Outcomes as they would be recorded that the model has drawn."""
        recorded = self.change.inverse(modelled)
        return recorded if self.width is None else np.rint(recorded / self.width) * self.width

    def cell(self, recorded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ends between which the modelled outcome lies, the lower one outside."""
        if self.width is None:
            at = self.change(recorded)
            return density.just_below(at), at
        ends = [self.change(recorded + sign * self.width / 2) for sign in (-1, 1)]
        low, high = np.minimum(*ends), np.maximum(*ends)
        # Beyond what the change takes (below 0 of a logarithm) nothing is cut off.
        return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), ends[1], high)

    def log_measure(self, recorded: np.ndarray) -> np.ndarray:
        """What makes a log density of the modelled outcome one of the recorded, or of its cell."""
        width = 0.0 if self.width is None else np.log(self.width)
        return self.change.log_slope(recorded) + width


def recording_of(
    problem: Problem, data: xr.Dataset | Mapping[str, Any] | None, change: str | None
) -> Recording:
    """From what the data declare, or from the `change` that is named. Raises DataError."""
    facts: Mapping[Any, Any] = data.attrs if isinstance(data, xr.Dataset) else {}
    text = change or facts.get("change")
    by_group = getattr(problem.source, "unit", "row") == "group"
    if text and by_group:
        raise ModelError(
            f"{problem.name} takes the rows of a group together, and '{text}' is a change of each: "
            "store the changed column, and compare with models of it alone"
        )
    tree, width = problem.graph.distribution, facts.get("width")
    whole = problem.graph.discrete or tree is None or problem.rows.observed.ndim > 1
    return Recording(change_of(text) if text else UNCHANGED, None if whole else width)


def outcomes(
    problem: Problem, recording: Recording, data: xr.Dataset | Mapping[str, Any] | None
) -> np.ndarray:
    """The outcomes before any change, as the data hold them, else by undoing it."""
    modelled = np.asarray(problem.rows.observed, float)
    if not recording.change.steps:
        return modelled
    held = None if data is None else data.get("recorded")
    observed = recording.change.inverse(modelled) if held is None else np.asarray(held, float)
    wrong = ~np.isclose(recording.change(observed), modelled, rtol=1e-9, atol=1e-12)
    if wrong.any():
        row = int(np.argwhere(wrong)[0][0])
        raise DataError(
            f"the outcome of the model is {modelled.flat[row]:g} at row "
            f"{problem.rows.labels[row]}, which is no {recording.change.text}: name the change "
            "that was made"
        )
    return observed


def losses(
    problem: Problem, theta: np.ndarray, recording: Recording, recorded: np.ndarray
) -> np.ndarray:
    """-log density of each recorded outcome, or -log probability of its cell; nats, (m,).

    `problem` holds the same outcomes as the model takes them in.
    """
    if recording.width is None:
        own = -problem.pointwise(theta)
        return own - recording.change.log_slope(recorded) if recording.change.steps else own
    low, high = recording.cell(recorded)
    return -density.log_interval(problem.distribution(theta), low, high)


def nll(problem: Problem, theta: np.ndarray, recording: Recording) -> float:
    """The sum over the problem's own rows, by their weights, of recorded outcomes; nats."""
    recorded = outcomes(problem, recording, problem.dataset)
    return float(problem.rows.weights @ losses(problem, theta, recording, recorded))


def atoms(distribution: Distribution | None, modelled: np.ndarray, discrete: bool) -> np.ndarray:
    """Which losses are -log probabilities, (m,) of bool; the others are of densities."""
    if distribution is None or discrete:
        return np.full(len(modelled), discrete)
    return np.broadcast_to(density.is_atom(distribution, modelled), modelled.shape)


def clusters_of(
    problem: Problem, data: xr.Dataset | Mapping[str, Any] | None, blocks: int | None = None
) -> np.ndarray | None:
    """Of each row what it depends on: its group, else its block of neighbours in time; else None.

    blocks
        How many, then by the rows' order where no time is declared.
    """
    if problem.rows.groups is not None:
        return problem.rows.groups
    times = times_of(problem, data)
    if times is None and blocks is None:
        return None
    return information.blocks_in_time(
        np.arange(problem.rows.count) if times is None else times, blocks
    )


def times_of(problem: Problem, data: xr.Dataset | Mapping[str, Any] | None) -> np.ndarray | None:
    """The time of each row, where it is declared."""
    times = None if data is None else data.get("time")
    return None if times is None or len(times) != problem.rows.count else np.asarray(times)
