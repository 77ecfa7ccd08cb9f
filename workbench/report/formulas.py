"""LaTeX as MathML, which browsers draw without help."""

from html import unescape
from xml.etree import ElementTree

from latex2mathml import exceptions
from latex2mathml.converter import convert_to_element
from markupsafe import Markup

# The library's errors have no common base, so they are named by their module.
LATEX_ERRORS = tuple(
    value
    for value in vars(exceptions).values()
    if isinstance(value, type) and issubclass(value, Exception)
)


FUNCTIONS = ("log", "exp", "ln")


def mathml(latex: str) -> Markup | None:
    """One displayed formula, or None where the LaTeX cannot be read."""
    try:
        formula = convert_to_element(latex, display="block")
    except LATEX_ERRORS:
        return None
    for element in formula.iter():
        _mend(element)
    return Markup(ElementTree.tostring(formula, encoding="unicode"))


def _mend(element: ElementTree.Element) -> None:
    """The library writes characters as entities, and sets functions and ~ without their space."""
    element.attrib.pop("href", None)  # a formula links nowhere
    text = unescape(element.text or "")
    if text == "~":
        element.tag, text = "mo", "∼"
    element.text = f"{text}\N{THIN SPACE}" if text in FUNCTIONS else text
