"""Where in a folder SAEs lie, and what in it would be passed over without a word."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from sae_checks.errors import ReleaseError

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"


@dataclass(frozen=True)
class Found:
    """What lies in a folder, at any depth.

    Attributes:
        configs: folders with a cfg.json.
        weights: folders with weights.
        links: which are not followed.
    """

    configs: set[Path] = field(default_factory=set)
    weights: set[Path] = field(default_factory=set)
    links: list[Path] = field(default_factory=list)

    def refuse_what_is_passed_over(self) -> None:
        """Raise where an SAE would not be gated.

        Raises:
            ReleaseError: one lies behind a link, or lacks its cfg.json or its weights.
        """
        for path in self.links:
            if _leads_to_an_sae(path):
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
    found = Found()
    for parent, folders, files in os.walk(folder, onerror=_unless_gone):
        place = Path(parent)
        found.links.extend(
            place / name for name in (*folders, *files) if (place / name).is_symlink()
        )
        for name, places in ((CONFIG, found.configs), (WEIGHTS, found.weights)):
            if name in files and _is_regular(place / name):
                places.add(place)
    return found


def _unless_gone(error: OSError) -> None:
    if isinstance(error, FileNotFoundError):
        return  # somebody deleted it
    raise ReleaseError(
        f"{error.filename} cannot be read ({error.strerror}), so that SAEs in it would not be "
        "gated; give a folder that holds the release alone"
    )


def _is_regular(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:  # a link to nothing, or deleted
        return False
    if not stat.S_ISREG(mode):
        raise ReleaseError(f"{path} is no regular file; save the SAE again")
    return True


def _leads_to_an_sae(link: Path) -> bool:
    """Whether it is one of an SAE's files and leads nowhere, or a folder with a cfg.json in it."""
    if not link.exists():
        return link.name in (CONFIG, WEIGHTS)
    return any(CONFIG in files for _, _, files in os.walk(link))
