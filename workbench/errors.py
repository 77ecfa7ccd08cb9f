"""A user's mistake, told in one sentence: what was got, and what would do."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class WorkbenchError(Exception):
    """A mistake in what the workbench was given; the text is meant for the user's eyes."""


class DataError(WorkbenchError):
    """The data cannot be used as declared: a file, a column, a row, a formula."""


class ModelError(WorkbenchError):
    """A declaration cannot be turned into a likelihood of its rows."""


class ImpossibleOutcomeError(ModelError):
    """The declaration's simulator draws what its likelihood gives no chance."""


class StudyError(WorkbenchError):
    """A study file, or a saved folder of findings, cannot be read."""


@contextmanager
def foreign_code(name: str, did: str = "raised") -> Iterator[None]:
    """Around code that is not ours, and that only: whatever it raises is told as its mistake."""
    try:
        yield
    except WorkbenchError:
        raise
    except (Exception, SystemExit) as reason:
        told = [type(reason).__name__, *str(reason).splitlines()[:1]]
        raise ModelError(f"{name} {did} {': '.join(told)}") from reason


def nearest(name: str, candidates: Iterable[str]) -> str:
    """A hint ", did you mean 'x'?" for the candidate most like `name`; empty if none is near."""
    by_folded_name = {candidate.casefold(): candidate for candidate in candidates}
    close = get_close_matches(name.casefold(), by_folded_name, n=1)
    return f", did you mean '{by_folded_name[close[0]]}'?" if close else ""
