"""The directory of releases that ships inside sae_lens, read without importing sae_lens or torch.

The file is one YAML mapping from release to description, 43,000 lines long; parsing it whole takes
over a second, so that only the asked-for release's own lines are parsed.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from sae_checks.errors import ReleaseError
from sae_checks.resolve.conversions import REFUSED, Kind, Named, conversion_named

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


_LINE = re.compile(
    r"^(?:  (?P<key>conversion_func|model|repo_id)|(?:  - |    )(?P<of_sae>id|path)): *"
    r"(?P<quote>['\"]?)(?P<value>.*?)(?P=quote)[ \t]*$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Skimmed:
    """What the directory says of a release in lines of its own, read without parsing YAML.

    Attributes:
        model: as the directory names it.
        conversion: the name of the conversion function, None for sae_lens's own layout.
        entries: by their names.
    """

    model: str
    conversion: str | None
    entries: tuple[Named, ...]


def skim(name: str) -> Skimmed:
    """The names of one release, thirty times faster than by `read_release`."""
    start, end = _sections()[name]
    of_release: dict[str, str] = {}
    ids, paths = list[str](), list[str]()
    for match in _LINE.finditer(_text(), start, end):
        if match["key"]:
            of_release.setdefault(match["key"], match["value"])
        else:
            (ids if match["of_sae"] == "id" else paths).append(match["value"])
    repo_id = of_release["repo_id"]
    entries = (Named(each, repo_id, path) for each, path in zip(ids, paths, strict=True))
    conversion = of_release.get("conversion_func")
    return Skimmed(
        of_release["model"], None if conversion == "null" else conversion, tuple(entries)
    )


def releases_of_repo(repo_id: str) -> list[str]:
    """The releases whose weights lie in the hub repo `repo_id`."""
    pattern = re.compile(rf"^  repo_id: ['\"]?{re.escape(repo_id)}['\"]?[ \t]*$", re.MULTILINE)
    text = _text()
    return [n for n, (start, end) in _sections().items() if pattern.search(text, start, end)]


def named(description: dict[str, Any]) -> list[Named]:
    """The entries of a release, by their names."""
    repo_id = description["repo_id"]
    return [Named(str(sae["id"]), repo_id, str(sae["path"])) for sae in description["saes"]]


def kinds(description: dict[str, Any]) -> list[Kind]:
    """What each entry of a release is, as far as names tell."""
    conversion = conversion_named(description.get("conversion_func"))
    return [conversion.kind(entry) for entry in named(description)]


def refusal(name: str, description: dict[str, Any]) -> str | None:
    """Why the release cannot be gated, or None where any of its entries can."""
    reasons = [REFUSED.get(kind) for kind in kinds(description)]
    if all(reasons):
        return f"release {name!r} holds {reasons[0]}"
    return None


def figures(sae: dict[str, Any]) -> dict[str, float]:
    """What an entry declares of its SAE: `l0`, `variance_explained`, both, or neither."""
    return {n: float(sae[n]) for n in ("l0", "variance_explained") if sae.get(n) is not None}


def declares_targets(description: dict[str, Any]) -> bool:
    """Whether the L0s of a release are what training aimed at, such as a k.

    What is measured differs from SAE to SAE: one value for all of several is a target.
    """
    l0s = [float(sae["l0"]) for sae in description["saes"] if sae.get("l0") is not None]
    nominal = len(l0s) > 1 and len(set(l0s)) == 1
    return nominal or conversion_named(description.get("conversion_func")).target_l0
