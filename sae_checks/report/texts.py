"""What the measured texts are, in one line: how many, and of how many documents."""

from __future__ import annotations

from sae_checks.records import Manifest
from sae_checks.wording import texts_of_documents


def text_lines(manifest: Manifest) -> list[str]:
    """A line where texts and documents are not the same; none where each text is a document."""
    texts = manifest.texts
    count, documents = texts.get("texts"), texts.get("documents")
    if count is None or documents is None or documents == count:
        return []
    return [texts_of_documents(count, documents)]
