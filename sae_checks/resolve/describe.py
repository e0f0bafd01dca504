"""From a listing to a release: each SAE's own configuration, and one way to load the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sae_checks.errors import ReleaseError
from sae_checks.records import ModelLoading, Release, SaeRef
from sae_checks.resolve.hook_point import parse_hook_point
from sae_checks.resolve.listing import Entry, Listing

# How sae_lens named a thing before version 6, when the configuration was flat.
_OLD_NAMES = {"hook_name": "hook_point", "hook_head_index": "hook_point_head_index"}


def describe(
    listing: Listing, *, model: str | None = None, training_context: int | None = None
) -> Release:
    """Read the configuration of every SAE of the listing.

    Args:
        listing: what `find` and `choose` gave.
        model: a name or folder that takes the place of the model the SAEs name (`--sae-model`).
        training_context: takes the place of the training context the SAEs name, in tokens.

    Raises:
        ReleaseError: a configuration is missing, is a transcoder's, or the SAEs of the release
            need their model loaded in different ways.
    """
    with ThreadPoolExecutor(max_workers=8) as pool:  # the hub answers one small file at a time
        saes = tuple(pool.map(lambda e: _describe_entry(listing, e, training_context), listing.entries))
    if model is not None:
        saes = tuple(replace(s, loading=replace(s.loading, model_name=model)) for s in saes)
    return Release(
        name=listing.name,
        source=listing.source,
        loading=_one_loading(listing.name, saes),
        saes=saes,
        notes=listing.notes,
    )


def _describe_entry(listing: Listing, entry: Entry, training_context: int | None) -> SaeRef:
    config, weights_key = _read(listing, entry)
    get = _Reader(listing.name, entry.sae_id, {**config, **entry.overrides})
    if "transcoder" in str(get("architecture", "standard")) or get("hook_name_out"):
        raise ReleaseError(
            f"SAE {entry.sae_id!r} of {listing.name!r} is a transcoder, which maps one hook point "
            "to another; sae-checks gates SAEs only, for now"
        )
    if get("hook_head_index") is not None:
        raise ReleaseError(
            f"SAE {entry.sae_id!r} of {listing.name!r} reads a single attention head "
            f"(hook_head_index {get('hook_head_index')}); sae-checks measures whole hook points only"
        )
    context = training_context or get("context_size")
    if not context:
        raise ReleaseError(
            f"SAE {entry.sae_id!r} of {listing.name!r} does not say at which context it was trained; "
            "say it with --sae-training-context TOKENS"
        )
    hook_point = get.required("hook_name")
    layer, site = parse_hook_point(hook_point)
    kwargs = get("model_from_pretrained_kwargs") or {}
    return SaeRef(
        sae_id=entry.sae_id,
        hook_point=hook_point,
        layer=layer,
        site=site,
        training_context=int(context),
        d_in=int(get.required("d_in")),
        d_sae=int(get.required("d_sae")),
        architecture=str(get("architecture", "standard")),
        loading=ModelLoading(
            model_name=get("model_name") or listing.model or get.required("model_name"),
            model_class_name=get("model_class_name") or "HookedTransformer",
            from_pretrained_kwargs=tuple((k, _plain(v)) for k, v in sorted(kwargs.items())),
            prepend_bos=bool(get("prepend_bos", True)),
        ),
        location=entry.location,
        weights_key=weights_key,
        dataset=get("dataset_path"),
        neuronpedia_id=entry.neuronpedia_id or get("neuronpedia_id"),
    )


def _plain(value: Any) -> object:
    """Something hashable, so that ways of loading can be compared."""
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


class _Reader:
    """Looks a name up where sae_lens writes it: in `metadata` since 6.0, flat before."""

    def __init__(self, release: str, sae_id: str, config: Mapping[str, Any]) -> None:
        self.release, self.sae_id = release, sae_id
        self.config, self.metadata = config, config.get("metadata") or {}

    def __call__(self, name: str, default: Any = None) -> Any:
        for place in (self.metadata, self.config):
            for key in (name, _OLD_NAMES.get(name)):
                if key is not None and place.get(key) is not None:
                    return place[key]
        return default

    def required(self, name: str) -> Any:
        value = self(name)
        if value is None:
            raise ReleaseError(
                f"the cfg.json of SAE {self.sae_id!r} of {self.release!r} lacks {name!r}, "
                "which sae-checks needs to know"
            )
        return value


def _read(listing: Listing, entry: Entry) -> tuple[dict[str, Any], str]:
    """The SAE's configuration, and a key that changes whenever its weights do."""
    from sae_checks.resolve import hub

    if listing.source in ("folder", "demo"):
        folder = Path(entry.location)
        return _read_json(folder / "cfg.json"), f"sha256:{_hash_folder(folder)}"
    repo_id, _, folder_name = entry.location.partition(":")
    if listing.conversion is None:
        config, commit = hub.read_json(repo_id, f"{folder_name}/cfg.json")
    else:
        config, commit = _read_converted(listing.name, entry.sae_id), hub.commit(repo_id)
    overrides = json.dumps(dict(entry.overrides), sort_keys=True, default=str)
    return config, f"{repo_id}@{commit}:{folder_name}:{overrides}"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{path} is not valid JSON ({error}); save the SAE again") from error
    if not isinstance(config, dict):
        raise ReleaseError(f"{path} holds no JSON object; save the SAE again")
    return config


def _read_converted(release: str, sae_id: str) -> dict[str, Any]:
    """Configuration of a layout that only sae_lens's own conversions understand (imports torch)."""
    from sae_lens.loading.pretrained_sae_loaders import load_sae_config_from_huggingface

    from sae_checks.resolve import hub

    config: dict[str, Any] = hub.or_refuse(
        release, lambda: load_sae_config_from_huggingface(release, sae_id)
    )
    return config


def _hash_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in ("cfg.json", "sae_weights.safetensors"):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _one_loading(release: str, saes: tuple[SaeRef, ...]) -> ModelLoading:
    loadings = list(dict.fromkeys(sae.loading for sae in saes))
    if len(loadings) == 1:
        return loadings[0]
    groups = "; ".join(
        f"{loading} for {', '.join(s.sae_id for s in saes if s.loading == loading)}"
        for loading in loadings
    )
    raise ReleaseError(
        f"the SAEs of {release!r} need their model loaded in {len(loadings)} different ways "
        f"({groups}); gate them one group at a time with --sae-ids"
    )
