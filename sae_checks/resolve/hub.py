"""Small files of hub repos, from the network or the local cache, without torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
from huggingface_hub import errors as hub_errors

from sae_checks.errors import ReleaseError

_T = TypeVar("_T")


def commit(repo_id: str, repo_type: str = "model", remembered: Path | None = None) -> str:
    """The commit that `main` of a repo stands at.

    Args:
        repo_id: the repo.
        repo_type: "model" or "dataset".
        remembered: a file that keeps the last answer for a run without network, for repos that are
            streamed and so leave no trace in the hub's own cache.
    """
    try:
        sha = huggingface_hub.HfApi().repo_info(repo_id, repo_type=repo_type).sha
    except (hub_errors.OfflineModeIsEnabled, *_network_errors()):
        return _remembered_commit(repo_id, repo_type, remembered)
    except (hub_errors.RepositoryNotFoundError, hub_errors.HfHubHTTPError) as error:
        raise ReleaseError(f"the hub has no {repo_type} {repo_id!r}, or it is not yours to read") from error
    if remembered is not None:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(str(sha), encoding="utf-8")
    return str(sha)


def read_json(repo_id: str, filename: str) -> tuple[dict[str, Any], str]:
    """A JSON file of a model repo, and the commit it belongs to."""
    path = Path(or_refuse(repo_id, lambda: huggingface_hub.hf_hub_download(repo_id, filename)))
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content, _commit_of(path, filename)


def _remembered_commit(repo_id: str, repo_type: str, remembered: Path | None) -> str:
    folder = huggingface_hub.file_download.repo_folder_name(repo_id=repo_id, repo_type=repo_type)
    ref = Path(huggingface_hub.constants.HF_HUB_CACHE) / folder / "refs" / "main"
    for path in (ref, remembered):
        if path is not None and path.is_file():
            return path.read_text(encoding="utf-8").strip()
    raise ReleaseError(_nothing_cached(repo_id))


def sae_folders(repo_id: str) -> list[str]:
    """The folders of a repo in which sae_lens's two files lie side by side."""

    def list_files() -> list[str]:
        try:
            return huggingface_hub.HfApi().list_repo_files(repo_id)
        except (hub_errors.OfflineModeIsEnabled, *_network_errors()):
            root = Path(huggingface_hub.snapshot_download(repo_id, local_files_only=True))
            return [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]

    files = set(or_refuse(repo_id, list_files))
    folders = {name.removesuffix("/cfg.json") for name in files if name.endswith("/cfg.json")}
    return sorted(f for f in folders if f"{f}/sae_weights.safetensors" in files)


def _network_errors() -> tuple[type[Exception], ...]:
    import httpx

    return (httpx.TransportError,)


def or_refuse(repo_id: str, ask: Callable[[], _T]) -> _T:
    try:
        return ask()
    except hub_errors.GatedRepoError as error:
        raise ReleaseError(
            f"hub repo {repo_id!r} is gated: accept its terms on the hub and log in with `hf auth login`"
        ) from error
    except hub_errors.RepositoryNotFoundError as error:
        raise ReleaseError(f"the hub has no repo {repo_id!r}, or it is private to somebody else") from error
    except hub_errors.LocalEntryNotFoundError as error:
        raise ReleaseError(_nothing_cached(repo_id)) from error
    except hub_errors.EntryNotFoundError as error:
        raise ReleaseError(f"hub repo {repo_id!r} lacks a file that sae_lens's layout needs: {error}") from error
    except (hub_errors.OfflineModeIsEnabled, *_network_errors()) as error:
        raise ReleaseError(_nothing_cached(repo_id)) from error


def _nothing_cached(repo_id: str) -> str:
    return (
        f"hub repo {repo_id!r} cannot be read: there is no network and nothing of it in the cache "
        f"({huggingface_hub.constants.HF_HUB_CACHE}); connect once, or point --sae at a folder"
    )


def _commit_of(path: Path, filename: str) -> str:
    """The commit in .../snapshots/<commit>/<filename>, the cache's own layout."""
    return path.parents[len(Path(filename).parts) - 1].name
