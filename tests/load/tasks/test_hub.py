"""Tasks through the real download: data sets in the layout of the hub's own, on the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.hub import contents
from tests.hub.server import HubServer

# A process of its own: what the hub's client libraries know of it is read when they are imported.
LOAD = """
import json, sys
from dataclasses import asdict

from transformers import AutoTokenizer

from sae_checks.load.tasks import find_task
from sae_checks.load.tasks.items import load_items
from sae_checks.records import TaskRef

folder, *asked = sys.argv[1:]
tokenizer, loaded = AutoTokenizer.from_pretrained(folder), {}
for name, revision in zip(asked[::2], asked[1::2]):
    ref = TaskRef(name, frozenset(), revision, 100, 0, "first_token")
    items = load_items(
        find_task(name, "pydoc", None), ref, tokenizer,
        revision=revision or None, context=2048, prepend_bos=True,
    )
    first = items.items[0]
    loaded[name] = items.description | {
        "prompt": tokenizer.decode(first.prompt),
        "source": first.source,
        "words": [tokenizer.decode([token]) for token in first.candidates],
    }
json.dump(loaded, sys.stdout)
"""
TASKS = {
    "lambada": contents.LAMBADA,
    "lambada_openai": contents.LAMBADA_OPENAI,
    "cbt_cn": contents.CBT,
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """What was loaded of each task, and the requests that it took."""
    root, home = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("home")
    contents.build_gpt2(root / "models" / contents.GPT2)
    contents.build_lambada(root / "datasets" / contents.LAMBADA)
    contents.build_lambada_openai(root / "datasets" / contents.LAMBADA_OPENAI)
    contents.build_cbt(root / "datasets" / contents.CBT)
    with HubServer(root) as hub:
        asked = [(name, hub.repo("datasets", repo, None).commit) for name, repo in TASKS.items()]
        environment = os.environ | {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(home),
            "NO_PROXY": "127.0.0.1",
        }
        for offline in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_TOKEN"):
            environment.pop(offline, None)
        arguments = [part for each in (*asked, ("ioi", "")) for part in each]
        done = subprocess.run(
            [sys.executable, "-c", LOAD, str(root / "models" / contents.GPT2), *arguments],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), dict(asked), tuple(hub.log)


def test_every_row_becomes_an_item(loaded):
    tasks, _, _ = loaded
    assert {name: tasks[name]["items"] for name in TASKS} == dict.fromkeys(TASKS, contents.ROWS)
    assert all(tasks[name]["left_out"] == {} for name in TASKS)


def test_what_the_prompts_look_like(loaded):
    tasks, _, _ = loaded
    for name in ("lambada", "lambada_openai"):
        prompt = tasks[name]["prompt"].removeprefix(contents.END_OF_TEXT)
        assert tasks[name]["source"].startswith("test row ")
        assert len(prompt.split()) == 23
    prompt = tasks["cbt_cn"]["prompt"].removeprefix(contents.END_OF_TEXT)
    assert len(prompt.split()) == 20 * 8 + 4
    assert 2 <= len(tasks["cbt_cn"]["words"]) <= 10


def test_they_are_read_at_the_commit_asked_for(loaded):
    _, commits, log = loaded
    for name, repo in TASKS.items():
        reads = [line for line in log if f"/datasets/{repo}/resolve/" in line]
        assert any(f"/resolve/{commits[name]}/" in line for line in reads)
        assert not any("/resolve/main/" in line for line in reads)


def test_the_hubs_tokenizer_has_names(loaded):
    tasks, _, _ = loaded
    assert tasks["ioi"]["items"] == 100
    assert {word.strip() for word in tasks["ioi"]["words"]} < set(contents.NAMES)
