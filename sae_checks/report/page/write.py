"""Writes the page: templates, styles and scripts of `assets`, and the run's data as JSON.

Figures are drawn by Plotly, since sae_lens brings it and its one script holds everything that an
interactive figure needs; it is unpacked and run only once a figure comes into view, so that the
page opens without it. A content security policy lets the page's own scripts run, each by its hash,
and nothing else: no text of a corpus or a release could, even if it were not escaped.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from sae_checks.report.page.content import page_content
from sae_checks.report.page.safe import json_for_script, shown
from sae_checks.session.result import RunResult

_SCRIPTS = (
    *("data.js", "words.js", "colours.js", "traces.js", "panels.js", "csv.js", "figures.js"),
    *("axis.js", "tokens.js", "cells.js", "tables.js", "page.js"),
)


def page(result: RunResult) -> str:
    """The page of a run as HTML."""
    content = page_content(result)
    return render("page.html.j2", content.shown, content.data)


def render(template: str, content: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """A page from a template of `assets`.

    Args:
        template: its name.
        content: what the template shows by itself.
        data: what its scripts show.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: shown(value) if type(value) is str else value,
    )
    plotly = plotly_script()
    script = "\n".join(asset(name) for name in _SCRIPTS)
    return environment.from_string(asset(template)).render(
        **content,
        style=Markup(asset("page.css")),
        script=Markup(script),
        policy=_policy(script, plotly),
        data=Markup(json_for_script(data)),
        plotly=Markup(packed(plotly)),
    )


def asset(name: str) -> str:
    """A file of `assets`."""
    return (files("sae_checks.report.page") / "assets" / name).read_text(encoding="utf-8")


def plotly_script() -> str:
    """The script that the installed Plotly brings; found without importing it."""
    spec = importlib.util.find_spec("plotly")
    assert spec is not None, "sae_lens needs it"
    assert spec.submodule_search_locations, "a package"
    folder = Path(spec.submodule_search_locations[0])
    return (folder / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def packed(text: str) -> str:
    """As `unpacked` in data.js reads it: gzip, without a time so that pages can be compared."""
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def _policy(*scripts: str) -> str:
    """What the page may do: run these scripts, and reach nothing outside itself."""
    hashes = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src " + " ".join(f"'sha256-{each}'" for each in hashes),
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
