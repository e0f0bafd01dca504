"""The directory of releases that ships inside sae_lens, read without importing sae_lens or torch.

The file is one YAML mapping from release to description, 43,000 lines long; parsing it whole takes
over a second, so that only the asked-for release's own lines are parsed.
"""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from sae_checks.errors import ReleaseError

# Conversions of sae_lens that make a transcoder of one layer of a cross-layer transcoder.
_CROSS_LAYER = frozenset({"mntss_clt_layer_transcoder"})
_TOP_LEVEL_KEY = re.compile(r"^([^\s#:][^:\n]*):[ \t]*$", re.MULTILINE)


@cache
def _text() -> str:
    spec = find_spec("sae_lens")  # finds the package without running it
    if spec is None or spec.origin is None:
        raise ReleaseError("sae_lens is not installed; install it with `pip install sae-lens`")
    return (Path(spec.origin).parent / "pretrained_saes.yaml").read_text(encoding="utf-8")


@cache
def _sections() -> dict[str, tuple[int, int]]:
    """Where each release's lines begin and end in the file."""
    starts = [
        (match.group(1).strip("'\""), match.start()) for match in _TOP_LEVEL_KEY.finditer(_text())
    ]
    ends = [start for _, start in starts[1:]] + [len(_text())]
    return {name: (start, end) for (name, start), end in zip(starts, ends, strict=True)}


def release_names() -> tuple[str, ...]:
    """Every release of the installed sae_lens's directory."""
    return tuple(_sections())


def nearest_names(name: str, count: int = 3) -> list[str]:
    """The releases whose names look most like `name`."""
    return difflib.get_close_matches(name, release_names(), n=count, cutoff=0.5)


def read_release(name: str) -> dict[str, Any]:
    """The directory's description of one release: model, repo_id, conversion_func, saes, ..."""
    start, end = _sections()[name]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    description: dict[str, Any] = yaml.load(_text()[start:end], Loader=loader)[name]
    return description


def releases_of_repo(repo_id: str) -> list[str]:
    """The releases whose weights lie in the hub repo `repo_id`."""
    pattern = re.compile(rf"^  repo_id: ['\"]?{re.escape(repo_id)}['\"]?[ \t]*$", re.MULTILINE)
    text = _text()
    return [n for n, (start, end) in _sections().items() if pattern.search(text, start, end)]


def refusal(name: str, description: dict[str, Any]) -> str | None:
    """Why the release cannot be gated, or None."""
    conversion = description.get("conversion_func")
    paths = [str(sae["path"]) for sae in description["saes"]]
    if conversion in _CROSS_LAYER or (conversion == "gemma_3" and any("clt" in p for p in paths)):
        return (
            f"release {name!r} holds cross-layer transcoders, whose features write to the outputs "
            "of all later MLPs at once, while sae_lens sums what they write into one layer's: that "
            "sum stands for no activation, so there is nothing to hold it against"
        )
    return None
