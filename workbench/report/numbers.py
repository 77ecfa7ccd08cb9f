"""Numbers as a page prints them: to the second digit of their error, with a real minus sign."""

import math

from workbench.findings import Quantity
from workbench.information import bits

UNKNOWN = "not known"
INFINITE = "∞"
NEAR = 0.06  # standard errors, within which a digit could hide on which side of a limit it is
MINUS = "−"
PLAIN = range(-6, 7)  # powers of ten of a last digit that are written out
READABLE = range(-4, 9)  # and of a first digit, where there is no error to go by


def plus_minus(value: float | None, se: float | None) -> str:
    """`2.123 ± 0.015`; a value whose error is not known is printed to four digits."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if se is None or not math.isfinite(se) or se <= 0:
        return number(value)
    last = _second_digit(se)
    if last in PLAIN:
        return f"{_to_power(value, last)} ± {_to_power(se, last)}"
    scale = max(_exponent(value, 1), last + 1)
    mantissas = (_to_power(x / 10.0**scale, last - scale) for x in (value, se))
    return f"({' ± '.join(mantissas)}) × 10{superscript(scale)}"


def to_error(value: float | None, se: float | None) -> str:
    """The value alone, to the second digit of its error."""
    head, _, tail = plus_minus(value, se).partition(" ± ")
    return head.removeprefix("(") + tail.partition(")")[2]


def quantity(found: Quantity | None) -> str:
    """A mean with its standard error."""
    if found is not None and found.infinite:
        return INFINITE
    return UNKNOWN if found is None else plus_minus(found.value, found.se)


def in_bits(found: Quantity) -> str:
    """The mean in bits, to the second digit of its error in bits."""
    if found.value is None:
        return INFINITE if found.infinite else UNKNOWN
    return to_error(bits(found.value), None if found.se is None else bits(found.se))


def ratio(found: Quantity | None) -> float | None:
    """How many standard errors a mean is from zero."""
    if found is None or found.value is None or not found.se:
        return None
    return found.value / found.se


def away(errors: float | None, limit: float) -> str:
    """How many standard errors something is from zero, to a digit more where they near a limit."""
    near = errors is not None and abs(abs(errors) - limit) < NEAR
    return decimals(errors, 2 if near else 1)


def number(value: float | None, digits: int = 4) -> str:
    """A number without an error, to `digits` digits, less the zeros at its end."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    first = _exponent(value, digits)
    if first in READABLE:
        return _bare(_to_power(value, min(first - digits + 1, 0)))
    return f"{_bare(_to_power(value / 10.0**first, 1 - digits))} × 10{superscript(first)}"


def decimals(value: float | None, places: int) -> str:
    """A number to a fixed number of decimals."""
    return UNKNOWN if value is None else _to_power(value, -places)


def percent(share: float, places: int = 0) -> str:
    """A share in percent; the sign stays with its number."""
    return f"{_to_power(100 * share, -places)}\u00a0%"


def unbroken(sentence: str) -> str:
    """No line ends between a number and its error."""
    return sentence.replace(" ± ", "\u00a0±\u00a0")


def whole(value: int) -> str:
    """A count of rows, groups or models."""
    return f"{value:,}"


def superscript(exponent: int) -> str:
    """An exponent as superscript digits."""
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _second_digit(se: float) -> int:
    """The power of ten of the second digit, after rounding to two: .0996 rounds to .10."""
    return _exponent(se, 2) - 1


def _exponent(value: float, digits: int) -> int:
    return int(f"{value:.{digits - 1}e}".partition("e")[2])


def _bare(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _to_power(value: float, power: int) -> str:
    """Rounded to that power of ten, with commas, and no minus sign on a zero."""
    text = f"{round(value, -power):,.{max(-power, 0)}f}"
    bare = text.lstrip("-")
    return MINUS + bare if text != bare and bare.strip("0.,") else bare
