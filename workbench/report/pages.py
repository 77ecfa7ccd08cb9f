"""The page: findings arranged in sections, handed to the templates, written as one file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from workbench.findings import Findings, Ranking
from workbench.report import estimates, figures, headline, predictors, rankings
from workbench.report.formulas import mathml
from workbench.report.layout import Shown, Table
from workbench.report.numbers import number, unbroken, whole

PAGE_NAME = "index.html"
# Static, so that a page shows one identity in one notation.
LIKELIHOOD = (
    r"\frac{\mathrm{NLL}}{n} = -\frac{1}{n} \sum_{i=1}^{n} \log q(y_i \mid x_i) "
    r"= -\frac{1}{n} \log L"
)
IDENTITY = (
    r"\mathrm{CE} = -\frac{1}{m} \sum_{j=1}^{m} \log q(y_j \mid x_j) \quad \text{estimates} \quad "
    r"\mathrm{E}_p[-\log q] = H(p) + \mathrm{KL}(p \,\|\, q)"
)
# What a figure of the held-out rows is drawn from: not every kind of outcome has it.
ROW_FIGURES = {"frequency": figures.frequency_figure, "pit": figures.pit_figure}


@dataclass(frozen=True)
class Sections:
    """The parts of a comparison that there may be: without a ranking, or a pair, some are empty."""

    ranking_figures: list[Shown] = field(default_factory=list)
    ranking_tables: list[Table] = field(default_factory=list)
    chain_figures: list[Shown] = field(default_factory=list)
    differ_figures: list[Shown] = field(default_factory=list)
    differ_tables: list[Table] = field(default_factory=list)


def write_pages(findings: Findings, folder: str | Path) -> Path:
    """Draw the comparison into `folder`; returns the page. Same findings, same bytes."""
    page = Path(folder) / PAGE_NAME
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(comparison_page(findings), encoding="utf-8")
    return page


def comparison_page(findings: Findings) -> str:
    """The page as text."""
    environment = _environment()
    return environment.get_template("comparison.html").render(
        findings=findings,
        title=headline.title(findings),
        lede=headline.lede(findings),
        held_out=headline.held_out(findings),
        missing_values=headline.missing_values,
        tiles=headline.tiles(findings),
        sections=_sections(findings),
        estimates=estimates,
        rankings=rankings,
        likelihood=mathml(LIKELIHOOD),
        identity=mathml(IDENTITY),
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("workbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)
    filters: dict[str, Callable[..., str]] = {
        "whole": whole,
        "number": number,
        "unbroken": unbroken,
    }
    environment.filters.update(filters)
    return environment


def _sections(findings: Findings) -> Sections:
    ranking = findings.ranking
    if ranking is None or not ranking.contenders:
        return Sections()
    names = [one.name for one in ranking.contenders]
    chain = [figures.chain_figure(findings, ranking)]
    tables = [
        rankings.truth_table(findings, ranking),
        *predictors.left_tables(findings, ranking),
        rankings.optimism_table(findings),
    ]
    rows = []
    for variable, figure in ROW_FIGURES.items():
        if all(variable in figures.heldout_rows(findings, name) for name in names):
            rows.append(figure(findings, names))
    if len(names) == 1:
        return Sections([], tables, chain, rows, [])
    return _with_rivals(findings, ranking, Sections([], tables, chain, rows, []))


def _with_rivals(findings: Findings, ranking: Ranking, alone: Sections) -> Sections:
    found = figures.pair(findings, ranking)
    return Sections(
        [figures.difference_figure(ranking)],
        alone.ranking_tables,
        alone.chain_figures,
        [*alone.differ_figures, figures.loss_figure(found), figures.cumulative_figure(found)],
        [figures.deciding_table(findings, found)],
    )
