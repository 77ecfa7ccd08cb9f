"""The commands, thin: arguments in, a path or one JSON document out, and an exit code.

Codes: 0 done; 1 a check reached --fail-on; 2 usage, study file or data; 3 environment; 4 a model
could not be fitted; 130 interrupted. Imports wait inside the commands, so that --help is quick.
"""

import json
import logging
import shlex
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.errors import StudyError, WorkbenchError, nearest
from workbench.explained import CHECKS, Explained

if TYPE_CHECKING:
    from workbench.catalogue import Description, Entry
    from workbench.findings import Findings
    from workbench.problem import Parameter

CHECK_FAILED, MISUSE, ENVIRONMENT, NOT_FITTED, INTERRUPTED = 1, 2, 3, 4, 130
# Outcomes of a check that count as reached, by --fail-on.
REACHED = {"fail": ("fail",), "look": ("fail", "look"), "never": ()}

Note = Callable[[str], None]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="likelihood-workbench", prog_name="workbench")
def commands() -> None:
    """One PyMC declaration: maximum likelihood and MAP, checked against statsmodels, and related
    to cross-entropy and KL divergence on held-out rows."""


@commands.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the page.  [default: out/ beside the study]",
)
@click.option(
    "--fail-on",
    type=click.Choice(sorted(REACHED)),
    default="fail",
    show_default=True,
    help="Outcome of a check that makes the exit code 1.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the findings as JSON instead of the page's path."
)
def run(study: Path, out: Path | None, fail_on: str, as_json: bool) -> None:
    """Fit, check and compare the models of a STUDY file, and write its page."""
    with _progress() as note:
        note("Loading PyMC")
        from workbench.report import write_pages
        from workbench.study import Study

        found = Study.read(study).run(
            note=note,
            command=shlex.join(["wb", "run", str(study)]),
            created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        )
        folder = found.save(out or study.parent / "out")
        note("Drawing the page")
        page = write_pages(found, folder)
    click.echo(_json(found) if as_json else str(page))
    _summarise(found)
    sys.exit(_exit_code(found, fail_on))


@commands.command()
@click.argument("study", type=click.Path(path_type=Path))
def validate(study: Path) -> None:
    """Read a STUDY file, its data and its models, and bind them; fit nothing."""
    with _progress() as note:
        note("Loading PyMC")
        from workbench.study import Study

        read = Study.read(study)
        note("Reading the data and binding the models")
        mistakes = read.validate_all()
    for mistake in mistakes:
        click.echo(mistake, err=True)
    if mistakes:
        sys.exit(MISUSE)
    count = "one model" if len(read.models) == 1 else f"{len(read.models)} models"
    click.echo(f"{study}: {count}, nothing to complain of")


@commands.command()
@click.argument("folder", type=click.Path(path_type=Path))
def report(folder: Path) -> None:
    """Draw the page of a FOLDER of findings again; needs no PyMC and fits nothing."""
    from workbench.findings import Findings
    from workbench.report import write_pages

    click.echo(str(write_pages(Findings.read(folder), folder)))


@commands.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the definitions that a study can name, or describe one: NAME is file:function."""
    with _progress() as note:
        note("Loading PyMC")
        from workbench.catalogue import described, listed

        lines = [_entry_line(entry) for entry in listed()] if name is None else (
            _description_lines(described(name, Path()))
        )  # fmt: skip
    click.echo("\n".join(lines))


@commands.command()
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """List the checks, or tell of one: CODE as the page and to_frame() show it."""
    if code is None:
        width = max(map(len, CHECKS))
        lines = [f"{name:{width}}  {check.compares}" for name, check in CHECKS.items()]
    elif code in CHECKS:
        lines = [code, "", *_told(CHECKS[code])]
    else:
        raise StudyError(f"there is no check '{code}'{nearest(code, CHECKS)}; `explain` lists them")
    click.echo("\n".join(lines))


def _told(check: Explained) -> list[str]:
    told = {"what it compares": check.compares, "what it would catch": check.catches,
            "limit": check.limit, "usual causes": check.causes, "what to do": check.remedy,
            "where": f"workbench.agreement.{check.rung}"}  # fmt: skip
    width = max(map(len, told)) + 2
    return [
        textwrap.fill(text, 88, initial_indent=f"{name:{width}}", subsequent_indent=" " * width)
        for name, text in told.items()
    ]


@commands.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("outcome")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("study.toml"),
    show_default=True,
    help="The study file to write; one that is there already is left alone.",
)
def new(data: Path, outcome: str, out: Path) -> None:
    """Write a study file for a DATA file and its OUTCOME column, to be edited and run."""
    with _progress() as note:
        note("Loading PyMC")
        from workbench.proposal import proposed, written

        written(out, proposed(data, outcome, out.parent))
    click.echo(str(out))


def main() -> None:
    """Run the command line; a user's mistake is one sentence on stderr, never a traceback."""
    try:
        commands.main(prog_name="workbench", standalone_mode=False)
    except WorkbenchError as mistake:
        click.echo(f"Error: {mistake}", err=True)
        sys.exit(MISUSE)
    except click.ClickException as mistake:
        mistake.show()
        sys.exit(MISUSE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except ImportError as missing:
        click.echo(f"Error: {missing.name} cannot be imported ({missing}); set up again", err=True)
        sys.exit(ENVIRONMENT)
    except OSError as reason:
        where = f"{reason.filename}: " if reason.filename else ""
        click.echo(f"Error: {where}{reason.strerror or reason}", err=True)
        sys.exit(ENVIRONMENT)


@contextmanager
def _progress() -> Iterator[Note]:
    """Steps on stderr: a spinner on a terminal, plain lines elsewhere."""
    from rich.console import Console
    from rich.markup import escape

    with _quiet():
        console = Console(stderr=True)
        if not console.is_terminal:
            yield lambda message: click.echo(message, err=True)
            return
        with console.status("") as status:
            yield lambda message: status.update(escape(message))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep stdout for the result, and stderr free of what libraries say to their developers."""
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        if not sys.warnoptions:  # `python -W` shows them
            warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def _entry_line(entry: "Entry") -> str:
    return f"{entry.name:44}{entry.line}"


def _description_lines(description: "Description") -> list[str]:
    lines = [description.name, "", description.documentation, "", "Data"]
    lines += [f"  {line}" for line in description.expects]
    lines += ["", "Parameters"]
    if description.reason:
        return [*lines, f"  not known without data: {description.reason}"]
    names = [_with_dims(parameter) for parameter in description.parameters]
    supports = [parameter.support for parameter in description.parameters]
    wide, wider = max(map(len, names)), max(map(len, supports))
    lines += [
        f"  {name:{wide}}  {parameter.support:{wider}}  prior {parameter.prior}"
        for name, parameter in zip(names, description.parameters, strict=True)
    ]
    return lines


def _with_dims(parameter: "Parameter") -> str:
    """beta[term], and a number where an axis has no name."""
    axes = zip(parameter.dims, parameter.shape, strict=True)
    told = [dim or str(length) for dim, length in axes]
    return f"{parameter.name}[{', '.join(told)}]" if told else parameter.name


def _json(found: "Findings") -> str:
    content = found.model_dump(mode="json", exclude={"trees"})
    return json.dumps(content, sort_keys=True, ensure_ascii=False)


def _summarise(found: "Findings") -> None:
    """What came out, in a few lines on stderr."""
    lines = []
    for contender in found.ranking.contenders if found.ranking else ():
        mean = contender.cross_entropy.mean()
        value = f"{mean.value:.3f} ± {mean.se:.3f} nats per row"
        lines.append(f"{contender.name}: held-out cross-entropy {value}")
    alone = {fit.name: f"{fit.verdict.status}: {fit.verdict.advice}" for fit in found.fits}
    unranked = found.ranking.unranked if found.ranking else alone
    lines += [f"{name}: not ranked, {why}" for name, why in unranked.items()]
    lines += [f"{failure.name}: failed, {failure.reason}" for failure in found.failed]
    for line in lines:
        click.echo(f"  {line}", err=True)


def _exit_code(found: "Findings", fail_on: str) -> int:
    if found.failed or not all(fit.verdict.determined for fit in found.fits):
        return NOT_FITTED
    reached = REACHED[fail_on]
    outcomes = {check.outcome for fit in found.fits for check in fit.checks}
    return CHECK_FAILED if outcomes & set(reached) else 0
