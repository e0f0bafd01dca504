"""What a release is compared with: another one's cells, and all that has to agree for pairing."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sae_checks.baseline.paired import CellValue, Terms
from sae_checks.errors import BaselineError
from sae_checks.judge.check import Check
from sae_checks.records import Measurement, SaeRef
from sae_checks.records.place import CellKey, CellRef
from sae_checks.wording import counted

# Where tables lie and which device made them does not keep figures from being compared; what a
# library's version changes beyond rounding, its own tests tell.
_MAY_DIFFER = ("device", "libraries")
# What is measured on beside the texts of the corpus; one of the two may lack it.
_BESIDE = ("tasks.", "shift.")


@dataclass(frozen=True)
class BaselineSae:
    """One SAE of a baseline."""

    sae_id: str
    hook_point: str
    weights_key: str


@dataclass(frozen=True)
class Baseline:
    """A release's cells, each with what a paired comparison needs of it.

    Attributes:
        release: its name.
        pairing_terms: what the candidate must agree with, flat: "provenance.seed" -> 0.
        saes: the SAEs.
        cells: every cell that is compared.
    """

    release: str
    pairing_terms: Mapping[str, object]
    saes: tuple[BaselineSae, ...]
    cells: Mapping[CellKey, CellValue]
    written: str = ""  # the day, where it is known: "2026-12-31"


@dataclass(frozen=True)
class Identity:
    """What a baseline is, fixed when it is looked up: nothing written later changes it."""

    release: str
    origin: str  # "file baselines/v1.json", "measurement /store/measurements/v1-0123"
    saes: int
    weights: str  # of `weights_digest`
    written: str = ""  # the day, where it is known

    def __str__(self) -> str:
        day = f", written {self.written}" if self.written else ""
        told = f"{counted(self.saes, 'SAE')}, weights {self.weights}"
        return f"{self.release} from {self.origin}: {told}{day}"


def weights_digest(saes: Iterable[tuple[str, str]]) -> str:
    """12 hexadecimal digits that tell the weights of SAEs; each is an id and its weights' key."""
    return hashlib.sha256(json.dumps(sorted(saes)).encode()).hexdigest()[:12]


def same_weights(
    saes: Sequence[SaeRef], others: Sequence[BaselineSae], matches: Mapping[str, str]
) -> bool:
    """Whether every SAE of a release has the weights of the one that it is compared with."""
    theirs = {sae.sae_id: sae.weights_key for sae in others}
    return all(theirs.get(matches.get(sae.sae_id, "")) == sae.weights_key for sae in saes)


def pairing_terms(measurement: Measurement) -> dict[str, object]:
    """What of a measurement's manifest decides whether another one can be paired with it.

    Raises:
        BaselineError: it does not say which texts or items were measured: two such ones would pair.
    """
    manifest = measurement.manifest
    found = pairing_terms_of_provenance(manifest.provenance)
    found["texts.fingerprint"] = _fingerprint("texts", manifest.texts)
    if manifest.shift_corpus:
        found["shift.fingerprint"] = _fingerprint("texts of the second corpus", manifest.shift)
    for task in manifest.tasks:
        found[f"tasks.{task.ref.name}"] = _fingerprint(
            f"items of {task.ref.name}", task.description
        )
    return found


def _fingerprint(units: str, description: Mapping[str, Any]) -> object:
    """None where nothing is described: nothing was measured then."""
    found = description.get("fingerprint")
    if description and not isinstance(found, str):
        raise BaselineError(
            f"a manifest does not say which {units} were measured, so that they cannot be paired; "
            "measure again"
        )
    return found


def pairing_terms_of_provenance(provenance: Mapping[str, Any]) -> dict[str, object]:
    """The part of it that is known before anything is measured."""
    found = {
        f"provenance.{key}": value
        for key, value in _flat(provenance)
        if key.split(".")[0] not in _MAY_DIFFER
    }
    # Files are what they hold, wherever they lie.
    if str(found.get("provenance.model_version")).startswith("sha256:"):
        found["provenance.loading.model_name"] = ""
    corpus = Path(str(found.get("provenance.corpus")))
    if corpus.suffix:
        found["provenance.corpus"] = corpus.name
    return found


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            pairs += _flat(value, f"{before}{key}.")
        else:
            # As JSON gives it back.
            pairs.append((before + key, _listed(value)))
    return pairs


def _listed(value: object) -> object:
    return [_listed(each) for each in value] if isinstance(value, list | tuple) else value


def refuse_unpaired(
    candidate: Mapping[str, object], name: str, theirs: Mapping[str, object]
) -> None:
    """Refuse a baseline that was measured otherwise, naming every key that differs.

    A task, or a second corpus, that only one of the two has is no such difference: its cells fail
    by themselves. Nor is what a candidate that has yet to be measured cannot say.

    Raises:
        BaselineError: what was measured cannot be paired.
    """
    keys = [
        key
        for key in sorted(candidate)
        if candidate[key] != theirs.get(key)
        and not (key.startswith(_BESIDE) and not (candidate[key] and theirs.get(key)))
        # A run of tasks alone has no texts; cells of texts without them are undefined, and fail.
        and not (key == "texts.fingerprint" and candidate[key] is None)
    ]
    if keys:
        told = "; ".join(
            f"{key} is {candidate.get(key)!r}, not {theirs.get(key)!r}" for key in keys
        )
        raise BaselineError(
            f"the baseline {name} was not measured as this run, so that their texts "
            f"cannot be paired: {told}; measure as the baseline was, or make a new one with "
            "--sae-baseline-update"
        )


def refuse_other_terms(name: str, pairs: Sequence[tuple[CellKey, Terms, Terms]]) -> None:
    """Refuse a baseline whose figures were defined otherwise, or made with other parameters.

    Args:
        name: the baseline's.
        pairs: of each cell that both have, its key in the baseline, the run's terms, and its.

    Raises:
        BaselineError: names each check and what differs, and a cell where not all of its do.
    """
    found: dict[tuple[str, str], list[CellKey]] = {}
    for key, ours, theirs in pairs:
        for told in _differences(ours, theirs):
            found.setdefault((key.check, told), []).append(key)
    if not found:
        return
    cells = Counter(key.check for key, _, _ in pairs)
    parts = []
    for (check, told), keys in found.items():
        some = len(keys) < cells[check]
        parts.append(
            f"{check} was written with {told}" + (f" (at {keys[0].where})" if some else "")
        )
    raise BaselineError(
        f"the baseline {name} was judged otherwise than this run, so that figures cannot be "
        f"compared: {'; '.join(parts)}; judge by the same, or make a new one with "
        "--sae-baseline-update"
    )


def _differences(ours: Terms, theirs: Terms) -> list[str]:
    """What differs, as "floor = 0.02, this run has floor = 0.2"."""
    told = []
    if ours.definition != theirs.definition:
        versions = f"version {theirs.definition} of its definition", f"version {ours.definition}"
        told.append(f"{versions[0]}, this run has {versions[1]}")
    mine, other = dict(ours.parameters), dict(theirs.parameters)
    for name in sorted(mine.keys() | other.keys()):
        if mine.get(name) != other.get(name):
            shown = [
                f"{name} = {each[name]!r}" if name in each else f"no {name}"
                for each in (other, mine)
            ]
            told.append(f"{shown[0]}, this run has {shown[1]}")
    return told


def match(
    saes: Sequence[SaeRef], others: Sequence[BaselineSae], pairs: Mapping[str, str]
) -> dict[str, str]:
    """Candidate's SAE id -> the baseline's: as told, else of the same id, else of the same hook.

    Raises:
        BaselineError: a pair names an SAE that does not exist, or two pairs one SAE.
    """
    ours, theirs = {sae.sae_id for sae in saes}, {sae.sae_id for sae in others}
    for mine, other in pairs.items():
        for name, ids, whose in ((mine, ours, "the release"), (other, theirs, "the baseline")):
            if name not in ids:
                raise BaselineError(
                    f"--sae-match names {name!r}, which is no SAE of {whose}; it has "
                    f"{', '.join(sorted(ids))}"
                )
    if len(set(pairs.values())) < len(pairs):
        raise BaselineError("--sae-match pairs two SAEs with the same one of the baseline")
    found = dict(pairs)
    for sae in saes:
        if sae.sae_id in theirs - set(found.values()):
            found.setdefault(sae.sae_id, sae.sae_id)
    left = [sae for sae in others if sae.sae_id not in found.values()]
    for sae in saes:
        at_hook = [other for other in left if other.hook_point == sae.hooks]
        alone = sum(s.hooks == sae.hooks and s.sae_id not in found for s in saes) == 1
        if sae.sae_id not in found and len(at_hook) == 1 and alone:
            found[sae.sae_id] = at_hook[0].sae_id
    return found


def key_of(check: Check, ref: CellRef, matches: Mapping[str, str] | None = None) -> CellKey | None:
    """A cell's key; in the baseline's own terms where matches are given. None if unmatched."""
    place = ref.place.key(matches)
    return None if place is None else CellKey(check.name, place)
