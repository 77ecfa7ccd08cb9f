"""A formula turned into arrays: what is learned on the training rows is replayed on any other.

formulaic parses a formula and encodes its terms. The factors (`log(x)`, `C(region)`, ...) are
evaluated here, by a small interpreter that knows nothing but the names below: no text out of a
study file ever reaches Python's `eval`.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from keyword import iskeyword
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from formulaic import Formula, ModelMatrix, ModelSpec
from formulaic.errors import FormulaicError
from formulaic.materializers.types import FactorValues
from formulaic.parser.types import Factor, Term
from formulaic.transforms import C, basis_spline, center, natural_cubic_spline, poly, scale
from formulaic.transforms.contrasts import Contrasts, TreatmentContrasts
from formulaic.transforms.patsy_compat import Treatment

from workbench.errors import DataError
from workbench.table import Table, numbers, require_columns, require_present

Function = Callable[..., Any]
PLAIN: dict[str, Function] = {
    "log": np.log,
    "log1p": np.log1p,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "I": np.asarray,
}
LEARNED: dict[str, Function] = {"center": center, "scale": scale}  # keep the training rows' mean
BASES: dict[str, Function] = {"poly": poly, "bs": basis_spline, "cr": natural_cubic_spline}
CONTRASTS: dict[str, Function] = {
    "contr.treatment": TreatmentContrasts,
    "Treatment": Treatment,
}
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
ALLOWED = (
    "names of columns (in backquotes where they are not plain words), numbers, + - * / **, "
    f"{', '.join([*PLAIN, *LEARNED])} of these, and by themselves {', '.join(BASES)}, "
    "C(column), C(column, levels=[...]) and C(column, Treatment('level'))"
)

QUOTED = re.compile(r"""("[^"]*"|'[^']*')|`([^`]+)`""")
HIDDEN = re.compile(r"backquoted_([0-9a-f]+)_")


@dataclass(frozen=True, eq=False)
class Matrix:
    """One linear predictor: its terms, the syntax trees of their factors, and what was learned."""

    formula: str
    spec: ModelSpec
    trees: Mapping[str, ast.expr]
    state: dict[str, dict[str, Any]]


@dataclass(frozen=True, eq=False)
class Design:
    """Called with a table, the Dataset that a definition takes; nothing is learned by the call."""

    outcome: str
    main: Matrix
    further: Mapping[str, Matrix]

    @property
    def formula(self) -> str:
        return self.main.formula

    @property
    def predictors(self) -> dict[str, str]:
        """The formulas of the further predictors, by name."""
        return {name: matrix.formula for name, matrix in self.further.items()}

    def __call__(self, table: Table) -> xr.Dataset:
        matrices = {"": self.main} | {f"_{name}": matrix for name, matrix in self.further.items()}
        _require_usable(table, self.outcome, list(matrices.values()))
        data: dict[str, Any] = {"y": ("row", numbers(table, self.outcome))}
        coords: dict[str, Any] = {"row": _plain(table.frame.index)}
        for suffix, matrix in matrices.items():
            columns = _encode(matrix, table)
            coords[f"term{suffix}"] = np.array(columns.columns, dtype=np.str_)
            data[f"X{suffix}"] = (("row", f"term{suffix}"), columns.to_numpy(np.float64))
        roles, labels = _roles(table)
        return xr.Dataset(data | roles, coords | labels, attrs={"outcome": self.outcome})


def design(formula: str, table: Table, /, **predictors: str) -> Design:
    """Learn a formula, and those of further predictors (zero="~ age"), on the rows of `table`."""
    lhs, terms = _parse(formula)
    outcome = _outcome(lhs, formula)
    main = _unlearned(formula, terms)
    further = {}
    for name, text in predictors.items():
        lhs, terms = _parse(text)
        if lhs:
            raise DataError(f"the formula of predictor '{name}' starts with ~, but got '{text}'.")
        further[name] = _unlearned(text, terms)
    _require_usable(table, outcome, [main, *further.values()])
    learned = {name: _learn(matrix, table) for name, matrix in further.items()}
    return Design(outcome, _learn(main, table), learned)


def intercept_only(design: Design) -> Design:
    """The same outcome and predictors, each with nothing but an intercept: the baseline."""

    def constant(formula: str) -> Matrix:
        return _unlearned(formula, _parse(formula)[1])

    return replace(
        design,
        main=constant(f"{_quoted(design.outcome)} ~ 1"),
        further={name: constant("~ 1") for name in design.further},
    )


# From text to checked syntax trees


def _hide(formula: str) -> str:
    """Backquoted names as identifiers, one to one: formulaic's own are random where they clash."""

    def hidden(match: re.Match[str]) -> str:
        text, name = match.groups()
        return str(text) if name is None else f"backquoted_{name.encode().hex()}_"

    return QUOTED.sub(hidden, formula)


def _show(text: str) -> str:
    return HIDDEN.sub(lambda match: bytes.fromhex(match[1]).decode(), text)


def _quoted(column: str) -> str:
    return column if column.isidentifier() and not iskeyword(column) else f"`{column}`"


def _parse(formula: str) -> tuple[list[Term], list[Term]]:
    """The terms left and right of the tilde."""
    try:
        parsed = Formula(_hide(formula))
    except (FormulaicError, SyntaxError) as error:
        reason = str(error).splitlines()[0]
        if "`.` operator" in reason:
            reason = "'.' does not stand for all columns here: name them."
        raise DataError(f"formula '{formula}' cannot be read: {_show(reason)}") from error
    lhs, rhs = getattr(parsed, "lhs", []), getattr(parsed, "rhs", parsed)
    if isinstance(lhs, tuple) or isinstance(rhs, tuple):
        raise DataError(f"formula '{formula}' has a '|': give each further predictor its own.")
    if not list(rhs):
        raise DataError(f"formula '{formula}' has no terms: write ~ 1 for an intercept alone.")
    return list(lhs), list(rhs)


def _outcome(lhs: list[Term], formula: str) -> str:
    factors = [factor for term in lhs for factor in term.factors]
    if not factors or factors[0].eval_method is Factor.EvalMethod.LITERAL:
        raise DataError(f"formula '{formula}' has no outcome: name its column left of the ~.")
    if len(factors) > 1:
        raise DataError(f"formula '{formula}' has more than one outcome left of the ~.")
    if factors[0].eval_method is not Factor.EvalMethod.LOOKUP:
        raise DataError(
            f"formula '{formula}' transforms the outcome, but comparing outcomes on different "
            "scales needs a declared change of variables: store the transformed column instead."
        )
    return _show(factors[0].expr)


def _unlearned(formula: str, terms: list[Term]) -> Matrix:
    """Every factor is checked here, and from here on formulaic only looks up its values by name."""
    trees = {}
    lookups = []
    for term in terms:
        for factor in term.factors:
            if factor.eval_method is Factor.EvalMethod.LITERAL:
                _refuse_scaling(factor, formula)
            else:
                trees[factor.expr] = _tree(factor)
        lookups.append(Term([_lookup(factor) for factor in term.factors]))
    spec = ModelSpec.from_spec(Formula(lookups), na_action="ignore", output="pandas")
    return Matrix(formula, spec, trees, {})


def _refuse_scaling(factor: Factor, formula: str) -> None:
    """formulaic's 5:x is 5x under the name x."""
    if factor.expr != "1":
        raise DataError(f"formula '{formula}' scales a term: write I({factor.expr} * ...) instead.")


def _lookup(factor: Factor) -> Factor:
    if factor.eval_method is Factor.EvalMethod.LITERAL:
        return factor
    return Factor(factor.expr, eval_method="lookup")


def _tree(factor: Factor) -> ast.expr:
    if factor.eval_method is Factor.EvalMethod.LOOKUP:
        return ast.Name(factor.expr)
    tree: ast.expr = ast.parse(factor.expr, mode="eval").body
    if not (_is_factor(tree) and _columns(tree)):
        raise DataError(f"'{_show(factor.expr)}' is not allowed in a formula, only {ALLOWED}.")
    return tree


def _is_factor(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="C"), args=[ast.Name(), *contrasts], keywords=words):
            contrasts += [word.value for word in words if word.arg == "contrasts"]
            levels = [word.value for word in words if word.arg == "levels"]
            return (
                len(contrasts) + len(levels) == len(node.args) - 1 + len(words)
                and len(contrasts) <= 1
                and all(map(_is_contrast, contrasts))
                and all(isinstance(value, ast.List) and _is_literal(value) for value in levels)
            )
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in BASES:
            return _is_arithmetic(first) and _has_literal_options(node)
    return _is_arithmetic(node)


def _is_arithmetic(node: ast.expr) -> bool:
    match node:
        case ast.Name():
            return True
        case ast.Constant(value=value):
            return type(value) in (int, float)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _is_arithmetic(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return type(op) in ARITHMETIC and _is_arithmetic(left) and _is_arithmetic(right)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in PLAIN:
            return _is_arithmetic(argument)
        case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in LEARNED:
            return _is_arithmetic(first) and _has_literal_options(node)
    return False


def _has_literal_options(call: ast.Call) -> bool:
    named = all(word.arg and not word.arg.startswith("_") for word in call.keywords)
    options = [*call.args[1:], *(word.value for word in call.keywords)]
    return named and all(map(_is_literal, options))


def _is_contrast(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in CONTRASTS
        and all(map(_is_literal, [*node.args, *(word.value for word in node.keywords)]))
    )


def _is_literal(node: ast.expr) -> bool:
    match node:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return all(map(_is_literal, elements))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
            return type(value) in (int, float)
        case ast.Constant(value=value):
            return type(value) in (int, float, str, bool)
    return False


def _columns(tree: ast.AST) -> list[str]:
    """The columns that a checked factor reads."""
    if isinstance(tree, ast.Name):
        return [_show(tree.id)]
    parts = tree.args if isinstance(tree, ast.Call) else ast.iter_child_nodes(tree)
    return [column for part in parts for column in _columns(part)]


# From trees and a table to values


def _require_usable(table: Table, outcome: str, matrices: list[Matrix]) -> None:
    used = [outcome]
    for matrix in matrices:
        columns = [name for tree in matrix.trees.values() for name in _columns(tree)]
        require_columns(table, [outcome, *columns], f"formula '{matrix.formula}'")
        if outcome in columns:
            raise DataError(f"formula '{matrix.formula}' has the outcome on its right-hand side.")
        used += columns
    require_present(table, list(dict.fromkeys(used)))


def _learn(matrix: Matrix, table: Table) -> Matrix:
    state: dict[str, dict[str, Any]] = {}
    spec = _materialize(replace(matrix, state=state), table).model_spec
    return replace(matrix, spec=spec, state=state)


def _encode(matrix: Matrix, table: Table) -> pd.DataFrame:
    """The columns of the design matrix under the names of their terms, every value finite."""
    columns = pd.DataFrame(_materialize(matrix, table)).rename(columns=_show)
    repeated = columns.columns[columns.columns.duplicated()]
    if len(repeated):
        raise DataError(f"two terms would both be called '{repeated[0]}': rename a column.")
    wrong = ~np.isfinite(columns.to_numpy(np.float64))
    if wrong.any():
        row, term = np.argwhere(wrong)[0]
        raise DataError(
            f"the term '{columns.columns[term]}' is not finite in {table.where(int(row))}: it is "
            f"{columns.iat[row, term]}."
        )
    return columns


def _materialize(matrix: Matrix, table: Table) -> ModelMatrix:
    values = {}
    for name, tree in matrix.trees.items():
        try:
            # what is not finite is refused by name, once the columns have names
            with np.errstate(all="ignore"):
                values[name] = _factor(name, tree, matrix, table)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise DataError(f"'{_show(name)}' cannot be computed: {error}") from error
    try:
        return matrix.spec.get_model_matrix(pd.DataFrame(index=table.frame.index), context=values)
    except (FormulaicError, ValueError) as error:
        raise DataError(f"formula '{matrix.formula}' cannot be computed: {error}") from error


def _factor(name: str, tree: ast.expr, matrix: Matrix, table: Table) -> FactorValues | np.ndarray:
    match tree:
        case ast.Name(id=column) if _is_category(name, _show(column), matrix, table):
            return _category(name, _show(column), {}, matrix, table)
        case ast.Call(func=ast.Name(id="C"), args=[ast.Name(id=column), *contrasts]):
            options = {word.arg: word.value for word in tree.keywords if word.arg}
            named = dict(zip(["contrasts"], contrasts, strict=False)) | options
            return _category(name, _show(column), named, matrix, table)
    return _evaluate(tree, matrix, table)


def _evaluate(node: ast.expr, matrix: Matrix, table: Table) -> FactorValues | np.ndarray:
    match node:
        case ast.Name(id=column):
            return numbers(table, _show(column))
        case ast.UnaryOp(operand=operand):
            return np.negative(_evaluate(operand, matrix, table))
        case ast.BinOp(left=left, op=op, right=right):
            sides = _evaluate(left, matrix, table), _evaluate(right, matrix, table)
            return ARITHMETIC[type(op)](*sides)
        case ast.Call(func=ast.Name(id=name), args=[first, *rest]):
            argument = _evaluate(first, matrix, table)
            if name in PLAIN:
                return PLAIN[name](argument)
            state = matrix.state.setdefault(ast.unparse(node), {})
            function = (LEARNED | BASES)[name]
            return function(argument, *map(ast.literal_eval, rest), _state=state, **_options(node))
    return np.asarray(ast.literal_eval(node), dtype=np.float64)


def _options(call: ast.Call) -> dict[str, Any]:
    return {word.arg: ast.literal_eval(word.value) for word in call.keywords if word.arg}


def _is_category(name: str, column: str, matrix: Matrix, table: Table) -> bool:
    """Whether a bare name stands for categories: as learned, else if it is text."""
    if matrix.spec.structure:
        return bool(matrix.spec.encoder_state[name][0] is Factor.Kind.CATEGORICAL)
    series = table.frame[column]
    if isinstance(series.dtype, pd.CategoricalDtype):
        return True
    if not series.map(lambda cell: isinstance(cell, str)).any():
        return False
    _refuse_numbers_as_text(table, column)
    return True


def _refuse_numbers_as_text(table: Table, column: str) -> None:
    """One stray word makes a column of numbers text, and would make each number a category."""
    series = table.frame[column]
    readable = pd.to_numeric(series, errors="coerce").notna().to_numpy()
    if readable.mean() > 0.5:
        first = int((~readable).argmax())
        raise DataError(
            f"column '{column}' is text, though most of it reads as numbers (see "
            f"{table.cell(column, first)} in {table.where(first)}): make all of it numbers, or "
            f"write C({_quoted(column)}) for categories."
        )


def _category(
    name: str, column: str, options: Mapping[str, ast.expr], matrix: Matrix, table: Table
) -> FactorValues:
    series = table.frame[column].reset_index(drop=True)
    levels = ast.literal_eval(options["levels"]) if "levels" in options else None
    known = matrix.spec.encoder_state[name][1]["categories"] if matrix.spec.structure else levels
    if known is not None:
        new = ~series.isin(known).to_numpy()
        if new.any():
            first = int(new.argmax())
            origin = "not among its levels" if known is levels else "never seen in training"
            raise DataError(
                f"column '{column}' holds {table.cell(column, first)} in {table.where(first)}, "
                f"a level {origin}."
            )
    if isinstance(series.dtype, pd.CategoricalDtype):
        # a level is learned from rows, not from a dtype that remembers other rows
        series = series.cat.set_categories(
            known or series.cat.remove_unused_categories().cat.categories
        )
    return C(series, contrasts=_contrast(options.get("contrasts")), levels=levels)


def _contrast(node: ast.expr | None) -> Contrasts | None:
    if not isinstance(node, ast.Call):
        return None
    contrast = CONTRASTS[ast.unparse(node.func)]
    return contrast(*map(ast.literal_eval, node.args), **_options(node))


# Roles and labels


def _roles(table: Table) -> tuple[dict[str, Any], dict[str, Any]]:
    """The declared roles as variables along the rows, and the group's labels as a coordinate."""
    declared = table.roles.declared
    data: dict[str, Any] = {
        role: ("row", numbers(table, declared[role]))
        for role in ("offset", "exposure", "weight")
        if role in declared
    }
    labels = {}
    if "group" in declared:
        groups = table.frame[declared["group"]]
        data["group"] = ("row", pd.factorize(groups)[0].astype(np.int64))
        labels["group_label"] = ("row", _plain(pd.Index(groups)))
    if "time" in declared:
        data["time"] = ("row", table.frame[declared["time"]].to_numpy())
    return data, labels


def _plain(labels: pd.Index) -> np.ndarray:
    """Labels as an array that NetCDF can hold: numbers and dates as they are, the rest as text."""
    values = labels.to_numpy()
    return values if values.dtype.kind in "iufbM" else np.array([str(v) for v in values], np.str_)
