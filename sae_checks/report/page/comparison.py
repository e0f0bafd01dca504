"""The page of several stored releases: what each is, and their figures drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sae_checks.errors import UserError
from sae_checks.records import Measurement
from sae_checks.report.figures.compare import Compared, compared, comparison_figures
from sae_checks.report.page.content import script_data, sections, words
from sae_checks.report.page.write import render

# What two measurements have to share for their figures to be of the same tokens.
_SHARED = ("corpus", "fingerprint", "texts", "context", "seed")


def comparison_page(measurements: Sequence[Measurement]) -> str:
    """Several measurements as HTML.

    Raises:
        UserError: there are fewer than two.
    """
    if len(measurements) < 2:
        raise UserError(
            f"a comparison needs two stored measurements or more, got {len(measurements)}"
        )
    releases = compared(measurements)
    figures = comparison_figures(releases)
    shown = {
        "title": " and ".join(each.name for each in releases),
        "warnings": _warnings(releases),
        "releases": [_row(each) for each in releases],
        "sections": sections(figures),
        "words": words(),
    }
    return render("comparison.html.j2", shown, script_data(figures))


def _warnings(releases: Sequence[Compared]) -> list[str]:
    """What keeps the figures from being compared token by token."""
    first = releases[0]
    found = []
    for each in releases[1:]:
        texts, other = first.measurement.manifest.texts, each.measurement.manifest.texts
        differ = [name for name in _SHARED if texts.get(name) != other.get(name)]
        if differ:
            found.append(
                f"{each.name} was measured on other texts than {first.name} "
                f"({', '.join(differ)} differ): differences are not paired"
            )
    return found


def _row(each: Compared) -> dict[str, Any]:
    manifest, release = each.measurement.manifest, each.measurement.release
    return {
        "name": each.name,
        "saes": len(release.saes),
        "model": release.loading.model_name,
        "corpus": manifest.texts.get("corpus", ""),
        "texts": manifest.texts.get("texts", ""),
        "context": each.measurement.context,
        "seed": manifest.texts.get("seed", ""),
    }
