"""Findings as pages: a pure function from what a study found to self-contained HTML."""

from workbench.report.pages import write_pages

__all__ = ["write_pages"]
