"""Reports of a run: a table, JSON, JUnit's XML, HTML, and a badge."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree

from realtime_simulator._suite.runner import FAILED, PASSED, SKIPPED, Result, areas, counts

NAME = "realtime conformance"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COLOURS = {True: "#3a7d2c", False: "#b3261e"}


def table(results: Sequence[Result], *, every: bool = False) -> str:
    """Return the results as lines: failures with their reasons, then each area's counts, and the sum.

    Args:
        results: The results.
        every: Whether passed and skipped checks have lines, too.
    """
    lines = []
    for one in results:
        if one.status == FAILED or every:
            lines.append(f"{one.check.id}  {one.status:7}  {one.check.title}")
            if one.detail:
                lines.append(f"     {one.detail}")
            if one.status == FAILED:
                lines.append(f"     source: {one.check.source}")
    lines.append(f"{'area':16} {PASSED:>7} {FAILED:>7} {SKIPPED:>7}")
    for area, some in areas(results):
        lines.append(f"{area:16} " + " ".join(f"{count:7}" for count in counts(some).values()))
    return "\n".join([*lines, summary(results)])


def summary(results: Sequence[Result]) -> str:
    """Return one line: how many of the checks that ran passed."""
    found = counts(results)
    left_out = f", {found[SKIPPED]} skipped" if found[SKIPPED] else ""
    return f"{found[PASSED]} of {found[PASSED] + found[FAILED]} checks passed{left_out}"


def as_json(results: Sequence[Result], facts: Mapping[str, object]) -> str:
    """Return the report as JSON."""
    checks = [
        {
            "id": one.check.id,
            "area": one.check.area,
            "title": one.check.title,
            "source": one.check.source,
            "status": one.status,
            "detail": one.detail,
            "seconds": round(one.seconds, 3),
        }
        for one in results
    ]
    return json.dumps({**facts, "counts": counts(results), "checks": checks}, indent=2) + "\n"


def as_junit(results: Sequence[Result], facts: Mapping[str, object]) -> str:
    """Return the report in JUnit's form of XML."""
    found = counts(results)
    suite = ElementTree.Element(
        "testsuite",
        name=NAME,
        tests=str(len(results)),
        failures=str(found[FAILED]),
        errors="0",
        skipped=str(found[SKIPPED]),
        time=f"{sum(one.seconds for one in results):.3f}",
    )
    for one in results:
        name = f"{one.check.id} {one.check.title}"
        case = ElementTree.SubElement(
            suite, "testcase", classname=one.check.area, name=name, time=f"{one.seconds:.3f}"
        )
        if one.status != PASSED:
            kind = "failure" if one.status == FAILED else "skipped"
            ElementTree.SubElement(case, kind, message=_NOT_IN_XML.sub("\ufffd", one.detail))
    document: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def as_html(results: Sequence[Result], facts: Mapping[str, object]) -> str:
    """Return the report as a page without content from elsewhere."""
    known = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts.items())
    rows = "".join(
        f'<tr class="{one.status}"><td>{_text(one.check.id)}</td><td>{_text(one.status)}</td>'
        f"<td>{_text(one.check.title)}</td><td>{_text(one.check.source)}</td><td>{_text(one.detail)}</td></tr>"
        for one in results
    )
    style = "body{font:16px sans-serif}td,th{padding:.2em .6em;text-align:left}.failed{color:#b3261e}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{NAME}</title><style>{style}</style>'
        f"<h1>{as_badge(results, facts)}</h1><p>{_text(summary(results))}</p><dl>{known}</dl>"
        "<table><tr><th>Check</th><th>Result</th><th>Title</th><th>Source</th><th>Detail</th></tr>"
        f"{rows}</table></html>\n"
    )


def as_badge(results: Sequence[Result], facts: Mapping[str, object]) -> str:
    """Return a badge as SVG."""
    found = counts(results)
    right = f"{found[PASSED]}/{found[PASSED] + found[FAILED]}"
    left_width, right_width = 7 * len(NAME) + 10, 8 * len(right) + 10
    colour = _COLOURS[not found[FAILED]]
    font = 'fill="#fff" font-family="sans-serif" font-size="11"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left_width + right_width}" height="20" role="img" '
        f'aria-label="{NAME}: {right}"><rect width="{left_width}" height="20" fill="#444"/>'
        f'<rect x="{left_width}" width="{right_width}" height="20" fill="{colour}"/>'
        f'<text x="5" y="14" {font}>{NAME}</text>'
        f'<text x="{left_width + 5}" y="14" {font}>{right}</text></svg>'
    )


Report = Callable[[Sequence[Result], Mapping[str, object]], str]
REPORTS: Mapping[str, Report] = {".json": as_json, ".xml": as_junit, ".html": as_html, ".svg": as_badge}
"""The reports, by the ending of their files' names."""
FORMS = {"json": ".json", "junit": ".xml", "html": ".html"}
"""The reports that can be printed, by the names of their forms."""


def _text(value: object) -> str:
    return html.escape(str(value))
