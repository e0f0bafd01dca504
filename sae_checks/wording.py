"""Small matters of wording that messages share."""

import re

# What to do where no training context is declared.
SAY_TRAINING_CONTEXT = "say it with --sae-training-context TOKENS"


def counted(count: int, noun: str) -> str:
    """A number and its noun: 1 SAE, 13 SAEs, 1,024 texts."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def texts_of_documents(texts: int, documents: int) -> str:
    """97 texts from 79 documents; 97 texts where each is a document of its own."""
    drawn = "" if documents == texts else f" from {counted(documents, 'document')}"
    return counted(texts, "text") + drawn


def natural_order(text: str) -> list[tuple[int, str]]:
    """A key that sorts names as people count: blocks.3 before blocks.12."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def printable(text: str) -> str:
    """Text from a corpus or a release on one line, with nothing in it that a terminal obeys."""
    flat = " ".join(text.split())
    return "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in flat)
