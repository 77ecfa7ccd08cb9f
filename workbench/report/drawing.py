"""A matplotlib figure as inline SVG: text stays text, colours become the page's variables."""

import io
import re
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from workbench import plots

VARIABLES = {
    plots.INK: "var(--ink)",
    plots.MUTED: "var(--muted)",
    plots.RULE: "var(--rule)",
    plots.FILL: "var(--fill)",
    plots.PAPER: "var(--paper)",
} | {colour: f"var(--series-{place})" for place, colour in enumerate(plots.SERIES)}
# The salt makes ids, and with them the bytes of a page, the same at every drawing.
SVG = {"svg.fonttype": "none", "svg.hashsalt": "workbench"}
METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def inline_svg(figure: Figure, identifier: str, title: str, description: str) -> Markup:
    """The figure as an `<svg>` element whose ids all start with `identifier`."""
    written = io.StringIO()
    with rc_context(plots.STYLE | SVG):
        figure.savefig(written, format="svg", transparent=True, metadata=METADATA)
    drawn = ElementTree.fromstring(written.getvalue())
    for parent in drawn.iter():
        for style in [child for child in parent if child.tag.endswith("}style")]:
            parent.remove(style)  # it would style the whole page
    for element in drawn.iter():
        _adopt(element, identifier)
    box = drawn.attrib["viewBox"]
    drawn.attrib.clear()
    names = {"title": f"{identifier}-title", "desc": f"{identifier}-desc"}
    drawn.attrib |= {"viewBox": box, "role": "img", "aria-labelledby": " ".join(names.values())}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        told = ElementTree.Element(tag, {"id": names[tag]})
        told.text = text
        drawn.insert(place, told)
    return Markup(ElementTree.tostring(drawn, encoding="unicode"))


def _adopt(element: ElementTree.Element, identifier: str) -> None:
    """Without namespaces, with ids of its own, in the page's font and colours."""
    element.tag = element.tag.rpartition("}")[2]
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    for key, value in attributes.items():
        if key == "id":
            attributes[key] = f"{identifier}-{value}"
        elif key == "href":
            attributes[key] = value.replace("#", f"#{identifier}-")
        elif key == "style":
            attributes[key] = _restyle(value)
        else:
            attributes[key] = value.replace("url(#", f"url(#{identifier}-")
    element.attrib.clear()
    element.attrib |= attributes


def _restyle(style: str) -> str:
    style = re.sub(r"#[0-9a-f]{6}", lambda found: VARIABLES.get(found[0], found[0]), style)
    return re.sub(r"font: ([\d.]+px) [^;]+", r"font-size: \1", style)
