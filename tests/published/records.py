"""The records of the published cases, their tables and designs."""

import json
from functools import cache
from pathlib import Path

import numpy as np

import workbench as wb

CASES = Path(__file__).parent.parent / "cases"
VISITS = Path(__file__).parent.parent.parent / "reports" / "doctor-visits" / "visits.csv.gz"
PUBLISHED = json.loads((CASES / "published.json").read_text(encoding="utf-8"))


@cache
def table(case, **roles):
    """The rows of a case, those left out that its source leaves out."""
    record = PUBLISHED[case]
    path = CASES / record["data"]
    whole = wb.read(path if path.exists() else VISITS, **roles)
    rows = record["model"].get("rows")
    return whole.take(whole.frame.eval(rows).to_numpy()) if rows else whole


def dataset(case, formula=None, columns=(), roles=None, **predictors):
    """The design of a case, of the record's terms where no formula is given; `columns` as read."""
    rows = table(case, **(roles or {}))
    data = wb.design(formula or formula_of(case), rows, **predictors)(rows)
    named = columns if isinstance(columns, dict) else {name: name for name in columns}
    read = {name: ("row", rows.frame[column].to_numpy(float)) for name, column in named.items()}
    return data.assign(read)


def formula_of(case):
    """`y ~ x1 + x2` of a record's response and design, which counts its constant as a term."""
    model = PUBLISHED[case]["model"]
    response = model.get("response", "y").partition(",")[0]
    return f"{response} ~ {terms(model.get('design') or ['const'])}"


def terms(design):
    """The right-hand side of a formula."""
    named = [name if name.isidentifier() else f"`{name}`" for name in design if name != "const"]
    constant = "1" if "const" in design else "0"
    return " + ".join([constant, *named])


def digits(values, published):
    """Log relative error: the least number of digits that agree, 15 at most."""
    error = np.abs(np.asarray(values) / np.asarray(published) - 1.0)
    return float(-np.log10(max(error.max(), 1e-15)))
