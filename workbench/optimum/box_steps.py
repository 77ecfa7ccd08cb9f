"""A step in a box: to the minimum of the quadratic model among the coordinates that can move."""

from collections.abc import Callable
from functools import partial

import numpy as np

from workbench.optimum.box import Box
from workbench.optimum.points import Point
from workbench.optimum.search import in_ball

TURNS = 20  # of one step, at bounds that it comes to
LEAST_SHARE = 0.1  # of a step, to go on with

# A step of some coordinates: by the point as a function of these, by which of (k,) they are, and by
# what share of a whole step is left.
Proposed = Callable[[Point, np.ndarray, float], np.ndarray]


def newton(box: Box, here: Point) -> tuple[np.ndarray, Point]:
    """Newton's step (k,) and the point as a function of the coordinates that it moves."""
    return _stepped(box, here, whole, 1.0)


def ahead(box: Box, here: Point, proposed: Proposed) -> np.ndarray:
    """theta after a step that turns, in the quadratic model, at the bounds that it comes to.

    The model falls on the way to the first bound. From there what is left of the step goes on in
    the others, or all bounds that it would cross are taken at once where the model likes it better.
    """
    model, share = here, 1.0
    for _ in range(TURNS):
        step, _ = _stepped(box, model, proposed, share)
        reach = box.reach(model.theta, step)
        first = float(reach.min())
        projected = box.onto(model.theta + step)
        if first > 1:
            return projected
        turn = box.onto(box.at_bound(model.theta + first * step, step, reach == first))
        share *= 1 - first
        if share < LEAST_SHARE or rise(here, projected) < rise(here, turn):
            return min(turn, projected, key=partial(rise, here))
        slope = here.gradient + here.information @ (turn - here.theta)
        model = Point(turn, here.value, slope, here.information)
    return model.theta


def rise(here: Point, theta: np.ndarray) -> float:
    """By how much the quadratic model rises from here to theta, in nats."""
    move = theta - here.theta
    return float(move @ (here.gradient + 0.5 * (here.information @ move)))


def whole(inner: Point, moving: np.ndarray, share: float) -> np.ndarray:
    """Newton's step, whatever was gone before it."""
    return inner.newton_step[0]


def in_region(scale: np.ndarray, radius: float, longest: np.ndarray) -> Proposed:
    """The model's minimum within a share of the radius, no longer than one step may be."""

    def proposed(inner: Point, moving: np.ndarray, share: float) -> np.ndarray:
        move = scale[moving] * in_ball(inner, scale[moving], share * radius)
        return np.asarray(move / max(1.0, float(np.max(np.abs(move) / (share * longest[moving])))))

    return proposed


def _stepped(box: Box, here: Point, proposed: Proposed, share: float) -> tuple[np.ndarray, Point]:
    """A step of the coordinates that can take theirs, the others held at their bounds."""
    moving = ~box.pressed(here)
    while True:
        step, inner = np.zeros(len(moving)), here.among(moving)
        if not moving.any():
            return step, inner
        step[moving] = proposed(inner, moving, share)
        barred = box.barred(here.theta, step)
        if not barred.any():
            return step, inner
        moving = moving & ~barred
