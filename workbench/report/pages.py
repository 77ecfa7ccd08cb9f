"""The page: findings arranged in sections, handed to the templates, written as one file."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from workbench.findings import Findings, Ranking
from workbench.report import (
    calibration,
    differences,
    distance,
    estimates,
    figures,
    headline,
    left_out,
    nested,
    rankings,
)
from workbench.report.formulas import mathml
from workbench.report.layout import Shown, Table
from workbench.report.writing import environment

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
# What a figure of calibration is drawn from: not every kind of outcome has it.
ROW_FIGURES = {
    "pit": (figures.pit_figure, calibration.coverage_figure),
    "score": (calibration.worm_figure,),
    "frequency": (figures.frequency_figure,),
}


@dataclass(frozen=True)
class Sections:
    """The parts of a comparison that there may be: without a ranking, or a pair, some are empty."""

    ranking_figures: list[Shown] = field(default_factory=list)
    difference_tables: list[Table] = field(default_factory=list)
    ranking_tables: list[Table] = field(default_factory=list)
    calibration_seen_by: str = ""
    left: bool = False  # whether it is told what the predictors still tell
    chain_figures: list[Shown] = field(default_factory=list)
    calibration_figures: list[Shown] = field(default_factory=list)
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
    return (
        environment()
        .get_template("comparison.html")
        .render(
            findings=findings,
            title=headline.title(findings),
            lede=headline.lede(findings),
            held_out=headline.held_out(findings),
            as_recorded=headline.as_recorded(findings),
            missing_values=headline.missing_values,
            tiles=headline.tiles(findings),
            sections=_sections(findings),
            estimates=estimates,
            left_out=left_out,
            unlearned=calibration.unlearned(findings),
            rankings=rankings,
            nested=nested,
            likelihood=mathml(LIKELIHOOD),
            identity=mathml(IDENTITY),
        )
    )


def _sections(findings: Findings) -> Sections:
    ranking = findings.ranking
    if ranking is None or not ranking.contenders:
        return Sections()
    names = [one.name for one in ranking.contenders]
    chain = [figures.chain_figure(findings, ranking)]
    if calibration.learned(findings, names):
        chain.append(calibration.learning_figure(findings, names))
    left = distance.left_tables(findings, ranking)
    alone = Sections(
        ranking_tables=[
            distance.truth_table(findings, ranking),
            *distance.further_tables(findings, ranking),
            *left,
            rankings.optimism_table(findings),
        ],
        calibration_seen_by=calibration.seen_by(findings, names),
        left=bool(left),
        chain_figures=chain,
        calibration_figures=_calibration(findings, names),
    )
    return alone if len(names) == 1 else _with_rivals(findings, ranking, alone)


def _calibration(findings: Findings, names: list[str]) -> list[Shown]:
    """Of a binary outcome the shares of ones by probability, of counts those of each count."""
    binary = calibration.is_binary(findings, names)
    shown = [calibration.reliability_figure(findings, names)] if binary else []
    for variable, drawn in ROW_FIGURES.items():
        if calibration.has(variable, findings, names) and not (binary and variable == "frequency"):
            shown += [figure(findings, names) for figure in drawn]
    return shown


def _with_rivals(findings: Findings, ranking: Ranking, alone: Sections) -> Sections:
    found = figures.pair(findings, ranking)
    return replace(
        alone,
        difference_tables=[differences.difference_table(ranking)],
        ranking_figures=[figures.difference_figure(ranking)],
        differ_figures=[figures.loss_figure(found), figures.cumulative_figure(found)],
        differ_tables=[figures.deciding_table(findings, found)],
    )
