"""Names: the demo, folders, releases of the directory, and what is none of these."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sae_checks import demo
from sae_checks.errors import ReleaseError
from sae_checks.resolve import Entry, Listing, choose, find
from tests.resolve.saes import write_sae


def refusal(question) -> str:
    with pytest.raises(ReleaseError) as caught:
        question()
    return str(caught.value)


def test_without_a_name_it_is_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo, "SAES_FOLDER", tmp_path)
    folder = write_sae(tmp_path / "blocks.0.hook_resid_pre")
    entry = Entry("blocks.0.hook_resid_pre", str(folder))
    notes = ("the bundled demo, since --sae is absent",)
    assert find(None) == Listing("tales", "demo", (entry,), notes=notes)
    assert find("tales").notes == ()


def test_a_folder_that_is_one_sae(tmp_path: Path):
    folder = write_sae(tmp_path / "mine")
    entry = Entry(sae_id="mine", location=str(folder))
    assert find(str(folder)) == Listing("mine", "folder", (entry,), location=str(folder))


def test_a_folder_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("b", "a/deep", "a/deeper"):
        write_sae(tmp_path / "mine" / name)
    (tmp_path / "mine" / "notes").mkdir()
    monkeypatch.chdir(tmp_path)  # a relative name is as good
    listing = find("mine")
    assert listing.name == "mine"
    assert [(e.sae_id, e.location) for e in listing.entries] == [
        (name, str(tmp_path / "mine" / name)) for name in ("a/deep", "a/deeper", "b")
    ]


@pytest.mark.parametrize(
    ("missing", "there"),
    [("cfg.json", "sae_weights.safetensors"), ("sae_weights.safetensors", "cfg.json")],
)
def test_half_an_sae_beside_whole_ones_is_not_passed_over(tmp_path: Path, missing, there):
    write_sae(tmp_path / "mine" / "a")
    half = write_sae(tmp_path / "mine" / "b")
    (half / missing).unlink()
    assert refusal(lambda: find(str(tmp_path / "mine"))) == (
        f"{half} holds a {there} and no {missing}, so that one SAE of the release would not be "
        "gated; save it again, or take it out"
    )


def test_an_sae_behind_a_link_is_not_passed_over(tmp_path: Path):
    write_sae(tmp_path / "mine" / "a")
    elsewhere = write_sae(tmp_path / "elsewhere")
    (tmp_path / "mine" / "b").symlink_to(elsewhere)
    told = (
        f"{tmp_path}/mine/b is a link that is not followed, so that an SAE of the release would "
        "not be gated; put the files there, or take it out"
    )
    assert refusal(lambda: find(str(tmp_path / "mine"))) == told


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str):
    folder = write_sae(tmp_path / "mine")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    assert refusal(lambda: find(str(tmp_path))) == (
        f"{folder / name} is no regular file; save the SAE again"
    )


@pytest.mark.parametrize(("configs", "found"), [(0, "no cfg.json"), (2, "2 cfg.json")])
def test_a_folder_of_none(tmp_path: Path, configs: int, found: str):
    for number in range(configs):
        (write_sae(tmp_path / str(number)) / "sae_weights.safetensors").unlink()
    assert refusal(lambda: find(str(tmp_path))) == (
        f"folder {tmp_path} holds no SAE: an SAE saved by sae_lens is a cfg.json beside a "
        f"sae_weights.safetensors, and {found} is all that was found in it"
    )


def test_a_release_of_the_directory():
    listing = find("gpt2-small-res-jb")
    assert (listing.source, listing.model, listing.conversion) == ("directory", "gpt2-small", None)
    assert len(listing.entries) == 13
    assert listing.entries[3] == Entry(
        sae_id="blocks.3.hook_resid_pre",
        location="jbloom/GPT2-Small-SAEs-Reformatted:blocks.3.hook_resid_pre",
        overrides={"model_from_pretrained_kwargs": {"center_writing_weights": True}},
        neuronpedia_id="gpt2-small/3-res-jb",
        figures={"l0": 23.0, "variance_explained": 0.999},
    )


def test_the_repo_of_one_release():
    listing = find("jbloom/GPT2-Small-SAEs-Reformatted")
    release = find("gpt2-small-res-jb")
    assert listing.entries == release.entries
    assert listing.name == "gpt2-small-res-jb"
    assert listing.notes == ("release gpt2-small-res-jb of the directory, by its repo id",)


def test_the_repo_of_several_releases():
    assert refusal(lambda: find("google/gemma-scope-2b-pt-res")) == (
        "hub repo 'google/gemma-scope-2b-pt-res' holds 2 releases of sae_lens's directory; choose "
        "one by its name: gemma-scope-2b-pt-res, gemma-scope-2b-pt-res-canonical"
    )


def test_a_release_of_cross_layer_transcoders():
    assert refusal(lambda: find("mntss-gemma-2-2b-2.5m-clt-as-per-layer")) == (
        "release 'mntss-gemma-2-2b-2.5m-clt-as-per-layer' holds cross-layer transcoders, whose "
        "features write to the outputs of all later MLPs at once, while sae_lens sums what they "
        "write into one layer's: that sum stands for no activation, so there is nothing to hold "
        "it against"
    )


def test_a_release_of_transcoders():
    listing = find("gemma-scope-2b-pt-transcoders")
    assert (len(listing.entries), listing.conversion) == (26, "gemma_2_transcoder")


def test_an_unknown_name():
    assert refusal(lambda: find("gpt2-small-res-jp")) == (
        "--sae 'gpt2-small-res-jp' is no release of sae_lens's directory, no folder of SAEs and "
        "no hub repo id (owner/name); did you mean gpt2-small-res-jb or gpt2-small-res_sll-ajt or "
        "gpt2-small-res_sle-ajt?"
    )
    assert refusal(lambda: find("/no/such/folder")) == (
        "--sae '/no/such/folder' is no release of sae_lens's directory, no folder of SAEs and "
        "no hub repo id (owner/name)."
    )


LISTING = find("gpt2-small-res-jb")


def test_globs():
    assert choose(LISTING, ()) == LISTING
    chosen = choose(LISTING, ("blocks.1.*", "*_post"))
    assert [e.sae_id for e in chosen.entries] == [
        "blocks.1.hook_resid_pre",
        "blocks.11.hook_resid_post",
    ]


def test_globs_that_match_nothing():
    assert refusal(lambda: choose(LISTING, ("blocks.12.*", "Blocks.1.*"))) == (
        "--sae-ids blocks.12.*,Blocks.1.* matches no SAE of 'gpt2-small-res-jb'; it has "
        "blocks.0.hook_resid_pre, blocks.1.hook_resid_pre, blocks.2.hook_resid_pre, "
        "blocks.3.hook_resid_pre, blocks.4.hook_resid_pre, … (13 in all)"
    )
    # One that matches none beside one that does may be a slip.
    assert refusal(lambda: choose(LISTING, ("blocks.1.*", "block.2.*"))).startswith(
        "--sae-ids block.2.* matches no SAE of 'gpt2-small-res-jb'; it has blocks.0.hook_resid_pre"
    )
