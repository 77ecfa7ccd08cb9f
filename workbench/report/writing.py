"""Templates filled: those of our pages, and one of your own that looks like them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
)
from markupsafe import Markup

from workbench.errors import StudyError
from workbench.report import numbers
from workbench.report.formulas import mathml


def write_page(template: str | Path, page: str | Path, **values: Any) -> Path:
    """Fill a template of your own with `values`, by name, into the file `page`; returns it.

    The template `{% extends "page.html" %}`, and imports from `macros.html` what it shows:
    `figure` of what `shown` made, `table` of a `Table`, and `latex`, called around a formula.
    Numbers go through the filters `number`, `decimals`, `whole` and `unbroken`. Raises StudyError
    for a template that is not there or cannot be filled, with the reason.
    """
    template, page = Path(template), Path(page)
    try:
        told = environment(template.parent).get_template(template.name).render(**values)
    except TemplateError as reason:
        line = f", line {reason.lineno}" if isinstance(reason, TemplateSyntaxError) else ""
        raise StudyError(f"{template}{line} cannot be filled: {reason}") from None
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(told, encoding="utf-8")
    return page


def environment(folder: Path | None = None) -> Environment:
    """Our templates and, where a folder is given, those in it; with the house's style."""
    ours = PackageLoader("workbench.report")
    found = Environment(
        loader=ours if folder is None else ChoiceLoader([FileSystemLoader(folder), ours]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    found.globals |= {"style": Markup(style), "mathml": mathml}
    filters: dict[str, Callable[..., str]] = {
        "whole": numbers.whole,
        "number": numbers.number,
        "decimals": numbers.decimals,
        "unbroken": numbers.unbroken,
    }
    found.filters.update(filters)
    return found
