"""What a rendering makes of a template, in this process."""

from __future__ import annotations

import re

import pytest

from mailward.adapters.rendering.engine import render
from mailward.adapters.rendering.frames import Fault, Job
from mailward.adapters.rendering.literal import DataError, literal
from mailward.adapters.rendering.plain import from_html
from mailward.core.templates.model import Rendered, Sheet


def made(data: str = "{}", **parts: str) -> Rendered:
    """The mail of these parts."""
    result = render(Job(Sheet(**{"subject": "", "html": "", "text": "", **parts}), data))
    assert result.mail is not None, result.fault
    return result.mail


def fault(data: str = "{}", **parts: str) -> Fault:
    """Why these parts do not render."""
    result = render(Job(Sheet(**{"subject": "", "html": "", "text": "", **parts}), data))
    assert result.fault is not None, result.mail
    return result.fault


@pytest.mark.asvs("1.1.2", "1.2.1")
def test_html_is_escaped_and_text_is_not() -> None:
    """Data cannot become markup in the HTML part, and is left alone in the others."""
    mail = made('{"x": "<b>&"}', subject="S {{ x }}", html="<p>{{ x }}</p>", text="T {{ x }}")
    assert mail == Rendered("S <b>&", "<p>&lt;b&gt;&amp;</p>", "T <b>&")


@pytest.mark.asvs("1.3.7")
def test_data_cannot_become_template() -> None:
    """What looks like the template language, or ends a string of it, stays data."""
    hostile = '{"x": "%} {{ 7 * 7 }} {% raw %} \\" }} \\\\ \\n \\ud83d\\ude00 \\u2028", "if": 1, "a b": 2, "_data": 3}'
    assert made(hostile, text="{{ x }}").text == '%} {{ 7 * 7 }} {% raw %} " }} \\ \n \U0001f600 \u2028'
    assert made(hostile, text='{{ data["a b"] }}{{ data["if"] }}').text == "21"


def test_every_kind_of_value_arrives() -> None:
    """Nothing, truth, numbers, lists and objects are what they were."""
    data = (
        '{"n": null, "t": true, "i": -9223372036854775808, "u": 18446744073709551615, "f": 1e300, "l": [1, {"k": 2}]}'
    )
    text = made(data, text="{{ n is none }} {{ t }} {{ i }} {{ u }} {{ f > 1e299 }} {{ l[1].k }}").text
    assert text == "True True -9223372036854775808 18446744073709551615 True 2"
    with pytest.raises(DataError):
        literal(2**64)


def test_a_fault_names_its_part_line_and_reason() -> None:
    """The data that stands before the source does not move its lines."""
    data = '{"user": {"name": "A\\nB"}}'
    assert fault(data, html="<p>\n{{ user.name }}\n{{ user.age }}</p>") == Fault("html", 3, "`user.age` is undefined")
    assert fault(data, text="a\n{% if %}") == Fault("text", 2, "unexpected end of block")
    assert fault(data, subject="{{ nobody }}") == Fault("subject", 1, "`nobody` is undefined")
    assert fault(data, html="x", layout_html="\n{{ content }}{{ nobody }}").part == "layout"
    assert fault("[1]", text="x").part == "data"


def test_a_layout_holds_the_content() -> None:
    """The content is not escaped again, the subject is, and macros of the layout can be imported."""
    mail = made(
        '{"x": "<i>"}',
        subject="A & B",
        html='{% from "layout" import button %}{{ button(x) }}',
        layout_html="{% macro button(n) %}<b>{{ n }}</b>{% endmacro %}<title>{{ subject }}</title>[{{ content }}]",
        layout_text="never: the text is made from the whole",
    )
    assert mail.html == "<title>A &amp; B</title>[<b>&lt;i&gt;</b>]"
    assert made(text="x", layout_text="-- {{ content }} --").text == "-- x --"


@pytest.mark.asvs("1.3.7")
@pytest.mark.parametrize(
    "source",
    [
        '{% include "/etc/passwd" %}',
        '{% include "html" ~ "x" %}',
        '{% import "../html" as h %}',
        '{% extends "base" %}',
    ],
)
def test_nothing_else_can_be_included(source: str) -> None:
    """There is no loader: a name that is not the layout does not exist."""
    assert re.search("non-existing|does not exist", fault(html=source).reason)


@pytest.mark.asvs("1.3.5", "1.3.7")
@pytest.mark.parametrize(
    "source",
    ["{{ x.__class__ }}", "{{ x.items.__self__ }}", "{{ x|attr('__class__') }}", "{{ ''.__class__.__mro__ }}",
     "{{ debug() }}", "{{ self.__init__ }}", "{{ range.__globals__ }}", "{{ cycler.__class__ }}",
     "{{ lipsum.__globals__ }}"],
)  # fmt: skip
def test_no_object_of_python_is_reachable(source: str) -> None:
    """Data is minijinja's own values; whatever leads out of a Python template engine leads nowhere here."""
    fault('{"x": {"a": 1}}', html=source)


@pytest.mark.asvs("15.2.2")
@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(1000000000) %}x{% endfor %}",
        "{% for i in range(90000) %}{% for j in range(90000) %}x{% endfor %}{% endfor %}",
        "{{ range(1000000000)|list }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 'x' * 2000000 }}",
        "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{% include 'html' %}",
        "{% block a %}{{ self.a() }}{% endblock %}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    ],
)
def test_bombs_that_the_engine_sees_are_refused(source: str) -> None:
    """Loops, recursion and repetition end with a fault."""
    assert fault(html=source).part == "html"


@pytest.mark.asvs("1.3.5")
def test_styles_are_inlined_and_nothing_is_loaded() -> None:
    """Rules go into the elements, media queries stay, links to style sheets go; a file beside us is not read."""
    html = (
        '<link rel="stylesheet" href="file:///etc/passwd"><link rel="stylesheet" href="http://127.0.0.1:9/x.css">'
        "<style>p { color: red } @media (max-width: 9px) { p { color: blue } }</style><p>x</p>"
    )
    mail = made(html=html)
    assert '<p style="color: red;">x</p>' in mail.html
    assert "@media" in mail.html
    assert "<link" not in mail.html
    assert made(html="<P>as written</P>").html == "<P>as written</P>"


def test_text_made_from_html_can_be_read() -> None:
    """Headings are underlined, links keep their targets, lists their marks, quotes their sign; style is not told."""
    html = (
        "<html><head><title>t</title><style>x{}</style></head><body><h1>Hello  Ada</h1>"
        '<p>Please <a href="https://a.test/x?a=1&amp;b=2">confirm</a> or write to '
        '<a href="mailto:b@a.test">b@a.test</a>.<br>Now.</p>'
        "<ul><li>one</li><li>two<ol><li>deep</li></ol></li></ul><blockquote><p>said</p></blockquote><pre>a\n  b</pre>"
        '<table><tr><td>k</td><td>v</td></tr></table><img src="x" alt="logo"><script>alert(1)</script>'
        '<a href="javascript:alert(1)">no</a></body></html>'
    )
    assert from_html(html) == (
        "Hello Ada\n=========\n\nPlease confirm <https://a.test/x?a=1&b=2> or write to b@a.test.\nNow.\n\n"
        "- one\n- two\n  1. deep\n\n> said\n\na\n  b\n\nk v\n\nlogono\n"
    )
    assert from_html("") == ""
    assert made(html="<p>{{ 1 }}</p>").text == "1\n"
