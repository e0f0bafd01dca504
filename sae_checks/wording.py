"""Small matters of wording that messages share."""

import codecs
import re

# What stands for the signs that reports use where there is no Unicode; others become escapes.
_ASCII = str.maketrans(
    {
        "Δ": "d",
        "×": "x",
        "²": "^2",
        "…": "...",
        "–": "-",
        "—": "-",
        "−": "-",
        "→": "->",
        "“": '"',
        "”": '"',
        "‖": "||",
        "≤": "<=",
        "≥": ">=",
        "·": "*",
    }
)

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
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def visible(text: str) -> str:
    r"""Text as it is, but on one line and with nothing in it that a terminal obeys or hides.

    Control characters, escape sequences, line breaks, bidirectional controls and lone surrogates
    are written as escapes: \x1b, \u202e.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    """The same of each line of a text of several."""
    return "\n".join(map(visible, text.split("\n")))


def printable(text: str) -> str:
    """Text from a corpus or a release on one line, with white space as single spaces."""
    return visible(" ".join(text.split()))


def has_unicode(encoding: str) -> bool:
    """Whether an encoding has the signs that reports use."""
    try:
        "✓✗·…×Δ".encode(codecs.lookup(encoding).name)
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def in_ascii(text: str) -> str:
    """A text in ASCII: signs that reports use as the nearest, all others as escapes."""
    if text.isascii():
        return text
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def _shown(sign: str) -> str:
    if sign.isprintable():
        return sign
    code = ord(sign)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
