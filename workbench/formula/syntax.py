"""The text of a formula as checked syntax trees.

formulaic parses it into terms; of their factors only what is named here is let through, so that
no text out of a study file ever reaches Python's `eval`.
"""

import ast
import operator
import re
from collections.abc import Callable
from keyword import iskeyword
from typing import Any

import numpy as np
from formulaic import Formula
from formulaic.errors import FormulaicError
from formulaic.parser.types import Factor, Term
from formulaic.transforms import basis_spline, center, natural_cubic_spline, poly, scale
from formulaic.transforms.contrasts import TreatmentContrasts
from formulaic.transforms.patsy_compat import Treatment

from workbench.errors import DataError

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
    "C(column), C(column, levels=[...]) and C(column, Treatment('level')), and in the main formula "
    "offset(...) of arithmetic, as a term of its own"
)

QUOTED = re.compile(r"""("[^"]*"|'[^']*')|`([^`]+)`""")
HIDDEN = re.compile(r"backquoted_([0-9a-f]+)_")


def columns_used(formula: str) -> list[str]:
    """Every column that a formula names. Raises DataError for one that cannot be read."""
    lhs, rhs = parse(formula)
    factors = (factor for term in (*lhs, *rhs) for factor in term.factors)
    trees = (offset_of(factor) or tree_of(factor) for factor in factors if not is_literal(factor))
    return list(dict.fromkeys(column for tree in trees for column in columns_of(tree)))


def is_literal(factor: Factor) -> bool:
    """Whether a factor is a number: the intercept, or what would scale a term."""
    return bool(factor.eval_method is Factor.EvalMethod.LITERAL)


def _hide(formula: str) -> str:
    """Backquoted names as identifiers, one to one: formulaic's own are random where they clash."""

    def hidden(match: re.Match[str]) -> str:
        text, name = match.groups()
        return str(text) if name is None else f"backquoted_{name.encode().hex()}_"

    return QUOTED.sub(hidden, formula)


def show(text: str) -> str:
    """The same text with backquoted names as the user wrote them."""
    return HIDDEN.sub(lambda match: bytes.fromhex(match[1]).decode(), text)


def written(tree: ast.expr) -> str:
    """A checked factor as a formula takes it."""
    return HIDDEN.sub(lambda match: f"`{bytes.fromhex(match[1]).decode()}`", ast.unparse(tree))


def quoted(column: str) -> str:
    """A column's name as a formula takes it."""
    return column if column.isidentifier() and not iskeyword(column) else f"`{column}`"


def parse(formula: str) -> tuple[list[Term], list[Term]]:
    """The terms left and right of the tilde."""
    try:
        parsed = Formula(_hide(formula))
    except (FormulaicError, SyntaxError) as error:
        reason = str(error).splitlines()[0]
        if "`.` operator" in reason:
            reason = "'.' does not stand for all columns here: name them."
        raise DataError(f"formula '{formula}' cannot be read: {show(reason)}") from error
    lhs, rhs = getattr(parsed, "lhs", []), getattr(parsed, "rhs", parsed)
    if isinstance(lhs, tuple) or isinstance(rhs, tuple):
        raise DataError(f"formula '{formula}' has a '|': give each further predictor its own.")
    left = formula.partition("~")[0] if "~" in formula else ""
    if re.search(r"\*\*|\^", _outside_brackets(left)):
        raise DataError(
            f"formula '{formula}' has a power left of the ~, which in a formula stands for "
            f"interactions: write I({left.strip()})."
        )
    return list(lhs), list(rhs)


def _outside_brackets(text: str) -> str:
    """What stands in no brackets, and is no quoted name."""
    text, inner = re.sub(r"`[^`]*`", "", text), 1
    while inner:
        text, inner = re.subn(r"\([^()]*\)", "", text)
    return text


def tree_of(factor: Factor) -> ast.expr:
    """A factor's syntax tree. Raises DataError for what is not allowed in a formula."""
    if factor.eval_method is Factor.EvalMethod.LOOKUP:
        return ast.Name(factor.expr)
    tree: ast.expr = ast.parse(factor.expr, mode="eval").body
    if not (_is_factor(tree) and columns_of(tree)):
        raise DataError(f"'{show(factor.expr)}' is not allowed in a formula, only {ALLOWED}.")
    return tree


def offset_of(factor: Factor) -> ast.expr | None:
    """The tree of what `offset(...)` adds to the linear predictor; None of any other factor."""
    if factor.eval_method is not Factor.EvalMethod.PYTHON:
        return None
    match ast.parse(factor.expr, mode="eval").body:
        case ast.Call(func=ast.Name(id="offset"), args=[added], keywords=[]) if _is_arithmetic(
            added
        ):
            return added
    return None


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


def columns_of(tree: ast.AST) -> list[str]:
    """The columns that a checked factor reads."""
    if isinstance(tree, ast.Name):
        return [show(tree.id)]
    parts = tree.args if isinstance(tree, ast.Call) else ast.iter_child_nodes(tree)
    return [column for part in parts for column in columns_of(part)]
