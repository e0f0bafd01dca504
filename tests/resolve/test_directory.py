"""All releases of the installed sae_lens resolve, without network and without torch."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sae_checks.resolve.directory import nearest_names, release_names, releases_of_repo

RESOLVE_ALL = """
import json, socket, sys, time

def refuse(*_):
    raise SystemExit("something wanted the network")

socket.socket.connect = socket.getaddrinfo = refuse
began = time.perf_counter()
from sae_checks.errors import ReleaseError
from sae_checks.resolve import find
from sae_checks.resolve.directory import release_names

found, refused = {}, {}
for name in release_names():
    try:
        found[name] = find(name)
    except ReleaseError as error:
        refused[name] = str(error)
releases = {
    name: {
        "source": listing.source,
        "model": listing.model,
        "conversion": listing.conversion,
        "saes": [
            [sae.sae_id, sae.location, dict(sae.overrides), sae.neuronpedia_id]
            for sae in listing.entries
        ],
    }
    for name, listing in found.items()
}
heavy = sorted({"torch", "sae_lens", "transformers", "datasets"} & set(sys.modules))
seconds = time.perf_counter() - began
answer = {"releases": releases, "refused": refused, "heavy": heavy, "seconds": seconds}
json.dump(answer, sys.stdout)
"""


@pytest.fixture(scope="module")
def resolved() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE_ALL], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def lookups() -> dict[str, Any]:
    """sae_lens's own reading of its directory, by the one file of it that needs no torch."""
    spec = importlib.util.find_spec("sae_lens")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "loading" / "pretrained_saes_directory.py"
    file_spec = importlib.util.spec_from_file_location("_saes_directory", path)
    assert file_spec is not None
    assert file_spec.loader is not None
    module = ModuleType("_saes_directory")
    sys.modules["_saes_directory"] = module  # its dataclass looks itself up
    file_spec.loader.exec_module(module)
    # importlib.resources would import the package, so read the file it stands for.
    module.files = lambda package: Path(spec.origin).parent  # type: ignore[attr-defined]
    directory: dict[str, Any] = module.get_pretrained_saes_directory()
    return directory


def is_transcoder(lookup: Any) -> bool:
    """By what sae_lens's conversion makes of it."""
    if lookup.conversion_func == "gemma_3":
        return all("transcoder" in path or "clt" in path for path in lookup.saes_map.values())
    return "transcoder" in (lookup.conversion_func or "")


def test_all_releases(resolved: dict[str, Any], lookups: dict[str, Any]):
    print(f"{len(lookups)} releases resolved in {resolved['seconds']:.1f} s")
    assert len(lookups) >= 170
    assert set(release_names()) == set(lookups)
    assert set(resolved["releases"]) | set(resolved["refused"]) == set(lookups)
    for name, release in resolved["releases"].items():
        lookup = lookups[name]
        assert release == {
            "source": "directory",
            "model": lookup.model,
            "conversion": lookup.conversion_func,
            "saes": [
                [
                    sae_id,
                    f"{lookup.repo_id}:{path}",
                    lookup.config_overrides or {},
                    lookup.neuronpedia_id[sae_id],
                ]
                for sae_id, path in lookup.saes_map.items()
            ],
        }


def test_transcoders_and_nothing_else_are_refused(
    resolved: dict[str, Any], lookups: dict[str, Any]
):
    transcoders = {name: each for name, each in lookups.items() if is_transcoder(each)}
    assert resolved["refused"] == {
        name: f"release {name!r} holds cross-layer transcoders, each of which writes to many "
        "layers; sae_lens adds up what they write, which reconstructs no layer's output"
        if "clt" in lookup.conversion_func
        else f"release {name!r} holds transcoders, which map one hook point to another; "
        "sae-checks gates SAEs only, for now"
        for name, lookup in transcoders.items()
    }


def test_nothing_heavy_is_imported(resolved: dict[str, Any]):
    assert resolved["heavy"] == []


def test_nearest_names():
    assert nearest_names("gpt2-small-res-jb-2")[0] == "gpt2-small-res-jb"
    assert nearest_names("§") == []


def test_releases_of_a_repo(lookups: dict[str, Any]):
    repos = {lookup.repo_id for lookup in lookups.values()}
    for repo_id in repos:
        expected = [name for name, lookup in lookups.items() if lookup.repo_id == repo_id]
        assert releases_of_repo(repo_id) == expected
    assert releases_of_repo("some/body") == []
