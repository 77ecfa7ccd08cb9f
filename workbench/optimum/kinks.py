"""Searches for an optimum on kinks, and the verdict on it.

The kinks are rounded, ever less, and the objective so rounded is searched, each time from where
the last search ended. What then stands near kinks is set upon them, and the rest is brought to
its best along them by Newton's steps. Where the slopes say that the objective rises whichever way
the kinks are left, that is the optimum, to the last digit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from workbench.optimum import advice
from workbench.optimum.box import Box, Walled
from workbench.optimum.kinked import Kinked
from workbench.optimum.points import ROUNDING, STEP_TOLERANCE, Objective, Point, point
from workbench.optimum.search import HANDOVER, Start, finished, loose, search
from workbench.optimum.standing import Standing, standing
from workbench.optimum.verdict import Status, Verdict, judge

# Widths in shares of that where rounding costs a nat a kink: from all at once to each alone.
SHARES = 10.0 ** -np.arange(11)
# Widths, from which on a kink is as good as left, its multiplier being 0.999; or one that holds by
# less than that, where the widths are well below the distances to others.
NEAR = 30.0
NAT_STEPS = 8
CROWDED = 1e-3  # a share of the widths: below it any number may be near, rows being alike


@search.register
def _search(
    kinked: Kinked,
    name: str,
    begin: Point,
    rows: float,
    handover: float = HANDOVER,
    known: Sequence[Point] = (),
) -> Start:
    """Until an optimum on kinks is found, or one beside all of them.

    Where all kinks of a kind lie to one side they are not thought of, unless that leads nowhere.
    """
    if begin.finite and not _astride(kinked, begin.theta):
        plain = search(kinked.objective, name, begin, rows, handover, known)
        end = loose(kinked.objective, plain.end)
        if end.definite_step is not None and end.newton_step[1] < handover:
            return plain
    return _by_rounding(kinked, name, begin, rows)


def _by_rounding(kinked: Kinked, name: str, begin: Point, rows: float) -> Start:
    """The search with the kinks rounded, until those that are near hold an optimum."""
    if not begin.finite:
        return Start(name, begin.theta, begin, (begin.value,))
    values, tried = [begin.value], dict[bytes, Point]()
    for here, sets in _stages(kinked, begin, rows):
        values.append(here.value)
        for there in sets:
            pins = np.sort(there.along.pins).tobytes()
            if pins not in tried:
                end = tried[pins] = _set_upon(there, rows)
                if loose(kinked, end).newton_step[1] < STEP_TOLERANCE:
                    return Start(name, begin.theta, end, (*values, end.value))
    end = min((here, *tried.values()), key=lambda one: one.value)
    return Start(name, begin.theta, end, (*values, end.value))


def _stages(
    kinked: Kinked, begin: Point, rows: float
) -> Iterator[tuple[Point, tuple[Standing, ...]]]:
    """Where searches end with the kinks rounded, ever less, and the kinks to be set upon there.

    While more are near than hold any point they are not told apart yet.
    """
    here, nat = begin, None
    for share in SHARES:
        nat = _nat_widths(kinked, here, nat)
        rounded = kinked.rounded(share * nat)
        begins = point(rounded, here.theta)
        theta = search(rounded, "", begins, rows, HANDOVER * np.sqrt(share)).end.theta
        here = point(kinked, theta)
        sets = (_near(kinked, theta, NEAR * reach * nat) for reach in (share, np.sqrt(share)))
        told = share < CROWDED
        yield here, tuple(one for one in sets if told or len(one.kinks) <= len(theta))


def _astride(kinked: Kinked, theta: np.ndarray) -> bool:
    """Whether theta stands on a kink, or between kinks of one kind."""
    gaps = kinked.gaps(theta)
    kinds = np.where(gaps.moving, gaps.kinds, -1)
    sides = [np.sign(gaps.values[kinds == kind]) for kind in range(kinds.max() + 1)]
    return any((side == 0).any() or np.ptp(side) > 0 for side in sides if len(side))


def _nat_widths(kinked: Kinked, here: Point, known: np.ndarray | None = None) -> np.ndarray:
    """The width of each kind of kink where rounding it costs a nat or so for each of its gaps.

    From those `known` elsewhere.
    """
    counts = np.bincount(kinked.gaps(here.theta).kinds)
    widths = np.ones(len(counts)) if known is None else known.copy()
    for kind, count in enumerate(counts):
        for _ in range(NAT_STEPS):
            alone = np.where(np.arange(len(counts)) == kind, widths, 0.0)
            cost = abs(kinked.rounded(alone).values(here.theta[None])[0] - here.value)
            if not 0 < cost < np.inf or 0.5 * count < cost < 2 * count:
                break
            widths[kind] *= count / cost
    return widths


def _near(kinked: Kinked, theta: np.ndarray, reach: np.ndarray) -> Standing:
    """As if theta stood on the kinks within reach of it, the nearest first."""
    gaps = kinked.gaps(theta)
    far = np.abs(gaps.values) / reach[gaps.kinds]
    order = np.argsort(far)
    near = (far < 1) & gaps.moving
    return Standing(kinked, theta, kinked.inward(theta), order[near[order]])


def _set_upon(there: Standing, rows: float) -> Point:
    """The point where these kinks meet, at its best along them and within bounds."""
    while True:
        here = there.loose
        end = finished(there.along, Start("", here.theta, here, (here.value,)), rows)
        there = replace(there, theta=there.whole(end.theta))
        corner = _corner(there, end)
        if corner is None:
            return point(there.kinked, there.theta)
        there = corner


def _corner(there: Standing, end: Point) -> Standing | None:
    """On the next kink of a way along the others without curvature; None where there is none."""
    curvatures, axes = end.spectrum
    bent = not len(curvatures) or curvatures[0] > ROUNDING * np.abs(curvatures).max()
    if bent or not end.newton_step[1] < STEP_TOLERANCE:
        return None
    way = there.moves @ (end.scale * axes[:, 0])
    ahead = [there.kinked.ahead(there.theta, side * way) for side in (1.0, -1.0)]
    met = [replace(there, theta=theta, kinks=np.append(there.kinks, kink))
           for theta, kink in filter(None, ahead)]  # fmt: skip
    return min(met, key=_value, default=None)


def _value(there: Standing) -> float:
    return float(there.kinked.values(there.theta[None])[0])


@loose.register
def _loose(kinked: Kinked, here: Point) -> Point:
    """The point as a function of what can move along the kinks that hold it."""
    if not here.finite:
        return here
    there = standing(kinked, here.theta)
    if not len(there.kinks):
        return loose(kinked.objective, here)
    return there.loose if there.held else here


@finished.register
def _finished(kinked: Kinked, best: Start, rows: float) -> Point:
    """The end itself, if it is an optimum to the last digits, or the one beside all kinks near it.

    Else where a search from it comes.
    """
    end = best.end
    if loose(kinked, end).newton_step[1] < STEP_TOLERANCE:
        return end
    if not _astride(kinked, end.theta):
        end = finished(kinked.objective, best, rows)
        if loose(kinked.objective, end).newton_step[1] < STEP_TOLERANCE:
            return end
    return _by_rounding(kinked, best.name, best.end, rows).end


@judge.register
def _judge(
    kinked: Kinked, here: Point, units: np.ndarray, labels: Sequence[str]
) -> tuple[Verdict, np.ndarray | None]:
    """The verdict along the kinks that the point stands on, and then on the ways off them."""
    if not here.finite or not len(kinked.standing(here.theta)):
        return _beside(kinked, here, units, labels)
    there = standing(_walled(kinked, here), here.theta)
    moving = there.moving
    verdict, better = Verdict(Status.MINIMUM, "", 0.0, np.zeros(0)), None
    if moving.any():
        names = [label for label, moves in zip(labels, moving, strict=True) if moves]
        verdict, better = judge(there.along, there.loose, units[moving], names)
    if verdict.regular:
        verdict = _off_kinks(there, verdict, labels)
    if there.stopped.any() and verdict.status in (Status.KINK, Status.NOT_IDENTIFIED):
        verdict = _against_bounds(kinked.objective, there, here, verdict)
    return verdict, None if better is None else there.whole(better)


def _walled(kinked: Kinked, here: Point) -> Kinked:
    """The same, going on beyond its bounds: see `Walled`."""
    box = kinked.objective
    if not isinstance(box, Box):
        return kinked
    return replace(kinked, objective=Walled(box.objective, box.lower, box.upper, scale=here.scale))


def _beside(
    kinked: Kinked, here: Point, units: np.ndarray, labels: Sequence[str]
) -> tuple[Verdict, np.ndarray | None]:
    """The verdict on a point beside all kinks.

    If what is rounded has a minimum near, the point is none, and its derivatives, which kinks
    keep turning, tell nothing.
    """
    verdict, better = judge(kinked.objective, here, units, labels)
    if verdict.regular or not here.finite:
        return verdict, better
    rounded = kinked.rounded(SHARES[3] * _nat_widths(kinked, here))
    begins = point(rounded, here.theta)
    end = finished(rounded, Start("", here.theta, begins, (begins.value,)), 1.0)
    if judge(rounded, end, units, labels)[0].regular:
        words = advice.beside_kinks(kinked.name)
        return replace(verdict, status=Status.NOT_STATIONARY, advice=words, bounded=True), None
    return verdict, better


def _off_kinks(there: Standing, verdict: Verdict, labels: Sequence[str]) -> Verdict:
    """The verdict on a minimum along kinks, by what the objective does to their sides."""
    slopes, name = there.slopes, there.kinked.name
    if slopes is None or (there.held and not there.confirmed):
        words = advice.kinks_untold(name)
        return replace(verdict, status=Status.NOT_STATIONARY, advice=words)
    if not there.held:
        words = advice.off_kinks(slopes.way, labels, name)
        return replace(verdict, status=Status.NOT_STATIONARY, advice=words)
    if slopes.rising:
        on = np.abs(slopes.jumps).max(axis=0) > 0
        names = [label for label, held in zip(labels, on & ~there.stopped, strict=True) if held]
        scattered = there.kinked.scattered(there.theta)
        words = advice.on_kinks(names, name, scattered)
        return replace(verdict, status=Status.KINK, advice=words, scattered=scattered)
    ahead = there.kinked.ahead(there.theta, slopes.way * ~there.stopped)
    words = advice.level(there.theta, None if ahead is None else ahead[0], labels, name)
    return replace(verdict, status=Status.NOT_IDENTIFIED, advice=words)


def _against_bounds(box: Objective, there: Standing, here: Point, verdict: Verdict) -> Verdict:
    """The verdict on the others, and the bounds that hold the optimum."""
    slopes = there.slopes
    if slopes is None or not isinstance(box, Box):
        return verdict
    pull = slopes.pull
    stopped = there.stopped & (pull * there.inward > 0)
    words = box.words(replace(here, gradient=np.where(stopped, pull, 0.0)), stopped)
    if verdict.determined:
        return replace(verdict, status=Status.IRREGULAR, advice=words)
    return replace(verdict, advice=f"{verdict.advice} {words}")
