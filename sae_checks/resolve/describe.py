"""From a listing to a release: each SAE's own configuration, and one way to load the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sae_checks.errors import ReleaseError
from sae_checks.records import Declared, ModelLoading, Release, SaeRef
from sae_checks.resolve.conversions import conversion_named
from sae_checks.resolve.declared import declared_figures
from sae_checks.resolve.hook_point import choose_name, of_head, parse_hook_point
from sae_checks.resolve.json_file import read_object
from sae_checks.resolve.listing import Entry, Listing
from sae_checks.third_party import ignored_warnings

if TYPE_CHECKING:
    from sae_checks.resolve import hub

T = TypeVar("T")

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
        ReleaseError: a configuration is missing or contradicts itself, or the SAEs of the
            release need their model loaded in different ways.
    """
    source = _Source.of(listing)
    # The hub answers one small file at a time; sae_lens's conversions warn where they are imported.
    with ignored_warnings(), ThreadPoolExecutor(max_workers=8) as pool:
        saes = tuple(
            pool.map(
                lambda entry: _describe_entry(listing, source, entry, model, training_context),
                listing.entries,
            )
        )
    return Release(
        name=listing.name,
        source=listing.source,
        loading=_one_loading(listing.name, saes),
        saes=saes,
        notes=listing.notes + source.notes,
        location=listing.location,
    )


def _describe_entry(
    listing: Listing, source: _Source, entry: Entry, model: str | None, training_context: int | None
) -> SaeRef:
    config, weights_key = source.read(entry)
    get = _Reader(listing.name, entry, config, conversion_named(listing.conversion).assumed)
    architecture = get.typed("architecture", get("architecture", "standard"), str, "a text")
    context = training_context or get("context_size")
    name = get.typed("hook_name", get.required("hook_name"), str, "a text")
    hook_point = choose_name(name, get.text("hf_hook_name"))
    hook_point = _of_head(get, hook_point, "hook_head_index")
    layer, site = parse_hook_point(hook_point)
    name = "model_from_pretrained_kwargs"
    kwargs = get.typed(name, get(name) or {}, dict, "an object")
    return SaeRef(
        sae_id=entry.sae_id,
        hook_point=hook_point,
        layer=layer,
        site=site,
        training_context=None if context is None else get.whole("context_size", context),
        d_in=get.whole("d_in", get.required("d_in")),
        d_sae=get.whole("d_sae", get.required("d_sae")),
        architecture=architecture,
        loading=ModelLoading(
            model_name=model
            or get.text("model_name")
            or listing.model
            or get.required("model_name"),
            model_class_name=get.text("model_class_name") or "HookedTransformer",
            from_pretrained_kwargs=tuple((k, _plain(v)) for k, v in sorted(kwargs.items())),
            prepend_bos=get.typed("prepend_bos", get("prepend_bos", True), bool, "true or false"),
        ),
        location=entry.location,
        weights_key=weights_key,
        dataset=_text(get("dataset_path")) or _text(get.assumed("dataset_path")),
        neuronpedia_id=entry.neuronpedia_id or _text(get("neuronpedia_id")),
        declared=_declared(listing, entry, get),
        **_written(get, architecture, hook_point),
    )


def _written(get: _Reader, architecture: str, hook_point: str) -> dict[str, Any]:
    """Where a transcoder writes, and how wide that is; nothing of an SAE.

    Raises:
        ReleaseError: it does not say where.
    """
    name = get.text("hook_name_out")
    if not name and "transcoder" in architecture:
        raise ReleaseError(
            f"transcoder {get.sae_id!r} of {get.release!r} does not say where it writes; name the "
            "hook point as hook_name_out in the metadata of its cfg.json"
        )
    if not name:
        return {}
    written = choose_name(name, get.text("hf_hook_name_out"))
    written = _of_head(get, written, "hook_head_index_out")
    if written == hook_point:
        return {}
    width = get.whole("d_out", get("d_out", get.required("d_in")))
    return {"hook_point_out": written, "width_out": width}


def _of_head(get: _Reader, hook_point: str, key: str) -> str:
    """A hook point, or one head's part of it, by what says which."""
    head = get(key)
    return (
        hook_point
        if head is None
        else of_head(hook_point, get.typed(key, head, int, "a whole number"))
    )


def _declared(listing: Listing, entry: Entry, get: _Reader) -> Declared:
    """The figures that are declared of an SAE, what it was trained on, and as which kind."""
    figures = declared_figures(get, entry.location, entry.figures, target_l0=entry.target_l0)
    trained_as = _text(get("training_architecture"))
    return replace(figures, dataset=_text(get("dataset_path")), training_architecture=trained_as)


def _text(value: Any) -> str | None:
    """What a release can do without, where it is a text: else it counts as not declared."""
    return value if isinstance(value, str) and value else None


def _plain(value: Any) -> object:
    """Something hashable, so that ways of loading can be compared."""
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


class _Reader:
    """Looks a name up: what the directory overrides, then where sae_lens writes it.

    That is in `metadata` since version 6.0, and flat before. What a conversion function assumed is
    not declared, and so is not found there.
    """

    def __init__(
        self, release: str, entry: Entry, config: Mapping[str, Any], assumed: Set[str] = frozenset()
    ) -> None:
        self.release, self.sae_id = release, entry.sae_id
        metadata = config.get("metadata", {})
        self._overrides, self._assumed = entry.overrides, assumed
        self._written = (self.typed("metadata", metadata, dict, "an object"), config)

    def __call__(self, name: str, default: Any = None) -> Any:
        written = () if name in self._assumed else self._written
        return _found(name, (self._overrides, *written), default)

    def assumed(self, name: str) -> Any:
        """What a conversion function wrote, whether the release declares it or not."""
        return _found(name, self._written)

    def typed(self, name: str, value: Any, kind: type[T], called: str) -> T:
        """A value that has to be of a type, which a person calls so: else sae_lens stumbles."""
        if not isinstance(value, kind):
            raise ReleaseError(
                f"the cfg.json of SAE {self.sae_id!r} of {self.release!r} says {name} = {value!r}, "
                f"which must be {called}"
            )
        return value

    def text(self, name: str) -> str | None:
        """A text, or None where there is none."""
        value = self(name)
        return None if value is None else self.typed(name, value, str, "a text")

    def whole(self, name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ReleaseError(
                f"the cfg.json of SAE {self.sae_id!r} of {self.release!r} says {name} = {value!r}, "
                "which must be a whole number of 1 or more"
            )
        return value

    def required(self, name: str) -> Any:
        value = self(name)
        if value is None:
            raise ReleaseError(
                f"the cfg.json of SAE {self.sae_id!r} of {self.release!r} lacks {name!r}, "
                "which sae-checks needs to know"
            )
        return value


def _found(name: str, places: Iterable[Mapping[str, Any]], default: Any = None) -> Any:
    for place in places:
        for key in (name, _OLD_NAMES.get(name)):
            if key is not None and place.get(key) is not None:
                return place[key]
    return default


@dataclass(frozen=True)
class _Source:
    """Where the configurations of a listing's SAEs are read: folders, or a repo at one commit."""

    listing: Listing
    repo: hub.HubRepo | None = None
    commit: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, listing: Listing) -> _Source:
        if listing.source in ("folder", "demo"):
            return cls(listing)
        from sae_checks.resolve import hub

        repo = hub.HubRepo(listing.entries[0].location.partition(":")[0])
        commit = repo.commit()
        offline = f"without the hub, from the cache as of commit {commit[:8]}"
        return cls(listing, repo, commit, (offline,) if hub.is_offline() else ())

    def read(self, entry: Entry) -> tuple[dict[str, Any], str]:
        """An SAE's configuration, and a key that changes whenever its weights do."""
        if self.repo is None:
            folder = Path(entry.location)
            return _read_json(folder / "cfg.json"), f"sha256:{_hash_folder(folder)}"
        repo_id, _, folder_name = entry.location.partition(":")
        if self.listing.conversion is None:
            path, commit = self.repo.file(f"{folder_name}/cfg.json", self.commit)
            config = _read_json(path)
        else:
            release, commit = self.listing.name, self.commit
            config = self.repo.ask(lambda: _read_converted(release, entry.sae_id))
        overrides = json.dumps(dict(entry.overrides), sort_keys=True, default=str)
        return config, f"{repo_id}@{commit}:{folder_name}:{overrides}"


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return read_object(path)
    except (OSError, ValueError) as error:
        raise ReleaseError(f"{path} cannot be read ({error}); save the SAE again") from error


def _read_converted(release: str, sae_id: str) -> dict[str, Any]:
    """Configuration of a layout that only sae_lens's own conversions understand (imports torch)."""
    from sae_lens.loading.pretrained_sae_loaders import load_sae_config_from_huggingface

    config: dict[str, Any] = load_sae_config_from_huggingface(release, sae_id)
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
        f"{_say(loading)} for {', '.join(s.sae_id for s in saes if s.loading == loading)}"
        for loading in loadings
    )
    raise ReleaseError(
        f"the SAEs of {release!r} need their model loaded in {len(loadings)} different ways "
        f"({groups}); gate them one group at a time with --sae-ids"
    )


def _say(loading: ModelLoading) -> str:
    settings = [f"{key}={value}" for key, value in loading.from_pretrained_kwargs]
    if loading.model_class_name != "HookedTransformer":
        settings.append(f"as {loading.model_class_name}")
    if not loading.prepend_bos:
        settings.append("without BOS")
    return f"{loading.model_name} ({', '.join(settings) or 'unprocessed'})"
