"""A page of one's own is a template that extends ours, and is told where it cannot be filled."""

from pathlib import Path

import html5lib
import pytest

from tests.fixtures_report import NASTY
from tests.test_report import assert_anchors_resolve, words
from workbench import plots, report
from workbench.errors import StudyError
from workbench.report import Row, Table, cells, columns, shown, write_page

OWN = """{% extends "page.html" %}
{% from "macros.html" import figure, latex, table %}
{% set title = "My page" %}
{% block navigation %}<li><a href="#mine">Mine</a></li>{% endblock %}
{% block content %}
<section id="mine"><h2>{{ name }}</h2>
<p>{{ value|decimals(3) }} of {{ rows|whole }} or {{ value|number(2) }}</p>
{% call latex("A formula") %}\\frac{1}{n}{% endcall %}
{{ figure(drawn) }}
{{ table(listed) }}
</section>
{% endblock %}"""


def own_page(folder: Path, template: str, **values) -> Path:
    (folder / "mine.html").write_text(template, encoding="utf-8")
    return write_page(folder / "mine.html", folder / "out" / "page.html", **values)


def test_a_template_of_ones_own_has_the_look_of_the_others(tmp_path):
    curve = plots.curves([plots.Panel("y", {NASTY: ([1, 2], [3, 4])})], "x")
    drawn = shown("figure-mine", "Curve", curve, "a curve.", "its end.", "it is at 4 ± 1.")
    listed = Table("table-mine", "Rows", "", columns("a", "b"), (Row(cells("x", "1")),))
    text = own_page(
        tmp_path, OWN, name=NASTY, value=0.12345, rows=1234, drawn=drawn, listed=listed
    ).read_text(encoding="utf-8")
    tree = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(text)
    said = words(text)
    assert "0.123 of 1,234 or 0.12" in said
    assert "Shows a curve. Look for its end. Here it is at 4 ± 1." in said
    assert tree.find(".//head/title").text == "My page"
    assert tree.find(".//{*}mfrac") is not None
    assert [cell.text.strip() for cell in tree.find(".//tbody/tr")] == ["x", "1"]
    assert NASTY in said
    assert "<script" not in text
    assert_anchors_resolve(tree)
    style = Path(report.__file__).with_name("style.css").read_text(encoding="utf-8")
    assert tree.find(".//style").text.strip() == style.strip()


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% extends 'page.html' %}{% block content %}{{ absent }}{% endblock %}", "'absent' is"),
        ("{% if %}", "mine.html, line 1 cannot be filled: Expected an expression"),
        ("{% include 'gone.html' %}", "cannot be filled: .*gone.html"),
    ],
)
def test_a_template_that_cannot_be_filled_is_told(tmp_path, template, said):
    with pytest.raises(StudyError, match=said):
        own_page(tmp_path, template, title="x")
    assert not (tmp_path / "out").exists()


def test_a_template_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StudyError, match=r"gone\.html cannot be filled"):
        write_page(tmp_path / "gone.html", tmp_path / "page.html")


def test_latex_that_cannot_be_read_stands_as_it_is_on_a_page_of_ones_own(tmp_path):
    template = OWN.replace("\\frac{1}{n}", "\\frac{ ").replace("{{ figure(drawn) }}", "")
    listed = Table("table-mine", "Rows", "", columns("a"), ())
    text = own_page(tmp_path, template, name="", value=1.0, rows=1, listed=listed).read_text()
    assert r"<code>\frac{</code>" in text
