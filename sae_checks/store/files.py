"""What files and folders of the store are called, whose they are, and what is set aside.

    <measurement>/manifest.json
                 /<evaluation>/<data set>/<intervention>/table.json, tokens.parquet, ...

A table's folder is named after all that tells its figures from others: an SAE's weights are part
of its name, so that one changed byte measures that SAE again and no other. Where files lie is not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from sae_checks.errors import StoreError
from sae_checks.records import DatasetRef, Intervention, SaeRef, TableRef

MANIFEST = "manifest.json"
_LONGEST = 120  # signs of a name; file systems take 255, some of which others add
_SET_ASIDE = re.compile(r"\.damaged-\d+$")
_Read = TypeVar("_Read")


def dataset_folder(evaluation: str, dataset: DatasetRef) -> str:
    """Where the tables of a data set lie, below a measurement's folder."""
    name = slug(dataset.name)
    if dataset.identity or name != dataset.name:
        text = json.dumps([dataset.name, dataset.identity], sort_keys=True, default=str)
        name += f"-{_digest(text)}"
    return f"{evaluation}/{name}"


def table_folder(ref: TableRef) -> str:
    """Where a table lies, below a measurement's folder."""
    of_table = intervention_folder(ref.intervention, ref.observed)
    return f"{dataset_folder(ref.kind.EVALUATION, ref.dataset)}/{of_table}"


def sae_folder(sae: SaeRef) -> str:
    """What the folder of an SAE's table is called, wherever it is spliced in by itself."""
    return intervention_folder(Intervention((sae,)))


def intervention_folder(intervention: Intervention, observed: SaeRef | None = None) -> str:
    """What the folder of a table is called; a + or @ in it tells it from an SAE's own."""
    longest = _LONGEST // max(1, len(intervention.saes))  # so that the + of several stays
    name = "+".join(slug(sae.sae_id)[:longest] for sae in intervention.saes)
    known = [_known(sae) for sae in intervention.saes]
    if observed is not None or not known:
        name = f"{name[: _LONGEST // 2]}@{slug(observed.sae_id) if observed is not None else ''}"
        text = repr((known, None if observed is None else _known(observed)))
    else:
        text = repr(known[0] if len(known) == 1 else known)
    return f"{name[:_LONGEST]}-{_digest(text)}"


def is_of_several(folder: str) -> bool:
    """Whether a folder is named after a table that is not of one SAE by itself."""
    return bool(re.search("[+@]", folder)) and not _SET_ASIDE.search(folder)


def owner(provenance_key: str, ref: TableRef) -> dict[str, Any]:
    """Whose a table is, without where files lie: of a setting's key, SAEs, a data set."""
    saes = [described_sae(sae) for sae in ref.intervention.saes]
    return {
        "setting": provenance_key,
        **({"sae": saes[0]} if len(saes) == 1 else {"saes": saes}),
        "observed": None if ref.observed is None else described_sae(ref.observed),
        "evaluation": ref.kind.EVALUATION,
        "dataset": {"name": ref.dataset.name, "identity": dict(ref.dataset.identity)},
    }


def set_aside(path: Path) -> Path:
    """Rename a file or folder, so that another one can take its place; its new path."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return path.rename(aside)


def whole_or_set_aside(
    read: Callable[[], _Read | None], path: Path, tell: Callable[[str], None]
) -> _Read | None:
    """What reading gives; where it is refused, None, with the path set aside, which is told."""
    try:
        return read()
    except StoreError as error:
        aside = set_aside(path)
        reason = str(error).rpartition("; ")[0]
        tell(f"{reason}; set aside as {aside.name}, and made anew")
        return None


def slug(name: str) -> str:
    """A name as a folder's name."""
    return re.sub(r"[^\w.-]+", "_", name).strip("_.")[:_LONGEST] or "sae"


def described_sae(sae: SaeRef) -> dict[str, Any]:
    """An SAE as the tables that are its say it."""
    described = _described(sae, repr(sae.loading))
    return {**described, "loading": dict(described["loading"])}


@lru_cache(maxsize=1024)
def _described(sae: SaeRef, loading: str) -> dict[str, Any]:
    """Once of each: a measurement has a table of an SAE for every other one and every task.

    Equal ones that are written otherwise, as True and 1 are, are told apart by how they load.
    """
    described = asdict(sae)
    del described["location"], described["loading"]["model_name"], described["declared"]
    if not sae.is_transcoder:  # described as before there were any
        del described["hook_point_out"], described["width_out"]
    return described


def _known(sae: SaeRef) -> SaeRef | tuple[SaeRef, str, int]:
    return _known_as(sae, repr(sae.loading))


@lru_cache(maxsize=1024)
def _known_as(sae: SaeRef, loading: str) -> SaeRef | tuple[SaeRef, str, int]:
    """What tells an SAE from others, as its repr says it; where a transcoder writes is part of it.

    Where files lie does not matter, only what they are; the model is in the setting's key, and what
    is declared of them is in no text of theirs.
    """
    known = replace(sae, location="", loading=replace(sae.loading, model_name=""))
    return (known, sae.writes, sae.d_out) if sae.is_transcoder else known


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
