"""Folders of stored measurements, as a person names them."""

from __future__ import annotations

import sys
from pathlib import Path

from sae_checks.cli.output import tell
from sae_checks.cli.suggestion import did_you_mean
from sae_checks.errors import UserError
from sae_checks.options.writable import try_file
from sae_checks.wording import visible_lines

_MANIFEST = "manifest.json"


def measurement_folder(folder: Path) -> Path:
    """The folder of one measurement; a store that holds a single one stands for it.

    Raises:
        UserError: there is none, or there are several.
    """
    if not folder.is_dir():
        beside = [each.name for each in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise UserError(
            f"there is no folder {folder}{did_you_mean(folder.name, beside)}; name the folder that "
            "a run tells as its measurements"
        )
    if (folder / _MANIFEST).is_file():
        return folder
    found = sorted(each.parent for each in folder.glob(f"measurements/*/{_MANIFEST}"))
    found = found or sorted(each.parent for each in folder.glob(f"*/{_MANIFEST}"))
    if len(found) == 1:
        return found[0]
    if found:
        names = "\n  ".join(map(str, found))
        raise UserError(f"{folder} holds {len(found)} measurements; name one of them:\n  {names}")
    raise UserError(
        f"{folder} holds no stored measurement (a folder with a {_MANIFEST}); a run tells the "
        "folder of its measurements, and `sae-checks measure` makes one"
    )


def refuse_unwritable(file: Path | None) -> None:
    """Refuse a file that cannot be written, before any work; what is there stays as it is.

    Raises:
        UserError: names it, and why.
    """
    if file is None:
        return
    try:
        try_file(file)
    except OSError as error:
        raise unwritable(file, error) from error


def written(text: str, file: Path | None, *, for_programs: bool = True) -> None:
    """Write a text to a file, and say so; without one, to stdout.

    What programs read, such as a page, is UTF-8 in a file or a pipe, as it is in a file of ours,
    whatever the encoding of the terminal is.

    Raises:
        UserError: the file cannot be written.
    """
    if file is None:
        if for_programs and not sys.stdout.isatty():
            sys.stdout.flush()
            sys.stdout.buffer.write(f"{visible_lines(text)}\n".encode())
            sys.stdout.buffer.flush()
        else:
            tell(text)
        return
    try:
        file.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise unwritable(file, error) from error
    tell(f"written to {file}")


def unwritable(file: Path, error: OSError) -> UserError:
    """That a file cannot be written, and why."""
    return UserError(f"{file} cannot be written ({error.strerror}); name another file")
