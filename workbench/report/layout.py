"""What a page is made of: tables of text, figures with their words, tiles."""

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Cell:
    """One cell of a table: text, what stands small beneath it, and how it is coloured."""

    text: str
    note: str = ""
    tone: str = ""
    sign: str = ""
    span: int = 1
    formula: Markup | None = None


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers are set flush right in figures of one width."""

    heading: str
    numeric: bool = True


@dataclass(frozen=True)
class Row:
    """The cells of a row, of which the first is its heading; `tone` is best, muted or empty."""

    cells: tuple[Cell, ...]
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """A table with the sentence that says how to read it."""

    identifier: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Shown:
    """A figure, and what it shows, what to look for, and what is seen here."""

    identifier: str
    title: str
    shows: str
    look_for: str
    here: str
    svg: Markup


@dataclass(frozen=True)
class Tile:
    """A number that sums up a section, and leads there."""

    anchor: str
    label: str
    parts: tuple[Cell, ...]
    note: str


NONE = "—"  # does not apply; what applies and is missing is "not known"
SIGNS = {"pass": "✓", "look": "▲", "fail": "✗", "n/a": "–"}


def status(outcome: str, text: str | None = None, note: str = "") -> Cell:
    """A status word in its colour, with its sign: read by word, by sign and by colour alike."""
    return Cell(text or outcome, note, tone=outcome.replace("/", ""), sign=SIGNS[outcome])


def columns(*headings: str, text: tuple[str, ...] = ()) -> tuple[Column, ...]:
    """Columns by heading; those also named in `text`, and the first, are set flush left."""
    return tuple(
        Column(heading, numeric=bool(place) and heading not in text)
        for place, heading in enumerate(headings)
    )


def cells(*contents: str | Cell) -> tuple[Cell, ...]:
    """Cells of plain text, or as given."""
    return tuple(content if isinstance(content, Cell) else Cell(content) for content in contents)


def enumeration(names: list[str] | tuple[str, ...]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
