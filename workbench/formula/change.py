"""An outcome modelled as a function of its column: steps that can be undone, and their slopes."""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import DataError
from workbench.formula.syntax import columns_of, parse, tree_of, written

type Array = npt.NDArray[np.float64]
type OfOne = Callable[[Array, float], Array]

ALLOWED = "one column through log, log1p, exp, sqrt, I, and + - * / ** with numbers"


@dataclass(frozen=True)
class Kind:
    """A function of y and a constant c, its inverse, and log |d function / d y|."""

    forward: OfOne
    inverse: OfOne
    log_slope: OfOne


KINDS = {
    "log": Kind(lambda y, c: np.log(y), lambda t, c: np.exp(t), lambda y, c: -np.log(y)),
    "log1p": Kind(lambda y, c: np.log1p(y), lambda t, c: np.expm1(t), lambda y, c: -np.log1p(y)),
    "exp": Kind(lambda y, c: np.exp(y), lambda t, c: np.log(t), lambda y, c: y),
    "sqrt": Kind(lambda y, c: np.sqrt(y), lambda t, c: t**2, lambda y, c: -np.log(4 * y) / 2),
    "+": Kind(lambda y, c: y + c, lambda t, c: t - c, lambda y, c: 0 * y),
    "*": Kind(lambda y, c: y * c, lambda t, c: t / c, lambda y, c: 0 * y + np.log(np.abs(c))),
    "**": Kind(
        lambda y, c: y**c,
        lambda t, c: t ** (1 / c),
        lambda y, c: np.log(np.abs(c)) + (c - 1) * np.log(y),
    ),
    "c/": Kind(
        lambda y, c: c / y,
        lambda t, c: c / t,
        lambda y, c: np.log(np.abs(c)) - 2 * np.log(np.abs(y)),
    ),
}


@dataclass(frozen=True)
class Change:
    """t = g(y), step by step: each a name among `KINDS` and its constant. No step is t = y."""

    text: str
    steps: tuple[tuple[str, float], ...]

    def __call__(self, y: npt.ArrayLike) -> Array:
        """g(y); NaN or infinite outside of what g takes."""
        value = np.asarray(y, float)
        with np.errstate(all="ignore"):
            for name, constant in self.steps:
                value = KINDS[name].forward(value, constant)
        return value

    def inverse(self, t: npt.ArrayLike) -> Array:
        """The y of which t is the function; NaN where there is none."""
        value = np.asarray(t, float)
        with np.errstate(all="ignore"):
            for name, constant in reversed(self.steps):
                value = KINDS[name].inverse(value, constant)
        return value

    def log_slope(self, y: npt.ArrayLike) -> Array:
        """log |g'(y)|: -log q(y) = -log q(t) - log |g'(y)|."""
        value = np.asarray(y, float)
        total = np.zeros(value.shape)
        with np.errstate(all="ignore"):
            for name, constant in self.steps:
                total = total + KINDS[name].log_slope(value, constant)
                value = KINDS[name].forward(value, constant)
        return total


UNCHANGED = Change("", ())


def change_of(text: str) -> Change:
    """The change that `log(visits)` or `sqrt(visits / 100)` writes. Raises DataError for others."""
    lhs, _ = parse(f"{text} ~ 1")
    if len(lhs) != 1 or len(lhs[0].factors) != 1:
        raise _cannot_be_undone(text)
    return change_in(tree_of(lhs[0].factors[0]))


def change_in(tree: ast.expr) -> Change:
    """The same of a checked syntax tree."""
    text = written(tree)
    steps = tuple(_steps(tree, text))
    if len(columns_of(tree)) != 1 or not all(np.isfinite(c) and (c or n == "+") for n, c in steps):
        raise _cannot_be_undone(text)
    return Change(text, steps)


def _steps(tree: ast.expr, text: str) -> list[tuple[str, float]]:
    """From the column outwards; a constant of 1 where a step has none."""
    match tree:
        case ast.Name():
            return []
        case ast.Call(func=ast.Name(id="I"), args=[inner], keywords=[]):
            return _steps(inner, text)
        case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in KINDS:
            return [*_steps(inner, text), (name, 1.0)]
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return [*_steps(inner, text), ("*", -1.0)]
        case ast.BinOp(left=left, op=op, right=right):
            numbers = _number(left), _number(right)
            if numbers[1] is not None:
                return [*_steps(left, text), _by_number(op, numbers[1])]
            if numbers[0] is not None and not isinstance(op, ast.Pow):
                return [*_steps(right, text), *_from_number(op, numbers[0])]
    raise _cannot_be_undone(text)


def _by_number(op: ast.operator, c: float) -> tuple[str, float]:
    """y op c."""
    found: dict[type[Any], tuple[str, float]] = {
        ast.Add: ("+", c),
        ast.Sub: ("+", -c),
        ast.Mult: ("*", c),
        ast.Div: ("*", 1 / c if c else np.nan),
        ast.Pow: ("**", c),
    }
    return found[type(op)]


def _from_number(op: ast.operator, c: float) -> list[tuple[str, float]]:
    """c op y."""
    found: dict[type[Any], list[tuple[str, float]]] = {
        ast.Add: [("+", c)],
        ast.Sub: [("*", -1.0), ("+", c)],
        ast.Mult: [("*", c)],
        ast.Div: [("c/", c)],
    }
    return found[type(op)]


def _number(tree: ast.expr) -> float | None:
    match tree:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -float(value)
    return None


def _cannot_be_undone(text: str) -> DataError:
    return DataError(
        f"'{text}' left of the ~ is no change of one outcome that can be undone, which comparing "
        f"it with others on its own scale needs: write {ALLOWED}, or store the column."
    )
