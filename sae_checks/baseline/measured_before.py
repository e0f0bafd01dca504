"""Releases that were measured before, by the name that their manifests record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sae_checks.baseline.identity import pairing_terms_of_provenance, weights_digest
from sae_checks.errors import BaselineError, StoreError
from sae_checks.records import Manifest
from sae_checks.records.provenance import DEFINITIONS_VERSION
from sae_checks.store.files import MANIFEST
from sae_checks.store.recorded import glanced_at
from sae_checks.wording import counted


@dataclass(frozen=True)
class Asked:
    """What a run measures or judges, as far as a baseline has to fit it.

    Attributes:
        pairing_terms: as of `pairing_terms_of_provenance`.
        own: the folder of its measurement; None where it has none.
        writes: whether the run writes to that folder, and so may change what it holds.
    """

    pairing_terms: Mapping[str, object]
    own: Path | None = None
    writes: bool = False


@dataclass(frozen=True)
class _Recorded:
    """A stored measurement by its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def weights(self) -> str:
        refs = (entry.ref for entry in self.manifest.saes)
        return weights_digest((ref.sae_id, ref.weights_key) for ref in refs)

    def is_of(self, name: str) -> bool:
        """Whether it is of the release that a name, or a folder of SAEs, stands for."""
        path = Path(name)
        if not path.is_dir():
            return self.manifest.release == name
        locations = [Path(entry.ref.location) for entry in self.manifest.saes]
        return self.manifest.release == path.name and all(
            path == location or path in location.parents for location in locations
        )

    def fits(self, pairing_terms: Mapping[str, object]) -> bool:
        """Whether it can be paired on these terms, and was measured by the present definitions."""
        provenance = self.manifest.provenance
        same = provenance.get("definitions") == DEFINITIONS_VERSION
        return same and pairing_terms_of_provenance(provenance) == pairing_terms


def find_measured(store: Path, name: str, asked: Asked, file: Path) -> Path:
    """The folder of the one release of this name that was measured in the run's setting.

    The run's own measurement is none: it would be compared with itself.

    Args:
        store: where measurements are kept.
        name: of the release, exactly, or the folder of its SAEs.
        asked: what the run measures.
        file: that was looked for before, for the message.

    Raises:
        BaselineError: there is none, only the run's own, or several with different weights.
    """
    named = [each for each in _recorded(store) if each.is_of(name)]
    fitting = [each for each in named if each.fits(asked.pairing_terms)]
    others = [each for each in fitting if not _same(each.folder, asked.own)]
    if fitting and not others:
        raise _own(name, fitting[0].folder, asked.writes)
    if not others:
        elsewhere = f" ({len(named)} in other settings)" if named else ""
        raise BaselineError(
            f"--sae-baseline {name}: there is no {file}, and no measurement of a release of "
            f"exactly that name in this setting in {store}{elsewhere}; measure it first, with the "
            "same options and --sae-fixed, or write a file with --sae-baseline-update"
        )
    if len({each.weights for each in others}) > 1:
        listed = ", ".join(f"{each.folder} (weights {each.weights})" for each in others)
        raise BaselineError(
            f"--sae-baseline {name}: {counted(len(others), 'measurement')} of releases of that "
            f"name have different weights: {listed}; name one of these folders"
        )
    return others[0].folder


def refuse_own(name: str, folder: Path, asked: Asked) -> None:
    """Refuse a measurement that the run itself may change.

    Raises:
        BaselineError: it is.
    """
    if asked.writes and _same(folder, asked.own):
        raise _own(name, folder, asked.writes)


def _own(name: str, folder: Path, writes: bool) -> BaselineError:
    does = "writes its measurement to" if writes else "judges"
    return BaselineError(
        f"--sae-baseline {name}: that is {folder}, the folder that this very run {does}, so that "
        "the release would be compared with itself; while it holds the earlier weights' tables, "
        f"write them to a file, with --sae-measurements {folder} --sae-baseline NAME.json "
        "--sae-baseline-update, and name that file, or name another measurement's folder"
    )


def _recorded(store: Path) -> list[_Recorded]:
    """All stored measurements whose manifests can be read."""
    found = []
    for path in sorted(store.glob(f"measurements/*/{MANIFEST}")):
        try:
            found.append(_Recorded(path.parent, glanced_at(path)))
        except StoreError:  # told where that measurement itself is asked for
            continue
    return found


def _same(folder: Path, own: Path | None) -> bool:
    return own is not None and folder.resolve() == own.resolve()
