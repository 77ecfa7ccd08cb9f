"""Functions of the parameters given as text, with exact derivatives: `exp(beta[age]) / alpha`.

Only arithmetic and a few functions are understood; nothing is executed.
"""

import ast
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from workbench.errors import ModelError, nearest

# Each function and its derivative.
FUNCTIONS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "exp": (math.exp, math.exp),
    "log": (math.log, lambda x: 1 / x),
    "log1p": (math.log1p, lambda x: 1 / (1 + x)),
    "expm1": (math.expm1, math.exp),
    "sqrt": (math.sqrt, lambda x: 0.5 / math.sqrt(x)),
    "sin": (math.sin, math.cos),
    "cos": (math.cos, lambda x: -math.sin(x)),
    "tan": (math.tan, lambda x: 1 + math.tan(x) ** 2),
    "atan": (math.atan, lambda x: 1 / (1 + x**2)),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "logit": (lambda x: math.log(x / (1 - x)), lambda x: 1 / (x * (1 - x))),
    "expit": (lambda x: 1 / (1 + math.exp(-x)), lambda x: 0.25 / math.cosh(x / 2) ** 2),
}


@dataclass(frozen=True)
class Dual:
    """A value and its gradient by the parameters, (p,)."""

    value: float
    gradient: np.ndarray


def evaluated(expression: str, labels: Sequence[str], values: np.ndarray) -> Dual:
    """The expression at the parameters' values, by their labels, with its exact gradient.

    Raises ModelError for what is neither arithmetic, a number, a parameter nor a function, and
    where the expression is not defined (a logarithm of a negative number, a division by zero).
    """
    places = {label: place for place, label in enumerate(labels)}
    names = sorted(places, key=len, reverse=True)
    label = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?![\w\[])")
    text = label.sub(lambda found: f"_{places[found[0]]}_", expression)
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as reason:
        raise ModelError(f"'{expression}' is no arithmetic of parameters") from reason
    known = {
        f"_{place}_": Dual(float(values[place]), np.eye(len(values))[place])
        for place in places.values()
    }
    try:
        return _of(tree, known, names)
    except ModelError as reason:
        raise ModelError(f"in '{expression}', {reason}") from reason
    except (ArithmeticError, ValueError) as reason:  # what Python's arithmetic and math raise
        raise ModelError(f"'{expression}' is not defined at the estimate ({reason})") from reason


def _of(node: ast.expr, known: dict[str, Dual], labels: Sequence[str]) -> Dual:
    match node:
        case ast.Constant(value=bool() | complex()):
            pass
        case ast.Constant(value=int() | float() as number):
            return Dual(float(number), np.zeros(len(labels)))
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            inner = _of(operand, known, labels)
            return inner if isinstance(sign, ast.UAdd) else Dual(-inner.value, -inner.gradient)
        case ast.BinOp(left=left, op=operation, right=right):
            return _combined(operation, _of(left, known, labels), _of(right, known, labels))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            inner = _of(argument, known, labels)
            function, slope = FUNCTIONS[name]
            return Dual(function(inner.value), slope(inner.value) * inner.gradient)
    raise ModelError(_not_understood(node, labels))


def _combined(operation: ast.operator, left: Dual, right: Dual) -> Dual:
    x, y = left.value, right.value
    match operation:
        case ast.Add():
            return Dual(x + y, left.gradient + right.gradient)
        case ast.Sub():
            return Dual(x - y, left.gradient - right.gradient)
        case ast.Mult():
            return Dual(x * y, y * left.gradient + x * right.gradient)
        case ast.Div():
            return Dual(x / y, (left.gradient - (x / y) * right.gradient) / y)
        case ast.Pow():
            power = math.pow(x, y)  # and no complex number, as ** would give
            gradient = y * math.pow(x, y - 1) * left.gradient
            if right.gradient.any():
                gradient = gradient + power * math.log(x) * right.gradient
            return Dual(power, gradient)
    raise ModelError("only + - * / and ** are understood")


def _not_understood(node: ast.expr, labels: Sequence[str]) -> str:
    said = re.sub(r"_(\d+)_", "a parameter", ast.unparse(node))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        return f"'{name}' is no function known here{nearest(name, FUNCTIONS)}; known are " + (
            ", ".join(FUNCTIONS)
        )
    hint = nearest(said, list(labels)) or f"; parameters are {', '.join(sorted(labels))}"
    return f"'{said}' is neither a parameter nor arithmetic{hint}"
