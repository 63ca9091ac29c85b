"""One rendering, in the child: minijinja, style sheets into the elements, text that was not written."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from css_inline import CSSInliner, InlineError
from minijinja import Environment, TemplateError, safe

from mailward.adapters.rendering.frames import Fault, Job, Made
from mailward.adapters.rendering.literal import DataError, preamble
from mailward.adapters.rendering.plain import from_html
from mailward.core.templates.model import Rendered, Sheet

FUEL = 500_000
"""Steps of one part. A line of a table is about twenty; half a million take about 30 ms."""
OUTPUT_MAX = 1_000_000
_REASONS = {
    "OutOfFuel": "it takes more steps than a mail may",
    "UndefinedError": "a name without a value",
    "BadEscape": "a bad escape",
}


class _Refused(Exception):
    def __init__(self, part: str, line: int, reason: str) -> None:
        super().__init__(reason)
        self.fault = Fault(part, line, reason)


@lru_cache(maxsize=1)
def _inliner() -> CSSInliner:
    # Neither remote style sheets nor files: links are dropped, and there is no base to resolve a path against. At-rules
    # stay in their <style>, because @media cannot be inlined.
    return CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, keep_link_tags=False, base_url=None)


def warm() -> None:
    """What is made on first use."""
    render(Job(Sheet("", "\n{{ x }}", ""), "{}"))
    render(Job(Sheet("{{ x }}", "<style>p{color:red}</style><p>{{ x }}</p>", ""), '{"x": "y"}'))


def render(job: Job) -> Made:
    """The mail, or the part, line and reason for which there is none."""
    sheet = job.sheet
    try:
        try:
            before = preamble(msgspec.json.decode(job.data, type=dict))
        except (DataError, RecursionError, msgspec.MsgspecError) as e:
            raise _Refused("data", 0, str(e)[:200]) from None
        layouts = {"layout": sheet.layout_html}
        subject = _part("subject", sheet.subject, before, {}).strip(" ")
        html = _part("html", sheet.html, before, layouts, subject=subject)
        text = _part("text", sheet.text, before, {"layout": sheet.layout_text}, subject=subject)
        if html and sheet.layout_html:
            html = _part("layout", sheet.layout_html, before, {}, content=safe(html), subject=subject)
        if not text and html:
            text = from_html(html)
        elif text and sheet.layout_text:
            text = _part("layout text", sheet.layout_text, before, {}, content=text, subject=subject)
        return Made(Rendered(subject, _inlined(html), _capped("text", text)))
    except _Refused as e:
        return Made(fault=e.fault)


def _escapes(name: str) -> bool:
    return name in ("html", "layout")


def _part(name: str, source: str, before: str, others: dict[str, str], **given: str) -> str:
    if not source.strip():
        return ""
    # Each part has an environment of its own, so that "layout" is the layout of this kind, and nothing outlives a mail.
    environment = Environment(
        fuel=FUEL, undefined_behavior="strict", debug=True, auto_escape_callback=_escapes, keep_trailing_newline=True
    )
    environment.remove_global("debug")  # tells about the engine what no mail needs
    context = {"content": "", **given}
    try:
        for other, its_source in others.items():
            if its_source:
                environment.add_template(other, before + its_source)
        # The data stands before the source on its first line, so lines keep their numbers.
        environment.add_template(name, before + source)
        return _capped(name, environment.render_template(name, **context))
    except TemplateError as e:
        if e.kind == "BadInclude" and others.get("layout"):
            e = _inside(environment, context) or e
        part = e.name if e.name in ("layout", name) else name
        raise _Refused(part, e.line or 0, _reason(e)) from None


def _inside(environment: Environment, context: dict[str, str]) -> TemplateError | None:
    """What is wrong in the layout: of a fault in an imported template the engine tells only that there is one."""
    try:
        environment.render_template("layout", **context)
    except TemplateError as e:
        return e
    return None


def _reason(e: TemplateError) -> str:
    reason = _REASONS.get(e.kind) if e.kind == "OutOfFuel" else e.detail
    return (reason or _REASONS.get(e.kind) or e.kind)[:200]


def _capped(part: str, made: str) -> str:
    if len(made) > OUTPUT_MAX:
        raise _Refused(part, 0, f"it renders to more than {OUTPUT_MAX} characters")
    return made


def _inlined(html: str) -> str:
    if "<style" not in html.lower():
        return html  # as its author wrote it
    try:
        return _capped("html", _inliner().inline(html))
    except InlineError as e:
        raise _Refused("html", 0, f"its style sheet cannot be inlined: {str(e)[:150]}") from None
