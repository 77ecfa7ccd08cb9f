"""Findings as pages: a pure function from what a study found to self-contained HTML.

A page of your own is a template that extends ours, filled by `write_page`; `shown` puts a figure
on it, a `Table` is made of `columns`, `Row` and `cells`.
"""

from workbench.report.figures import shown
from workbench.report.layout import Cell, Row, Shown, Table, cells, columns
from workbench.report.numbers import decimals, number, plus_minus
from workbench.report.pages import write_pages
from workbench.report.writing import write_page

__all__ = [
    "Cell",
    "Row",
    "Shown",
    "Table",
    "cells",
    "columns",
    "decimals",
    "number",
    "plus_minus",
    "shown",
    "write_page",
    "write_pages",
]
