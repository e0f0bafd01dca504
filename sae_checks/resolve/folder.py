"""Where in a folder SAEs lie, and what in it would be passed over without a word."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sae_checks.errors import ReleaseError

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"


@dataclass(frozen=True)
class Found:
    """What lies in a folder, at any depth.

    Attributes:
        folder: it.
        configs: folders with a cfg.json.
        weights: folders with weights.
        links: which are not followed.
    """

    folder: Path
    configs: set[Path] = field(default_factory=set)
    weights: set[Path] = field(default_factory=set)
    links: list[Path] = field(default_factory=list)

    def refuse_what_is_passed_over(self) -> None:
        """Raise where an SAE would not be gated.

        Raises:
            ReleaseError: one lies behind a link, or lacks its cfg.json or its weights.
        """
        seen = {os.path.realpath(self.folder)}  # what lies in it is gated
        for path in self.links:
            if _leads_to_an_sae(path, seen):
                raise ReleaseError(
                    f"{path} is a link that is not followed, so that an SAE of the release would "
                    "not be gated; put the files there, or take it out"
                )
        for place in sorted(self.configs ^ self.weights):
            there, missing = (CONFIG, WEIGHTS) if place in self.configs else (WEIGHTS, CONFIG)
            raise ReleaseError(
                f"{place} holds a {there} and no {missing}, so that one SAE of the release would "
                "not be gated; save it again, or take it out"
            )


def walk(folder: Path) -> Found:
    """What lies in a folder, which others may change meanwhile, as they do the system's own.

    Raises:
        ReleaseError: a folder in it cannot be read, or what is called as an SAE's files are is no
            file, such as a pipe, whose end may never come.
    """
    found = Found(folder)
    for parent, folders, files in os.walk(folder, onerror=_unless_gone):
        place = Path(parent)
        found.links.extend(_links(place, [*folders, *files]))
        for name, places in ((CONFIG, found.configs), (WEIGHTS, found.weights)):
            if name in files and _is_regular(place / name):
                places.add(place)
    return found


def _links(place: Path, names: Iterable[str]) -> list[Path]:
    return [place / name for name in names if os.path.islink(place / name)]


def _unless_gone(error: OSError) -> None:
    """Refuse what cannot be read; what somebody deleted, or a link to nothing, is not there."""
    if isinstance(error, FileNotFoundError) or error.errno in (errno.ELOOP, errno.ENOTDIR):
        return
    raise ReleaseError(
        f"{error.filename} cannot be read ({error.strerror}), so that SAEs in it would not be "
        "gated; give a folder that holds the release alone"
    )


def _mode(path: Path) -> int | None:
    """What kind of file it is, or a link leads to; None where there is none.

    Raises:
        ReleaseError: it may not be known.
    """
    try:
        return path.stat().st_mode
    except OSError as error:
        _unless_gone(error)
        return None


def _is_regular(path: Path) -> bool:
    mode = _mode(path)
    if mode is not None and not stat.S_ISREG(mode):
        raise ReleaseError(f"{path} is no regular file; save the SAE again")
    return mode is not None


def _leads_to_an_sae(link: Path, seen: set[str]) -> bool:
    """Whether it is one of an SAE's files and leads nowhere, or leads to a folder with one in it.

    Args:
        link: which one.
        seen: where links led before, by real path; they are not gone after again.
    """
    mode = _mode(link)
    if mode is None:
        return link.name in (CONFIG, WEIGHTS)
    if not stat.S_ISDIR(mode) or (real := os.path.realpath(link)) in seen:
        return False
    seen.add(real)
    for parent, folders, files in os.walk(link, onerror=_unless_gone):
        if CONFIG in files or WEIGHTS in files:
            return True
        if any(_leads_to_an_sae(each, seen) for each in _links(Path(parent), [*folders, *files])):
            return True
    return False
