"""How the text of an option becomes its value; what is malformed raises `ArgumentTypeError`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from sae_checks.errors import UserError
from sae_checks.records import PositionRange

_SHOWN = 80  # characters of a name that is none


def positive_number(text: str) -> int:
    """A whole number of 1 or more."""
    number = whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text!r}")
    return number


def at_most(most: int) -> Callable[[str], int]:
    """A parser of whole numbers from 1 to one beyond which nobody could measure."""

    def parse(text: str) -> int:
        number = positive_number(text)
        if number > most:
            raise argparse.ArgumentTypeError(f"must be {most:,} or less, not {text!r}")
        return number

    return parse


def whole_number(text: str) -> int:
    """A whole number, with or without commas."""
    try:
        return int(text.replace(",", ""))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text!r}") from error


def _there(text: str) -> Path:
    """The path that a text is, with the home that `~` stands for.

    Raises:
        ArgumentTypeError: it is empty, too long, or of a user whom this machine does not know.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(f"must be a name or a path, not {text!r}")
    try:
        path = Path(text).expanduser()
        path.resolve().exists()
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: it holds a zero byte
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        said = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        raise argparse.ArgumentTypeError(
            f"must be a name or a path, not {shown!r}: {said}"
        ) from error
    return path


def comma_globs(text: str) -> tuple[str, ...]:
    """Globs with commas between them."""
    globs = tuple(part.strip() for part in text.split(",") if part.strip())
    if not globs:
        raise argparse.ArgumentTypeError(f"must name an SAE or a glob, not {text!r}")
    return globs


def name_or_path(text: str) -> str:
    """A name as it is; a file or folder that exists as its whole path."""
    path = _there(text)
    return str(path.resolve()) if path.exists() else text


def task_names(text: str) -> tuple[str, ...]:
    """Names and files with commas between them; files that exist as whole paths."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    # A folder that happens to be called as a task is does not hide it.
    names = tuple(name_or_path(part) if part.endswith(".jsonl") else part for part in parts)
    if not names:
        raise argparse.ArgumentTypeError(f"must name a task or a file, or be none, not {text!r}")
    if "none" in names and len(names) > 1:
        raise argparse.ArgumentTypeError(f"must be none alone or name tasks, not {text!r}")
    return () if names == ("none",) else names


def one_of(*choices: str) -> Callable[[str], str]:
    """A parser of one of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise argparse.ArgumentTypeError(f"must be one of {', '.join(choices)}, not {text!r}")
        return text

    return parse


def position_ranges(text: str) -> tuple[PositionRange, ...]:
    """Ranges of positions: 1:15,16:127."""
    from sae_checks.records.ranges import parse_ranges

    try:
        return parse_ranges(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs "candidate=baseline" with commas between them."""
    found = [tuple(name.strip() for name in part.split("=")) for part in text.split(",")]
    if any(len(pair) != 2 or not all(pair) for pair in found):
        raise argparse.ArgumentTypeError(f"must be candidate=baseline pairs, not {text!r}")
    if len({pair[0] for pair in found}) < len(found):
        raise argparse.ArgumentTypeError(f"names an SAE twice in {text!r}")
    return tuple((pair[0], pair[1]) for pair in found)


def path(text: str) -> Path:
    """A whole path."""
    return _there(text).resolve()


def reports(text: str) -> tuple[tuple[str, Path], ...]:
    """Formats and files, "summary=run.txt", with commas between them; "run.html" is the page."""
    found = [_report(pair) for pair in text.split(",")]
    if not all(name and file for name, file in found):
        raise argparse.ArgumentTypeError(f"must be FORMAT=FILE, or FILE.html, not {text!r}")
    return tuple((name, path(file)) for name, file in found)


def _report(text: str) -> tuple[str, str]:
    if "=" not in text and text.strip().lower().endswith((".html", ".htm")):
        return "page", text.strip()
    name, _, file = text.partition("=")
    return name.strip(), file.strip()
