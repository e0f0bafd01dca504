"""What the measured texts are, in one line: how many, and of how many documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sae_checks.records import Manifest
from sae_checks.wording import texts_of_documents


def text_lines(manifest: Manifest) -> list[str]:
    """A line for each corpus of which texts and documents are not the same."""
    lines = _lines("", manifest.texts)
    return lines + _lines(f"second corpus {manifest.shift_corpus}: ", manifest.shift)


def _lines(before: str, texts: Mapping[str, Any]) -> list[str]:
    count, documents = texts.get("texts"), texts.get("documents")
    if count is None or documents is None or documents == count:
        return []
    return [before + texts_of_documents(count, documents)]
