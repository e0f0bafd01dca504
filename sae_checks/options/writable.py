"""Whether a file that the user names can be written, found out before any work."""

from __future__ import annotations

from pathlib import Path


def try_file(file: Path) -> None:
    """Open a file as if to write more; what is there, and what is not, stays as it is.

    A pipe is left alone, whose reader would take the trial for the end.

    Raises:
        OSError: it cannot be written.
    """
    file = file.resolve()  # a link to what is not there stays
    there = file.exists()
    if there and not (file.is_file() or file.is_dir()):
        return
    with file.open("ab"):
        pass
    if not there:
        file.unlink()
