"""What a name given to `--sae` stands for: a demo, a directory release, a folder or a hub repo."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from sae_checks import demo
from sae_checks.errors import ReleaseError
from sae_checks.records import Source
from sae_checks.resolve import directory
from sae_checks.resolve.folder import CONFIG, WEIGHTS, walk
from sae_checks.wording import natural_order

_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Entry:
    """One SAE of a listing: where it lies, and what the directory says beyond its own config."""

    sae_id: str
    location: str  # a folder, or "repo_id:folder"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    neuronpedia_id: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)  # which the directory declares
    target_l0: bool = False  # of these, the L0 is what training aimed at


@dataclass(frozen=True)
class Listing:
    """A release by name: its SAE ids, before any configuration is read."""

    name: str
    source: Source
    entries: tuple[Entry, ...]
    model: str | None = None  # as the directory names it; a folder's SAEs name their own
    conversion: str | None = None  # sae_lens's conversion function, None for its own layout
    notes: tuple[str, ...] = ()
    location: str = ""  # of a folder


def find(name: str | None) -> Listing:
    """The listing that `--sae NAME` stands for; no network is needed, but for a hub repo.

    Raises:
        ReleaseError: no such release, a folder without SAEs, or a release of cross-layer
                transcoders.
    """
    if name is None or name == "tales":
        notes = ("the bundled demo, since --sae is absent",) if name is None else ()
        listing = _find_folder("tales", demo.SAES_FOLDER)
        return replace(listing, source="demo", notes=notes, location="")
    if Path(name).expanduser().is_dir():
        folder = Path(name).expanduser().resolve()
        return _find_folder(folder.name, folder)
    if name in directory.release_names():
        return _find_in_directory(name)
    if _REPO_ID.fullmatch(name):
        return _find_repo(name)
    raise ReleaseError(_unknown(name))


def choose(listing: Listing, globs: tuple[str, ...]) -> Listing:
    """The SAEs of the listing whose id matches any of the globs (all of them without globs).

    Raises:
        ReleaseError: a glob matches none.
    """
    chosen = matching([entry.sae_id for entry in listing.entries], globs, repr(listing.name))
    return replace(listing, entries=tuple(e for e in listing.entries if e.sae_id in chosen))


def matching(ids: Sequence[str], globs: tuple[str, ...], of: str) -> set[str]:
    """Those of some SAE ids that match any of the globs; all of them without globs.

    Args:
        ids: of the SAEs that there are.
        globs: as in `--sae-ids`.
        of: what has these SAEs, in a message.

    Raises:
        ReleaseError: a glob matches none: it may be a slip, and less would be gated than was meant.
    """
    if not globs:
        return set(ids)
    idle = [glob for glob in globs if not any(fnmatchcase(each, glob) for each in ids)]
    if idle:
        more = f", … ({len(ids)} in all)" if len(ids) > 5 else ""
        raise ReleaseError(
            f"--sae-ids {','.join(idle)} matches no SAE of {of}; it has {', '.join(ids[:5])}{more}"
        )
    return {each for each in ids if any(fnmatchcase(each, glob) for glob in globs)}


def _unknown(name: str) -> str:
    near = directory.nearest_names(name)
    meant = f"; did you mean {' or '.join(near)}?" if near else "."
    return (
        f"--sae {name!r} is no release of sae_lens's directory, no folder of SAEs and no hub repo "
        f"id (owner/name){meant}"
    )


def _find_in_directory(name: str) -> Listing:
    description = directory.read_release(name)
    reason = directory.refusal(name, description)
    if reason is not None:
        raise ReleaseError(reason)
    repo_id, overrides = description["repo_id"], description.get("config_overrides") or {}
    target_l0 = directory.declares_targets(description)
    entries = tuple(
        Entry(
            sae_id=sae["id"],
            location=f"{repo_id}:{sae['path']}",
            overrides=overrides,
            neuronpedia_id=sae.get("neuronpedia"),
            figures=directory.figures(sae),
            target_l0=target_l0,
        )
        for sae in description["saes"]
    )
    conversion = description.get("conversion_func")
    return Listing(name, "directory", entries, model=description["model"], conversion=conversion)


def _find_folder(name: str, folder: Path) -> Listing:
    found = walk(folder)
    saes = sorted(
        found.configs & found.weights,
        key=lambda sae: natural_order(sae.relative_to(folder).as_posix()),
    )
    if not saes:
        told = f"{len(found.configs)} {CONFIG}" if found.configs else f"no {CONFIG}"
        raise ReleaseError(
            f"folder {folder} holds no SAE: an SAE saved by sae_lens is a {CONFIG} beside a "
            f"{WEIGHTS}, and {told} is all that was found in it"
        )
    found.refuse_what_is_passed_over()
    entries = tuple(
        Entry(
            sae_id=sae.relative_to(folder).as_posix() if sae != folder else name, location=str(sae)
        )
        for sae in saes
    )
    return Listing(name, "folder", entries, location=str(folder))


def _find_repo(repo_id: str) -> Listing:
    from sae_checks.resolve import hub

    known = directory.releases_of_repo(repo_id)
    if len(known) == 1:  # the directory knows how its model must be loaded; the repo alone does not
        listing = _find_in_directory(known[0])
        return replace(listing, notes=(f"release {known[0]} of the directory, by its repo id",))
    if known:
        raise ReleaseError(
            f"hub repo {repo_id!r} holds {len(known)} releases of sae_lens's directory; "
            f"choose one by its name: {', '.join(known)}"
        )
    folders = hub.HubRepo(repo_id).sae_folders()
    if not folders:
        raise ReleaseError(
            f"hub repo {repo_id!r} holds no SAE in sae_lens's layout "
            f"(a folder with {CONFIG} and {WEIGHTS})"
        )
    entries = tuple(Entry(sae_id=folder, location=f"{repo_id}:{folder}") for folder in folders)
    return Listing(repo_id, "hub", entries)
