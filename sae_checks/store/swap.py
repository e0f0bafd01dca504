"""A folder that takes the place of another, so that a death at any moment loses neither.

The new one is made beside the old one and whole before the old one is put aside for it. What a
process left behind that died in between is told by its name, and mended by the next writer; the
caller sees to it that there is one writer at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A folder to write into, which then takes the target's place; nothing does if that fails."""
    recover(target)
    scratch = _scratch(target)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        if target.exists():
            target.rename(_before(target))
        scratch.rename(target)
    finally:
        recover(target)


def recover(target: Path) -> None:
    """Mend what a process left that died while a folder was being replaced."""
    before = _before(target)
    if before.exists():
        if target.exists():
            shutil.rmtree(before)
        else:
            before.rename(target)
    if (scratch := _scratch(target)).exists():
        shutil.rmtree(scratch)


def standing(target: Path) -> Path:
    """Where a folder is to be read: for a moment the old one lies aside and the new one is not
    there yet.
    """
    before = _before(target)
    return before if before.exists() and not target.exists() else target


def _scratch(target: Path) -> Path:
    return target.with_name(f".writing-{target.name}")


def _before(target: Path) -> Path:
    return target.with_name(f".before-{target.name}")
