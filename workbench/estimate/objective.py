"""What is minimised: a problem's negative log-likelihood, or log joint, as a function of theta."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from workbench.errors import ModelError, nearest
from workbench.optimum import Held, Optimum, Point
from workbench.optimum.probes import MINOR
from workbench.problem import Problem

PRIOR = {"likelihood": 0.0, "joint": 1.0}  # how much of the log prior each objective takes in
FAR = (300.0, 600.0)  # on a logarithm or a logit, where its exponential is zero or beyond use


@dataclass(frozen=True)
class Loss:
    """The problem's NLL, less `prior` times the log prior."""

    problem: Problem
    prior: float

    @property
    def name(self) -> str:
        return "posterior" if self.prior else "likelihood"

    @cached_property
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

    def value_and_gradient(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        return self.problem.value_and_gradient(theta, self.prior)

    def derivatives(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return self.problem.derivatives(theta, self.prior)

    def hessian_product(self, theta: np.ndarray, direction: np.ndarray) -> np.ndarray:
        return self.problem.hessian_product(theta, direction, self.prior)

    def ends(self, theta: np.ndarray, direction: np.ndarray) -> bool:
        """Whether the natural values come to a limit: a logarithm's at zero, a logit's at 0 or 1.

        Coordinates with a share below `MINOR` are taken for the others' company.
        """
        share = direction / np.abs(direction).max()
        main = np.where(np.abs(share) > MINOR, share, 0.0)
        near, far = (self.problem.natural(theta + reach * main) for reach in FAR)
        return bool(np.isfinite(far).all() and np.allclose(near, far, rtol=1e-9, atol=1e-9))

    def alike(self, theta: np.ndarray, other: np.ndarray) -> bool:
        """Whether every row has the same log-likelihood: components relabelled, signs turned."""
        here, there = self.problem.pointwise(theta), self.problem.pointwise(other)
        return bool(np.allclose(here, there, rtol=1e-6, atol=1e-6))


def model_starts(problem: Problem) -> dict[str, np.ndarray]:
    """The model's initial point, and one from the data where the definition offers it."""
    starts = {"initial point": problem.start()}
    from_data = problem.data_start()
    return starts if from_data is None else starts | {"from the data": from_data}


def natural_start(problem: Problem, given: Mapping[str, float]) -> np.ndarray:
    """theta of natural values by label, or by a parameter's name for all of its coordinates.

    What is not named stays at PyMC's initial point. Raises ModelError for an unknown name and for
    a value outside the support.
    """
    theta = _theta_of(problem, given)
    if not np.isfinite(theta).all():
        alone = {name: _theta_of(problem, {name: value}) for name, value in given.items()}
        wrong = [name for name, one in alone.items() if not np.isfinite(one).all()]
        said = ", ".join(f"{name} = {given[name]:g}" for name in wrong or given)
        raise ModelError(f"outside the support of the declaration: {said}")
    return theta


def _theta_of(problem: Problem, given: Mapping[str, float]) -> np.ndarray:
    """theta of the given natural values, and the initial point's; NaN outside the support."""
    natural = problem.natural(problem.start()).copy()
    places = {label: place for place, label in enumerate(problem.labels)}
    for name, value in given.items():
        for label in labels_of(problem, name):
            natural[places[label]] = value
    return problem.unconstrained(natural)


def held_at(problem: Problem, fixed: Mapping[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """theta with the named parameters at their values, and which coordinates stay free.

    Raises ModelError as `natural_start` does, for a parameter that has no coordinate of its own,
    and where nothing stays free.
    """
    theta, own = natural_start(problem, fixed), own_coordinates(problem)
    free = np.ones(len(theta), dtype=bool)
    for label in (label for name in fixed for label in labels_of(problem, name)):
        if label not in own:
            raise ModelError(
                f"'{label}' cannot be held alone: it moves with the others of its kind, as in "
                "a simplex or an order"
            )
        free[own[label]] = False
    if not free.any():
        raise ModelError("every parameter is held, so there is nothing to estimate")
    return theta, free


def own_coordinates(problem: Problem) -> dict[str, int]:
    """Natural values that one coordinate of theta decides, and that one nothing else."""
    moved = problem.natural_jacobian(problem.start()) != 0
    alone = moved.sum(axis=1) == 1
    coordinates = moved.argmax(axis=1)
    return {
        label: int(coordinate)
        for label, coordinate, single in zip(problem.labels, coordinates, alone, strict=True)
        if single and moved[:, coordinate].sum() == 1
    }


def labels_of(problem: Problem, name: str) -> tuple[str, ...]:
    """The label itself, or all labels of the parameter of that name; ModelError for neither."""
    if name in problem.labels:
        return (name,)
    for parameter in problem.parameters:
        if parameter.name == name:
            return parameter.labels
    known = [*problem.labels, *(parameter.name for parameter in problem.parameters)]
    raise ModelError(f"there is no parameter '{name}'{nearest(name, known)}")


def released(optimum: Optimum, held: Held) -> Optimum:
    """The optimum with the held coordinates back in their places; their derivatives are zero."""
    if held.free.all():
        return optimum
    whole = _whole(Point(optimum.theta, optimum.value, optimum.gradient, optimum.information), held)
    starts = tuple(
        replace(start, begin=held.whole(start.begin), end=_whole(start.end, held))
        for start in optimum.starts
    )
    return replace(
        optimum,
        theta=whole.theta,
        gradient=whole.gradient,
        information=whole.information,
        starts=starts,
    )


def _whole(point: Point, held: Held) -> Point:
    size = len(held.free)
    gradient, information = np.zeros(size), np.zeros((size, size))
    gradient[held.free] = point.gradient
    information[np.ix_(held.free, held.free)] = point.information
    return Point(held.whole(point.theta), point.value, gradient, information)
