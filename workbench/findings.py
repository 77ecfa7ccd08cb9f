"""What a study found: plain data, saved as one JSON and one NetCDF a fit, and loaded again.

Nothing here computes; a page is drawn from these values and from nothing else.
"""

import json
import math
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import xarray as xr
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from workbench.errors import StudyError
from workbench.information import Mean

JSON_NAME = "findings.json"
FITS_FOLDER = "fits"


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


# JSON has no NaN: a number that cannot be known is null, and a reason stands beside it.
Number = Annotated[float | None, BeforeValidator(_finite)]


class Value(BaseModel):
    """A frozen record; unknown keys are refused, so that an old page never misreads a new file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Quantity(Value):
    """A mean with its standard error; `clusters` counts the groups that the error respects."""

    value: Number
    se: Number
    count: int
    unit: str
    clusters: int | None = None
    skewness: float = 0.0  # of the units' sums, for an interval
    infinite: bool = False  # where `value` is null for that reason

    @classmethod
    def of(cls, mean: Mean) -> "Quantity":
        return cls(
            value=mean.value,
            se=mean.se,
            count=mean.count,
            unit=mean.unit,
            clusters=mean.clusters,
            skewness=mean.skewness,
            infinite=mean.value == math.inf,
        )

    def mean(self) -> Mean:
        """Back to the number type of information.py; None becomes NaN."""
        nan = float("nan")
        return Mean(
            value=math.inf if self.infinite else nan if self.value is None else self.value,
            se=nan if self.se is None else self.se,
            count=self.count,
            unit=self.unit,
            clusters=self.clusters,
            skewness=self.skewness,
        )


NOTHING = Quantity(value=None, se=None, count=0, unit="nats per row")  # a reason stands beside it


class DivergenceFound(Value):
    """A KL divergence with its conditions; never a number without its label."""

    estimate: Quantity
    label: str
    floor: Number
    p_value: Number
    reason: str


class InformationLeftFound(Value):
    """What each predictor still tells of the PIT, in nats per row, and the null of the largest."""

    names: tuple[str, ...]
    estimates: tuple[Number, ...]
    p_values: tuple[Number, ...]
    p_value: Number
    floor: Number
    rows: int
    grouped: bool  # one row of each group
    permutations: int
    reason: str


class ParameterFound(Value):
    """One natural parameter: maximum likelihood, its uncertainty, MAP, and its declaration."""

    label: str
    prior: str
    support: str
    estimate: Number
    se: Number
    lower: Number
    upper: Number
    se_observed: Number
    map_estimate: Number


class StartFound(Value):
    """Where one search began and stopped; `value` is the objective in nats."""

    name: str
    value: Number
    iterations: int


class VerdictFound(Value):
    """What the best point is, in a word and in a sentence of advice (empty at a minimum)."""

    status: str
    determined: bool  # whether it is a maximum in all parameters, and the model can be ranked
    advice: str
    step: Number  # standard errors left
    starts: tuple[StartFound, ...]


class CheckFound(Value):
    """One way to disagree, and what came of it: pass, look, fail or n/a."""

    code: str
    quantity: str
    ours: Number
    theirs: Number
    distance: Number
    limit: Number
    unit: str
    outcome: str
    why: str


class PredictiveFound(Value):
    """The held-out rows under a density averaged over Laplace draws, beside the plug-in one."""

    label: str  # whose density is averaged
    cross_entropy: Quantity
    gain: Quantity  # plug-in less predictive, paired; above zero averaging helps
    draws: int
    monte_carlo: Number  # nats per row that the number of draws leaves open
    reason: str = ""  # why there is none


class AtomsFound(Value):
    """Rows at an atom (zeros of a hurdle, censored ones): their share, and what CE owes to each.

    `at` and `beside` are the two parts of the cross-entropy, per row of all rows.
    """

    share: float
    at: Quantity
    beside: Quantity


class HeldoutFound(Value):
    """A fit on the held-out rows; cross-entropy in nats per row, lower is better."""

    cross_entropy: Quantity
    atoms: AtomsFound | None = None  # None where all rows are of one kind
    gain: Quantity  # baseline minus this model, paired; above zero is better
    prior_worth: Quantity  # maximum likelihood minus MAP, paired; above zero the prior helps
    predictive: tuple[PredictiveFound, ...] = ()  # of few rows a parameter alone
    divergence: DivergenceFound
    further: tuple[DivergenceFound, ...] = ()  # other KL of the same rows, each for itself
    information_left: InformationLeftFound | None = None


class LeftOutFound(Value):
    """Training rows, each under the fit made without it (or without its group)."""

    cross_entropy: Quantity
    refitted: int  # rows, or groups, for which one Newton step would not do: fitted again
    advice: str  # empty where nothing is doubtful
    reason: str = ""  # why nothing was left out


class ReweightedFound(Value):
    """Training rows, each under the MAP's posterior without it, by reweighted Laplace draws."""

    cross_entropy: Quantity
    waic: Quantity
    effective_parameters: Number
    k_hat: Number  # the largest of all rows, or groups
    monte_carlo: Number  # nats per row that the number of draws leaves open
    advice: str  # empty where nothing is doubtful
    reason: str = ""  # why there is none


class InfluentialFound(Value):
    """A training row, or group, that the fit hangs on."""

    label: str
    leverage: Number
    displacement: Number
    share: Number  # of the displacement of all
    parameter: str  # which moves most without it
    change: Number  # of that parameter, in standard errors


class LearningFound(Value):
    """Held-out CE of fits to parts of the training rows; `heldout` by replicate and part."""

    rows: tuple[float, ...]  # of each part, on average over replicates
    heldout: tuple[tuple[Number, ...], ...]
    all_rows: float
    effective: Number
    reason: str = ""  # why there is none


class FitFound(Value):
    """One model of a study, fitted on the training rows."""

    name: str
    define: str
    description: str  # first line of the definition's docstring
    formula: str
    predictors: dict[str, str]
    held: dict[str, float] = {}  # natural values by the parameter's name, as the study fixed them
    latex: str | None
    k: int
    training_nll: float  # sum over training rows, nats
    training_rows: int
    by_group: bool = False  # whether its rows are groups: several rows of the table each
    change: str = ""  # the function of the outcome that it models; all losses are of the outcome
    aic: Number
    aicc: Number = None
    bic: Number
    tic: Number = None
    bic_units: str
    effective_parameters: Number
    left_out: LeftOutFound | None = None
    reweighted: ReweightedFound | None = None
    influential: tuple[InfluentialFound, ...] = ()  # the most influential first
    learning: LearningFound | None = None  # where the study asks for it
    se_kind: str
    verdict: VerdictFound
    map_status: str
    parameters: tuple[ParameterFound, ...]
    checks: tuple[CheckFound, ...]
    heldout: HeldoutFound
    engines: dict[str, str]
    tree: str  # file name in fits/

    @property
    def training_nll_per_row(self) -> float:
        return self.training_nll / self.training_rows


class FailedModel(Value):
    """A model that could not be declared, bound or ranked at all, and why."""

    name: str
    define: str
    reason: str


class Contender(Value):
    """One model in the ranking. Differences are paired, on the same held-out rows."""

    name: str
    cross_entropy: Quantity
    above_best: Quantity | None  # this model minus the best; None for the best itself
    se_rows: Number = None  # of that difference, as the rows show it
    se_implied: Number = None  # as the best implies it; the larger is used
    implied_reason: str = ""  # why it implies none
    separated: bool  # from the best, by `Ranking.limit` standard errors
    above_competitor: Quantity | None  # a lower bound of this model's KL; None for the competitor
    above_reference: Quantity | None = None  # where the study chose one; None for itself
    left_out: Quantity | None = None  # above the best, on training rows that are left out


class Ranking(Value):
    """Models in order of held-out cross-entropy, best first; ranked where all is determined."""

    contenders: tuple[Contender, ...]
    unranked: dict[str, str]  # name -> why
    limit: float  # standard errors
    smallest: float  # nats over all rows: less separates nothing
    level: float
    reference: str
    competitor: str | None  # lowest training NLL, so chosen before the held-out rows were seen
    rows: int
    rows_hash: str
    flags: tuple[str, ...]


class NestedFound(Value):
    """A likelihood-ratio test of one model within another, or the reason why there is none."""

    small: str
    large: str
    null: str  # chi-squared, boundary or simulated
    statistic: Number = None  # twice the nats that the large model gains
    df: Number = None  # None where the null is simulated
    p_value: Number = None
    reason: str = ""


class BaselineFound(Value):
    """The intercept-only model, one for the study, fitted on the training rows."""

    define: str
    training_nll_per_row: float
    cross_entropy: Quantity


class DroppedFound(Value):
    """Rows dropped before the split for their missing values, counted by column."""

    counts: dict[str, int]
    rows: int


class DataFound(Value):
    """Where the rows came from and how they were split."""

    file: str
    source: str
    notes: tuple[str, ...]
    sha256: str
    outcome: str
    unit: str | None = None
    width: Number = None
    categories: tuple[str, ...] = ()  # in the order of their codes; empty for numbers
    discrete: bool
    rows: int
    training_rows: int
    heldout_rows: int
    split: str
    dropped: DroppedFound | None = None  # None where a missing value would have been refused
    rounded: bool = False  # whether the losses are of the cells that `width` makes
    time: str | None = None
    heldout_blocks: int | None = None  # of neighbours, which standard errors take for independent
    weight: str | None = None  # how many rows each row counts for
    training_weight: Number = None
    heldout_weight: Number = None
    drawn_whole: bool = False  # whether rows that count for several were drawn at random
    group: str | None
    groups: int | None
    training_groups: int | None
    heldout_groups: int | None

    @property
    def probabilities(self) -> bool:
        """Whether losses are -log of probabilities, so that CE is an upper bound of KL."""
        return self.discrete or self.rounded


class Provenance(Value):
    """What is needed to make the same page again."""

    command: str
    created: str
    seed: int
    versions: dict[str, str]
    seconds: float


class Findings(Value):
    """Everything that a page is drawn from. `trees` holds each fit's arrays by model name.

    A tree is ArviZ's container, with a group `heldout` beside the usual ones: `observed, nll,
    pit, score, mean` along `row` (row labels as its coordinate, `group` codes where declared;
    `score` is the PIT's normal score) and, for counts, `frequency` along `value`: the share of
    each count that the model expects. Several outcomes on a row have neither `pit`, `score` nor
    `mean`; three categories or more have neither `mean` nor `frequency`: their codes are no
    numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    format: Literal[1] = 1
    title: str
    question: str
    data: DataFound
    fits: tuple[FitFound, ...]
    failed: tuple[FailedModel, ...]
    baseline: BaselineFound | None
    no_baseline: str = ""  # why, where its fit has no optimum
    ranking: Ranking | None
    nested: tuple[NestedFound, ...] = ()
    provenance: Provenance
    trees: dict[str, xr.DataTree] = {}

    def fit(self, name: str) -> FitFound:
        """The fit of that name."""
        return next(fit for fit in self.fits if fit.name == name)

    def save(self, folder: str | Path) -> Path:
        """Write `findings.json` and `fits/*.nc`, each whole or not at all; returns the folder."""
        folder = Path(folder)
        (folder / FITS_FOLDER).mkdir(parents=True, exist_ok=True)
        for fit in self.fits:
            _replace(folder / FITS_FOLDER / fit.tree, partial(_write, self.trees[fit.name]))
        text = json.dumps(
            self.model_dump(mode="json", exclude={"trees"}),
            sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False,
        )  # fmt: skip
        _replace(folder / JSON_NAME, lambda path: path.write_text(text + "\n", encoding="utf-8"))
        return folder

    @classmethod
    def read(cls, folder: str | Path) -> "Findings":
        """Load a saved folder. Raises StudyError when there is none, or it is of another format."""
        folder = Path(folder)
        path = folder / JSON_NAME
        if not path.is_file():
            raise StudyError(f"{folder} holds no {JSON_NAME}; run the study first, then report it")
        try:
            found = cls.model_validate_json(path.read_bytes())
        except ValidationError as reason:
            first = reason.errors()[0]
            where = "".join(f"{part}: " for part in first["loc"])
            raise StudyError(
                f"{path} cannot be read ({where}{first['msg']}); it may come from another "
                "version of the workbench: run the study again"
            ) from reason
        trees = {fit.name: _read_tree(folder / FITS_FOLDER / fit.tree) for fit in found.fits}
        return found.model_copy(update={"trees": trees})


def _read_tree(path: Path) -> xr.DataTree:
    if not path.is_file():
        raise StudyError(f"{path} is missing; run the study again")
    try:
        with xr.open_datatree(path, engine="h5netcdf") as tree:
            loaded: xr.DataTree = tree.load()
    except OSError as reason:
        raise StudyError(f"{path} is not a readable NetCDF file; run the study again") from reason
    return loaded


def _write(tree: xr.DataTree, path: Path) -> None:
    tree.to_netcdf(path, engine="h5netcdf")


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Written beside, flushed to the disk, then renamed: a reader never sees half a file."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        write(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
