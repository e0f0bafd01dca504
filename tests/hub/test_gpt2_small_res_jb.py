"""`pytest checks/ --sae gpt2-small-res-jb`, from the name to the JUnit file, and again offline.

Everything between is as it comes: sae_lens, transformers and datasets download, from a hub on the
loopback that serves the real repos' ids and layouts, with small random weights in them.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests import exhaustive
from tests.hub import contents
from tests.hub.machine import BUDGET, Machine, unanswered_url
from tests.hub.server import HubServer
from tests.plugin.gate_run import GateRun, assert_judged_alike

RELEASE = ("--sae=gpt2-small-res-jb", *BUDGET)
# The task whose questions are made of no data set: the same ones whatever the corpus.
MY_SAES = (f"--sae={contents.MY_SAES}", *BUDGET, "--sae-task=ioi")
TASKS = ("lambada", "cbt_cn", "ioi")
TESTS_FAILED, USAGE_ERROR = 1, 4
FAST = 60.0  # seconds; far above what a rerun takes, far below what five tries per file take


@dataclass(frozen=True)
class Online:
    """What ran while the hub answered."""

    machine: Machine
    release: GateRun
    my_saes: GateRun
    requests: tuple[str, ...]


@pytest.fixture(scope="session")
def online(tmp_path_factory: pytest.TempPathFactory) -> Online:
    root = tmp_path_factory.mktemp("hub")
    contents.build(root)
    machine = Machine(tmp_path_factory.mktemp("machine"))
    with HubServer(root, moved=contents.MOVED) as hub:
        release = machine.run(hub.url, *RELEASE)
        requests = tuple(hub.log)
        my_saes = machine.run(hub.url, *MY_SAES)
    return Online(machine, release, my_saes, requests)


def table(machine: Machine, release: str, sae: str) -> dict[str, np.ndarray]:
    (folder,) = (machine.store / "measurements").glob(f"{release}-*/context/texts/{sae}-*")
    rows = pq.read_table(folder / "tokens.parquet", partitioning=None)
    return {
        name: rows[name].to_numpy() for name in ("text", "position", "norm", "ce_clean", "ce_sae")
    }


def test_every_sae_is_judged_in_and_past_its_context(online: Online):
    run = online.release
    assert run.exit_code == TESTS_FAILED, run.output  # random weights reconstruct nothing
    assert not run.with_outcome("error")
    ranges: dict[str, set[str]] = {hook_point: set() for hook_point in contents.HOOK_POINTS}
    for properties in (case.properties for case in run.cases):
        if properties["metric"] in ("delta_ce", "delta_ce_growth"):
            positions = f"{properties['first_position']}:{properties['last_position']}"
            ranges[properties["sae"]].add(positions)
    inside = {"1:127", "1:1", "2:3", "4:7", "8:15", "16:31", "32:63", "64:127"}
    past = {"128:254", "128:159", "160:191", "192:254"}
    assert ranges == dict.fromkeys(contents.HOOK_POINTS, inside | past)
    case = run.named("check_delta_ce_growth[blocks.3.hook_resid_pre-128:159]")
    expected = {
        "release": "gpt2-small-res-jb",
        "sae": "blocks.3.hook_resid_pre",
        "layer": "3",
        "hook": "blocks.3.hook_resid_pre",
        "metric": "delta_ce_growth",
        "texts": "4",
        "tokens": str(4 * 32),
    }
    assert expected.items() <= case.properties.items()
    assert np.isfinite(float(case.properties["value"]))


def test_all_pairs_and_the_whole_stack_are_judged(online: Online):
    cases = [case.properties for case in online.release.cases]
    pairs = {p["pair"] for p in cases if p["metric"] == "propagation_mse"}
    assert len(pairs) == 13 * 12 // 2
    (stack,) = {p["stack_saes"] for p in cases if p["metric"] == "stack_delta_ce"}
    assert set(stack.split()) == set(contents.HOOK_POINTS)
    contributions = [float(p["value"]) for p in cases if p["metric"] == "stack_contribution"]
    (joint,) = (float(p["value"]) for p in cases if p["metric"] == "stack_delta_ce")
    assert len(contributions) == 13
    assert sum(contributions) == pytest.approx(joint, rel=1e-4)


def test_every_sae_is_judged_on_every_task(online: Online):
    run = online.release
    assert (
        "sae-checks: tasks lambada, cbt_cn, ioi: 12 items of each at most, its first token scored\n"
        in run.output
    )
    names = {case.name for case in run.cases}
    for check in ("accuracy_drop", "delta_ln_p", "prompt_delta_ce", "positive_features"):
        assert {f"check_{check}[{sae}-{t}]" for sae in contents.HOOK_POINTS for t in TASKS} <= names
    by_candidates = {name for name in names if name.startswith("check_candidate_accuracy_drop[")}
    assert by_candidates == {
        f"check_candidate_accuracy_drop[{sae}-{task}]"
        for sae in contents.HOOK_POINTS
        for task in ("cbt_cn", "ioi")
    }
    assert {f"check_layer_agreement[gpt2-small-res-jb-{task}]" for task in TASKS} <= names
    for case in (case for case in run.cases if case.properties["metric"] == "accuracy_drop"):
        assert (case.properties["texts"], case.properties["first_position"]) == ("12", "")
        # Random weights answer nothing right, and so have nothing to lose.
        assert case.properties["verdict"] == "not_applicable"
        assert "not applicable: the clean model has 0% right" in case.message
    for case in (case for case in run.cases if case.properties["metric"] == "delta_ln_p"):
        assert (case.properties["texts"], case.properties["first_position"]) == ("12", "")
        assert np.isfinite(float(case.properties["value"]))


def test_tasks_are_read_at_a_commit_of_the_hub(online: Online):
    (folder,) = (online.machine.store / "measurements").glob("gpt2-small-res-jb-*")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    datasets = {entry["ref"]["name"]: entry for entry in manifest["datasets"]}
    entries = {name: entry for name, entry in datasets.items() if name != "texts"}
    assert list(entries) == list(TASKS)
    assert {entry["failure"] for entry in entries.values()} == {None}
    files = {request.split("?")[0].split("/", 1)[1] for request in online.requests}
    for name, dataset in (("lambada", contents.LAMBADA), ("cbt_cn", contents.CBT)):
        assert entries[name]["description"]["location"] == dataset
        commit = entries[name]["ref"]["identity"]["version"]
        assert any(file.startswith(f"datasets/{dataset}/large/{commit}/") for file in files)
    assert entries["ioi"]["description"]["location"] == ""


def test_features_have_links_to_their_dashboards(online: Online):
    (folder,) = (online.machine.store / "measurements").glob("gpt2-small-res-jb-*")
    paths = sorted(folder.glob("tasks/*/*/features.parquet"))
    assert len(paths) == len(contents.HOOK_POINTS) * len(TASKS)
    for path in paths:
        rows = pq.read_table(path, partitioning=None)
        (sae,) = set(rows["sae"].to_pylist())
        # What leaves the last block is numbered as what would enter a thirteenth.
        number = contents.HOOK_POINTS.index(sae)
        of_release = f"https://www.neuronpedia.org/gpt2-small/{number}-res-jb/"
        features = rows["feature"].to_pylist()
        assert features
        assert rows["link"].to_pylist() == [f"{of_release}{feature}" for feature in features]
    told = "best features on lambada: "
    lines = [line for line in online.release.output.splitlines() if line.strip().startswith(told)]
    assert any("https://www.neuronpedia.org/gpt2-small/0-res-jb/" in line for line in lines)


def test_everything_comes_from_the_hub(online: Online):
    files = {request.split("?")[0].split("/", 1)[1] for request in online.requests}
    for hook_point in contents.HOOK_POINTS:
        for file in ("cfg.json", "sae_weights.safetensors", "sparsity.safetensors"):
            assert f"{contents.SAES}/resolve/main/{hook_point}/{file}" in files
    assert any(f.startswith(f"{contents.GPT2}/large/") for f in files)
    assert any(f.startswith(f"datasets/{contents.CORPUS}/large/") for f in files)


def test_the_model_is_loaded_as_the_release_wants_it(online: Online):
    """The directory's override, not the SAEs' own configuration, asks for centred weights."""
    assert "13 SAEs, model gpt2-small (center_writing_weights=True)" in online.release.output
    (folder,) = (online.machine.store / "measurements").glob("gpt2-small-res-jb-*")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    loading = manifest["provenance"]["loading"]
    assert loading["from_pretrained_kwargs"] == [["center_writing_weights", True]]


def test_a_hub_repo_outside_of_the_directory(online: Online):
    """One of the release's SAEs in the layout of today, whose configuration asks for no centring.

    The texts are the same, and centring changes no loss, but it does change what the SAE sees.
    """
    run = online.my_saes
    assert not run.with_outcome("error"), run.output
    assert {case.properties["sae"] for case in run.cases} == {"layer-3"}
    assert f"release {contents.MY_SAES}: 1 SAE, model gpt2\n" in run.output
    centred = table(online.machine, "gpt2-small-res-jb", contents.MY_HOOK_POINT)
    plain = table(online.machine, contents.MY_SAES.replace("/", "_"), "layer-3")
    for name in ("text", "position"):
        assert np.array_equal(centred[name], plain[name])
    assert plain["ce_clean"] == pytest.approx(centred["ce_clean"], abs=1e-4, nan_ok=True)
    assert plain["norm"].mean() > 1.05 * centred["norm"].mean()
    assert not np.allclose(plain["ce_sae"], centred["ce_sae"], atol=1e-3, equal_nan=True)


@pytest.fixture(scope="session")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH that lets nobody import torch."""
    folder = tmp_path_factory.mktemp("without_torch")
    (folder / "torch.py").write_text("raise SystemExit('torch was imported')\n", encoding="utf-8")
    return str(folder)


WITHOUT_NETWORK = ("dead_network", False), ("HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(
    "told", [exhaustive.case(told, run=not told, name=name) for name, told in WITHOUT_NETWORK]
)
def test_a_second_run_without_network(online: Online, without_torch: str, told: bool):
    environment = {"HF_HUB_OFFLINE": "1"} if told else {}
    began = time.monotonic()
    again = online.machine.run(unanswered_url(), *RELEASE, PYTHONPATH=without_torch, **environment)
    seconds = time.monotonic() - began
    print(f"second run without network: {seconds:.1f} s, {len(again.cases)} tests")
    assert again.exit_code == online.release.exit_code, again.output
    assert again.cases == online.release.cases
    assert "without the hub, from the cache as of commit " in again.output
    assert seconds < FAST


def test_some_saes_and_checks_without_network(online: Online):
    run = online.machine.run(
        unanswered_url(), *RELEASE, "--sae-ids=blocks.3.*", "-k", "delta_ce and 64"
    )
    assert {case.name for case in run.cases} == {
        "check_delta_ce[blocks.3.hook_resid_pre-64:127]",
        "check_kl[blocks.3.hook_resid_pre-64:127]",
    }
    assert_judged_alike(run.cases, [online.release.named(case.name) for case in run.cases])
    (folder,) = (online.machine.store / "measurements").glob("gpt2-small-res-jb-*")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    recorded = {entry["ref"]["sae_id"] for entry in manifest["saes"]}
    assert recorded == set(contents.HOOK_POINTS)  # those of the first run are still there


def test_a_listed_repo_is_its_release(online: Online):
    run = online.machine.run(
        unanswered_url(), f"--sae={contents.SAES}", *BUDGET, "--sae-ids=blocks.11.*",
        # Of these two alone they are others, and would have to be measured.
        "-k", "not stack and not position and not propagation",
    )  # fmt: skip
    assert (
        "release gpt2-small-res-jb (release gpt2-small-res-jb of the directory, by its repo id)"
        in run.output
    )
    assert {case.properties["sae"] for case in run.cases} == {
        "blocks.11.hook_resid_pre",
        "blocks.11.hook_resid_post",
    }
    # Two SAEs' cells are few beside thirteen's: of four texts, some fail now that did not.
    same = [online.release.named(case.name) for case in run.cases]
    assert_judged_alike(run.cases, same)


@pytest.mark.parametrize(
    "told", [exhaustive.case(told, run=told, name=name) for name, told in WITHOUT_NETWORK]
)
def test_a_hub_repo_without_network(online: Online, told: bool):
    environment = {"HF_HUB_OFFLINE": "1"} if told else {}
    again = online.machine.run(unanswered_url(), *MY_SAES, **environment)
    assert again.exit_code == online.my_saes.exit_code, again.output
    assert again.cases == online.my_saes.cases


def test_nothing_cached_and_no_network(tmp_path: Path):
    began = time.monotonic()
    run = Machine(tmp_path).run(unanswered_url(), *RELEASE)
    assert run.exit_code == USAGE_ERROR
    assert not run.cases
    assert "Traceback" not in run.output
    assert (
        f"ERROR: hub model '{contents.SAES}' cannot be read: the hub does not answer, and what is "
        f"needed of it is not in the cache ({tmp_path}/huggingface/hub); connect once, or point "
        "--sae at a folder of SAEs\n"
    ) in run.output
    assert time.monotonic() - began < FAST


def test_other_settings_without_network(online: Online, tmp_path: Path):
    """Model and SAEs are cached, so that a local corpus can be measured on at once."""
    corpus = tmp_path / "prose.txt"
    corpus.write_text("The gate judges what it has measured. " * 100, encoding="utf-8")
    began = time.monotonic()
    run = online.machine.run(
        unanswered_url(),
        *MY_SAES,  # they have no sparsity file, which nobody then waits for
        f"--sae-corpus={corpus}",
    )
    assert not run.with_outcome("error"), run.output
    assert {case.name for case in run.cases} == {case.name for case in online.my_saes.cases}
    assert time.monotonic() - began < FAST
