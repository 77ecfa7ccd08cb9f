"""Some cases of a test stand for all of them where time is short."""

import pytest


def slow_but(quick, cases):
    """Parameters of a test, those that are not `quick` marked slow; a tuple is several values."""
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=[pytest.mark.slow] * (case not in quick),
        )
        for case in cases
    ]
