"""Hub repos: which commit they stand at, and their small files; from the network or the cache.

Asking for a repo's commit tells whether the hub answers. If not, the rest of the run is as with
HF_HUB_OFFLINE=1: what is cached is used at once, instead of after five tries per file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub import errors as hub_errors
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # httpx2 from version 2 on

from sae_checks.errors import ReleaseError
from sae_checks.wording import natural_order

_T = TypeVar("_T")
_TIMEOUT = 10.0  # seconds that the hub has to answer
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_NO_ANSWER = (hub_errors.OfflineModeIsEnabled, httpx.TransportError)
_NOT_CACHED = (
    *_NO_ANSWER,
    hub_errors.LocalEntryNotFoundError,
    hub_errors.CachedRepoTreeNotFoundError,
)


@dataclass(frozen=True)
class HubRepo:
    """A repo on the Hugging Face hub.

    Every method raises `ReleaseError` where the repo is not there, not to be read, or neither the
    hub nor the cache has what is asked for.
    """

    repo_id: str
    repo_type: Literal["model", "dataset"] = "model"
    # What a user can do who cannot read the repo; ends the message.
    instead: str = "point --sae at a folder of SAEs"

    def commit(self, remembered: Path | None = None) -> str:
        """The commit that `main` stands at.

        Args:
            remembered: a file that keeps the last answer for a run without network, for repos that
                are streamed and so leave no trace in the hub's own cache.
        """
        sha = self.ask(self._ask_for_commit)
        if sha is None:
            return self._cached_commit(remembered)
        if remembered is not None:
            remembered.parent.mkdir(parents=True, exist_ok=True)
            remembered.write_text(sha, encoding="utf-8")
        return sha

    def file(self, filename: str, commit: str) -> tuple[Path, str]:
        """A file as of a commit, and that commit (`main` may move while a run asks)."""
        cached = huggingface_hub.try_to_load_from_cache(
            self.repo_id, filename, revision=commit, repo_type=self.repo_type
        )
        if isinstance(cached, str):
            path = Path(cached)
        else:  # by branch, so that a run without network finds the commit again
            path = Path(self.ask(lambda: self._download(filename)))
        # .../snapshots/<commit>/<filename> is the cache's own layout.
        return path, path.parents[len(Path(filename).parts) - 1].name

    def sae_folders(self) -> list[str]:
        """The folders in which sae_lens's two files lie side by side."""
        self.commit()  # tells whether the hub answers
        configs = "*/cfg.json"
        # Downloads what is read next, and keeps the list of all files for a run without network.
        self.ask(lambda: huggingface_hub.snapshot_download(self.repo_id, allow_patterns=configs))
        tree = self.ask(lambda: huggingface_hub.get_cached_repo_tree(self.repo_id))
        files = {file.path for file in tree}
        folders = {name.removesuffix("/cfg.json") for name in files if name.endswith("/cfg.json")}
        found = (f for f in folders if f"{f}/sae_weights.safetensors" in files)
        return sorted(found, key=natural_order)

    def ask(self, question: Callable[[], _T]) -> _T:
        """The answer to a question to the hub; what goes wrong, as one sentence."""
        try:
            return question()
        except hub_errors.HFValidationError as error:
            raise self._refusal(
                "is neither a folder here nor an id on the hub; check the name"
            ) from error
        except hub_errors.GatedRepoError as error:
            raise self._refusal(
                "is gated; accept its terms there and log in with `hf auth login`"
            ) from error
        except hub_errors.RepositoryNotFoundError as error:
            raise self._refusal(
                "is not there, or is private to somebody else; check the name"
            ) from error
        except _NOT_CACHED as error:
            raise self._not_cached() from error
        except hub_errors.HfHubHTTPError as error:
            raise self._refusal(f"cannot be read ({_first_line(error)}); try again") from error

    def _ask_for_commit(self) -> str | None:
        try:
            info = huggingface_hub.HfApi().repo_info(
                self.repo_id, repo_type=self.repo_type, timeout=_TIMEOUT
            )
        except _NO_ANSWER as error:
            _go_offline(error)
            return None
        except hub_errors.HfHubHTTPError as error:
            status = error.response.status_code
            if status != _TOO_MANY_REQUESTS and status < _SERVER_ERROR:
                raise
            _go_offline(error)
            return None
        return str(info.sha)

    def _cached_commit(self, remembered: Path | None) -> str:
        folder = repo_folder_name(repo_id=self.repo_id, repo_type=self.repo_type)
        ref = Path(constants.HF_HUB_CACHE) / folder / "refs" / "main"
        for path in (remembered, ref):
            if path is not None and path.is_file():
                return path.read_text(encoding="utf-8").strip()
        raise self._not_cached()

    def _download(self, filename: str) -> str:
        try:
            path: str = huggingface_hub.hf_hub_download(
                self.repo_id, filename, repo_type=self.repo_type
            )
        except hub_errors.RemoteEntryNotFoundError as error:
            raise self._refusal(f"has no {filename}; save it again") from error
        return path

    def _refusal(self, reason: str) -> ReleaseError:
        return ReleaseError(f"hub {self.repo_type} {self.repo_id!r} {reason}, or {self.instead}")

    def _not_cached(self) -> ReleaseError:
        return self._refusal(
            "cannot be read: the hub does not answer, and what is needed of it is not in the cache "
            f"({constants.HF_HUB_CACHE}); connect once"
        )


def is_offline() -> bool:
    """Whether this run goes without the hub: because it was told to, or got no answer."""
    return bool(constants.is_offline_mode())


def _go_offline(error: Exception) -> None:
    """Spare sae_lens, transformers and datasets their own waiting for a hub that is not there."""
    if not is_offline():
        logging.getLogger(__name__).info("the hub does not answer (%s)", error)
        constants.HF_HUB_OFFLINE = True


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
