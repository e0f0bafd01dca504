"""`sae-checks show`: what a release declares of its SAEs, and whether it can be gated."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from sae_checks.cli.output import tell
from sae_checks.cli.table import table, width_of_terminal
from sae_checks.errors import ReleaseError, UserError
from sae_checks.options.parsing import name_or_path
from sae_checks.records import Release, SaeRef
from sae_checks.records.declared import DeclaredFigure
from sae_checks.resolve.listing import Listing
from sae_checks.resolve.model_order import depth
from sae_checks.wording import SAY_TRAINING_CONTEXT, counted, printable

HELP = "show a release: its SAEs, what is declared of them, whether it can be gated"
EPILOG = """\
The configurations of a release on the hub are read from there, or from the cache; where neither has
them, its names are shown. It ends with 0 where the release can be gated, and 1 where it cannot.

examples:
  sae-checks show tales
  sae-checks show gpt2-small-res-jb
  sae-checks show path/to/saes
"""
_HEAD = (
    *("SAE", "reads at", "writes at", "kind", "d_in", "features"),
    *("training context", "declared L0", "declared variance", "declares data"),
)


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which release."""
    command.add_argument(
        "release",
        nargs="?",
        type=name_or_path,
        metavar="RELEASE",
        help="a release of sae_lens's directory, a folder, or a hub repo id; the demo without it",
    )


def run(given: Mapping[str, Any], command: str) -> int:
    """Print what there is to say of a release; 1 where it cannot be gated.

    Args:
        given: the release's name, or None.
        command: as it was called.

    Raises:
        ReleaseError: there is no such release.
    """
    from sae_checks.resolve import directory

    name = given["release"]
    if name in directory.release_names():
        reason = directory.refusal(name, directory.read_release(name))
        if reason is not None:
            tell(f"gateable: no: {reason}")
            return 1
    lines, gateable = shown(name)
    for line in lines:
        tell(line)
    return 0 if gateable else 1


def shown(name: str | None) -> tuple[list[str], bool]:
    """The lines on a release, and whether it can be gated.

    Raises:
        ReleaseError: there is no such release.
    """
    from sae_checks import resolve
    from sae_checks.resolve.model_config import read_model_config

    listing = resolve.find(name)
    try:
        release = resolve.describe(listing)
    except ReleaseError as error:
        answer = _answer(str(error))
        return list(_unread(listing, answer)), answer.startswith("yes")
    answer = "yes"
    try:
        read_model_config(release.loading)
    except UserError as error:
        answer = _answer(str(error))
    return list(_described(release, answer)), answer.startswith("yes")


def _answer(reason: str) -> str:
    """Whether a release can be gated of which something cannot be read; names allow it."""
    from sae_checks.resolve.hub import is_offline

    if is_offline():
        return f"yes, by its names; not all could be read without a network: {reason}"
    return f"no: {reason}"


def _described(release: Release, answer: str) -> Iterator[str]:
    loading = release.loading
    notes = "".join(f" ({note})" for note in release.notes)
    yield f"{printable(release.name)}{notes}: {counted(len(release.saes), 'SAE')}"
    options = ", ".join(f"{key}={value}" for key, value in loading.from_pretrained_kwargs)
    bos = "with BOS" if loading.prepend_bos else "without BOS"
    yield f"model: {printable(loading.model_name)}, {bos}" + (f", {options}" if options else "")
    declared = sorted({sae.dataset for sae in release.saes if sae.dataset})
    yield f"data: {', '.join(map(printable, declared)) or 'not declared; name it: --sae-corpus'}"
    if any(sae.training_context is None for sae in release.saes):
        yield f"training context: not declared of all SAEs; {SAY_TRAINING_CONTEXT}"
    yield f"gateable: {answer}"
    yield ""
    saes = sorted(release.saes, key=lambda sae: depth(sae.writes))
    yield from table(_HEAD, map(_cells, saes), width_of_terminal())


def _cells(sae: SaeRef) -> tuple[str, ...]:
    return (
        sae.sae_id,
        sae.hook_point,
        sae.writes if sae.is_transcoder else "where it reads",
        sae.architecture,
        f"{sae.d_in:,}",
        f"{sae.d_sae:,}",
        "–" if sae.training_context is None else f"{sae.training_context:,}",
        _figure(sae.declared.l0),
        _figure(sae.declared.explained_variance),
        "yes" if sae.declared.dataset else "no",
    )


def _figure(figure: DeclaredFigure | None) -> str:
    if figure is None:
        return "–"
    return f"{figure.value:.4g}{' (target)' if figure.target else ''}"


def _unread(listing: Listing, answer: str) -> Iterator[str]:
    """What names tell of a release whose configurations cannot be read, or contradict."""
    yield f"{printable(listing.name)}: {counted(len(listing.entries), 'SAE')}, by name alone"
    if listing.model:
        yield f"model: {printable(listing.model)}"
    yield f"gateable: {answer}"
    yield ""
    for entry in listing.entries:
        figures = ", ".join(f"{name} {value:g}" for name, value in entry.figures.items())
        yield printable(entry.sae_id) + (f"  (declared: {figures})" if figures else "")
