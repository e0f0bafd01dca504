"""Repos of a hub that answers, refuses, fails, or is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sae_checks.errors import ModelError, ReleaseError
from sae_checks.records import ModelLoading
from sae_checks.resolve import describe, find
from sae_checks.resolve.hub import HubRepo, is_offline
from sae_checks.resolve.model_config import read_model_config
from tests.hub.server import HubServer
from tests.resolve.saes import FLAT, nested, write_sae

REPO = "somebody/my-saes"
INSTEAD = "point --sae at a folder of SAEs"


@pytest.fixture
def folder(hub: HubServer) -> Path:
    folder = hub.root / "models" / REPO
    write_sae(folder / "layer-3")
    write_sae(folder / "more" / "layer-4", nested(hook_name="blocks.4.hook_resid_pre"))
    return folder


def refusal(question) -> str:
    with pytest.raises(ReleaseError) as caught:
        question()
    return str(caught.value)


def not_cached(kind: str, repo_id: str, tmp_path: Path, instead: str = INSTEAD) -> str:
    return (
        f"hub {kind} {repo_id!r} cannot be read: the hub does not answer, and what is needed of it "
        f"is not in the cache ({tmp_path}/cache); connect once, or {instead}"
    )


def test_a_file_and_its_commit(hub: HubServer, folder: Path):
    repo = HubRepo(REPO)
    commit = repo.commit()
    path, of = repo.file("layer-3/cfg.json", commit)
    assert json.loads(path.read_text(encoding="utf-8")) == FLAT
    assert of == commit == hub.repo("models", REPO, None).commit


def test_what_is_cached_is_not_asked_for_again(hub: HubServer, folder: Path):
    repo = HubRepo(REPO)
    commit = repo.commit()
    first = repo.file("layer-3/cfg.json", commit)
    asked = len(hub.log)
    assert repo.file("layer-3/cfg.json", commit) == first
    assert len(hub.log) == asked


def test_main_moves(hub: HubServer, folder: Path):
    repo = HubRepo(REPO)
    before = repo.commit()
    repo.file("layer-3/cfg.json", before)
    write_sae(folder / "layer-3", FLAT | {"d_sae": 1})
    after = repo.commit()
    path, of = repo.file("layer-3/cfg.json", after)
    assert json.loads(path.read_text(encoding="utf-8"))["d_sae"] == 1
    assert of == after != before


def test_sae_folders(hub: HubServer, folder: Path):
    write_sae(folder / "unfinished")
    (folder / "unfinished" / "sae_weights.safetensors").unlink()
    (folder / "README.md").write_text("# mine\n", encoding="utf-8")
    assert HubRepo(REPO).sae_folders() == ["layer-3", "more/layer-4"]


def test_a_repo_is_a_release(hub: HubServer, folder: Path):
    write_sae(folder / "more" / "layer-4", FLAT | {"hook_point": "blocks.4.hook_resid_pre"})
    release = describe(find(REPO))
    commit = hub.repo("models", REPO, None).commit
    assert (release.name, release.source, release.notes) == (REPO, "hub", ())
    assert [(sae.sae_id, sae.location, sae.weights_key) for sae in release.saes] == [
        (name, f"{REPO}:{name}", f"{REPO}@{commit}:{name}:{{}}")
        for name in ("layer-3", "more/layer-4")
    ]


def test_a_repo_without_saes(hub: HubServer):
    (hub.root / "models" / REPO).mkdir(parents=True)
    assert refusal(lambda: find(REPO)) == (
        f"hub repo {REPO!r} holds no SAE in sae_lens's layout "
        "(a folder with cfg.json and sae_weights.safetensors)"
    )


def test_a_broken_configuration_on_the_hub(hub: HubServer, folder: Path, tmp_path: Path):
    write_sae(folder / "layer-3", '{"d_in": ')
    commit = hub.repo("models", REPO, None).commit
    path = tmp_path / "cache/models--somebody--my-saes/snapshots" / commit / "layer-3/cfg.json"
    assert refusal(lambda: describe(find(REPO))) == (
        f"{path} cannot be read (not valid JSON: Expecting value: line 1 column 10 (char 9)); "
        "save the SAE again"
    )


def test_the_network_goes_away(hub: HubServer, folder: Path, request: pytest.FixtureRequest):
    write_sae(folder / "more" / "layer-4", FLAT)
    online = describe(find(REPO))
    request.getfixturevalue("no_network")
    offline = describe(find(REPO))
    assert is_offline()
    assert offline.saes == online.saes
    commit = hub.repo("models", REPO, None).commit
    assert offline.notes == (f"without the hub, from the cache as of commit {commit[:8]}",)


@pytest.mark.parametrize("status", [429, 503])
def test_a_hub_that_is_down_is_one_that_does_not_answer(hub: HubServer, folder: Path, status: int):
    commit = HubRepo(REPO).commit()
    HubRepo(REPO).file("layer-3/cfg.json", commit)
    hub.broken = status
    assert HubRepo(REPO).commit() == commit
    assert is_offline()


@pytest.mark.usefixtures("no_network")
def test_nothing_cached(hub: HubServer, tmp_path: Path):
    assert refusal(lambda: find(REPO)) == not_cached("model", REPO, tmp_path)
    assert refusal(HubRepo(REPO).commit) == not_cached("model", REPO, tmp_path)
    dataset = HubRepo("an/other", "dataset", "name a file with --sae-corpus")
    assert refusal(dataset.commit) == not_cached(
        "dataset", "an/other", tmp_path, "name a file with --sae-corpus"
    )
    with pytest.raises(ModelError) as caught:
        read_model_config(ModelLoading("gpt2-small"))
    assert str(caught.value) == "model 'gpt2-small': " + not_cached(
        "model", "gpt2", tmp_path, "name a local copy with --sae-model"
    )


def test_one_file_is_not_cached(hub: HubServer, folder: Path, request: pytest.FixtureRequest):
    repo = HubRepo(REPO)
    repo.file("layer-3/cfg.json", repo.commit())
    request.getfixturevalue("no_network")
    commit = repo.commit()
    repo.file("layer-3/cfg.json", commit)
    assert "is not in the cache" in refusal(lambda: repo.file("more/layer-4/cfg.json", commit))


def test_a_streamed_repo_is_remembered(
    hub: HubServer, tmp_path: Path, request: pytest.FixtureRequest
):
    (hub.root / "datasets" / "an" / "other").mkdir(parents=True)
    remembered = tmp_path / "store" / "revisions" / "an--other"
    commit = HubRepo("an/other", "dataset").commit(remembered)
    request.getfixturevalue("no_network")
    assert HubRepo("an/other", "dataset").commit(remembered) == commit


def test_no_such_repo(hub: HubServer):
    assert refusal(lambda: find("some/body")) == (
        "hub model 'some/body' is not there, or is private to somebody else; check the name, or "
        + INSTEAD
    )


def test_a_gated_repo(hub: HubServer, folder: Path):
    hub.gated.add(REPO)
    assert refusal(lambda: find(REPO)) == (
        f"hub model {REPO!r} is gated; accept its terms there and log in with `hf auth login`, or "
        + INSTEAD
    )


def test_no_such_file(hub: HubServer, folder: Path):
    repo = HubRepo(REPO)
    assert refusal(lambda: repo.file("layer-9/cfg.json", repo.commit())) == (
        f"hub model {REPO!r} has no layer-9/cfg.json; save it again, or " + INSTEAD
    )


def test_no_id(hub: HubServer):
    assert refusal(HubRepo("/no/such/folder").commit) == (
        "hub model '/no/such/folder' is neither a folder here nor an id on the hub; check the "
        "name, or " + INSTEAD
    )
