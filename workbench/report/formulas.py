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


def mathml(latex: str) -> Markup | None:
    """One displayed formula, or None where the LaTeX cannot be read."""
    try:
        formula = convert_to_element(latex, display="block")
    except LATEX_ERRORS:
        return None
    for element in formula.iter():
        element.attrib.pop("href", None)  # a formula links nowhere
        # The library writes characters as entities, and leaves < and & of a text as they are.
        element.text = unescape(element.text) if element.text else None
    return Markup(ElementTree.tostring(formula, encoding="unicode"))
