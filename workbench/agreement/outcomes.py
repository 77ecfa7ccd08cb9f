"""What a check found: one quantity by two ways, their distance and limit, and the outcome."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, overload

import numpy as np
import pandas as pd


class Outcome(StrEnum):
    """pass: tried and agrees. look: could not be tried, or not decided. fail: disagrees."""

    PASS = "pass"
    LOOK = "look"
    FAIL = "fail"
    NOT_APPLICABLE = "n/a"


@dataclass(frozen=True)
class Agreement:
    """One quantity by two ways: ours, theirs, their distance and what is allowed, in `unit`.

    `code` is a key of `workbench.explained.CHECKS`, which tells what the check would catch.
    """

    code: str
    quantity: str
    ours: float
    theirs: float
    distance: float
    limit: float
    unit: str
    outcome: Outcome
    why: str


@dataclass(frozen=True)
class Checks(Sequence[Agreement]):
    """All agreements of one fit, and statsmodels' own results object where it got that far."""

    agreements: tuple[Agreement, ...]
    statsmodels: Any = None

    @overload
    def __getitem__(self, index: int) -> Agreement: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Agreement, ...]: ...
    def __getitem__(self, index: int | slice) -> Agreement | tuple[Agreement, ...]:
        return self.agreements[index]

    def __len__(self) -> int:
        return len(self.agreements)

    def __iter__(self) -> Iterator[Agreement]:
        return iter(self.agreements)

    @property
    def outcome(self) -> Outcome:
        """The worst of all; without any agreement it is `look`."""
        found = {agreement.outcome for agreement in self.agreements}
        for outcome in (Outcome.FAIL, Outcome.LOOK, Outcome.PASS):
            if outcome in found:
                return outcome
        return Outcome.LOOK

    def to_frame(self) -> pd.DataFrame:
        """One row an agreement."""
        return pd.DataFrame([vars(agreement) for agreement in self.agreements])


def judged(
    code: str,
    quantity: str,
    ours: float,
    theirs: float,
    distance: float,
    limit: float,
    unit: str,
    why: str,
) -> Agreement:
    """Pass within the limit, fail beyond it; NaN never passes."""
    if np.isnan(distance) or np.isnan(limit):
        outcome, why = Outcome.LOOK, "one of the two is not a number"
    else:
        outcome = Outcome.PASS if distance <= limit else Outcome.FAIL
    return Agreement(
        code,
        quantity,
        float(ours),
        float(theirs),
        float(distance),
        float(limit),
        unit,
        outcome,
        why,
    )


def not_tried(code: str, quantity: str, why: str, outcome: Outcome) -> Agreement:
    """Without numbers: `look` where it could not be tried, `n/a` where there is nothing to try."""
    nan = float("nan")
    return Agreement(code, quantity, nan, nan, nan, nan, "", outcome, why)
