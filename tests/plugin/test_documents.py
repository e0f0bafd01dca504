"""Runs of the gate on texts that share documents: what is told of them, and what is kept."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from sae_checks import demo
from sae_checks.demo.stories import stories
from sae_checks.store.files import MANIFEST
from tests import stored
from tests.plugin.gate_run import GateRun, run_gate
from tests.stored import CONTEXT, TEXTS, sae_ref, sae_table
from tests.tables import changed

LAYER_0 = sae_ref(0).sae_id


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four documents of 20 stories each."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    told = [story.text for story in islice(stories(1), 80)]
    rows = [{"text": " ".join(told[start : start + 20])} for start in range(0, 80, 20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def gate(tmp_path: Path, corpus: Path, *arguments: str) -> GateRun:
    return run_gate(
        tmp_path, f"--sae={demo.SAES_FOLDER}", f"--sae-corpus={corpus}", "--sae-tokens=5120",
        f"--sae-store={tmp_path / 'store'}", "-k", "check_l0[", *arguments,
    )  # fmt: skip


def test_texts_that_share_documents(tmp_path, corpus):
    """Twenty texts of four documents decide nothing, be they measured or read."""
    run = gate(tmp_path, corpus, "--sae-fixed")
    assert "sae-checks: measuring 5 SAEs on 20 texts from 4 documents\n" in run.output
    assert "\n20 texts from 4 documents\n" in run.output
    for case in run.cases:
        assert case.properties["documents"] == "4"
        assert case.properties["texts"] == "20"
        assert case.properties["verdict"] == "undecided"
    by_sae = list(documents_of(tmp_path).values())
    assert len(by_sae) == 5
    assert all(documents == by_sae[0] for documents in by_sae)
    assert set(by_sae[0]) == {0, 1, 2, 3}

    manifest = next(tmp_path.glob("store/measurements/*/" + MANIFEST))
    (texts,) = json.loads(manifest.read_text())["datasets"]
    assert texts["description"]["documents"] == 4
    by_tables = run_gate(tmp_path, f"--sae-measurements={manifest.parent}", "-k", "check_l0[")
    assert (
        f"sae-checks: judging stored measurements of {manifest.parent}: 20 texts from 4 documents\n"
        in by_tables.output
    )
    assert [case.properties for case in by_tables.cases] == [c.properties for c in run.cases]


def test_a_run_that_stopped_goes_on_with_its_documents(tmp_path):
    """A hundred texts of some 300 documents: after 64 of them every claim is decided."""
    corpus = documents_of_stories(tmp_path, stories_each=3)
    stopped = gate(tmp_path, corpus, "--sae-tokens=25600")
    assert {case.properties["texts"] for case in stopped.cases} == {"64"}
    before = documents_of(tmp_path)
    gone_on = gate(tmp_path, corpus, "--sae-tokens=25600", "--sae-fixed")
    assert {case.properties["texts"] for case in gone_on.cases} == {"100"}
    for sae, documents in documents_of(tmp_path).items():
        assert documents[: len(before[sae])] == before[sae]
        assert len(documents) > len(before[sae])


def test_nothing_is_settled_below_64_documents_while_texts_are_left(tmp_path):
    """A hundred texts of 40 documents: what 64 texts show clearly is 26 documents.

    0.3.0, which counted texts, stopped here after 16 or 20 of them.
    """
    corpus = documents_of_stories(tmp_path, stories_each=22)
    run = gate(tmp_path, corpus, "--sae-tokens=25600")
    claims = [case for case in run.cases if case.properties["family"] == "claim"]
    assert len(claims) == 5
    for case in claims:
        assert case.properties["texts"] == "100"
        assert 8 <= int(case.properties["documents"]) < 64
        assert case.outcome == "passed"  # of the whole budget, 8 documents are enough


def documents_of_stories(tmp_path: Path, stories_each: int) -> Path:
    """900 stories, so many to a document."""
    path = tmp_path / "many.jsonl"
    told = [story.text for story in islice(stories(1), 900)]
    starts = range(0, len(told) - stories_each + 1, stories_each)
    rows = [{"text": " ".join(told[start : start + stories_each])} for start in starts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def documents_of(tmp_path: Path) -> dict[str, list[int]]:
    """Of each measured token, by the SAE's folder."""
    return {
        file.parent.name: pq.read_table(file)["document"].to_pylist()
        for file in tmp_path.glob("store/measurements/*/context/texts/*/tokens.parquet")
    }


def test_sentences_say_of_how_many_documents(tmp_path):
    """Twelve texts of five documents are too few, whatever their values."""
    documents = np.repeat(np.arange(TEXTS, dtype=np.int32)[:, None] % 5, CONTEXT, axis=1)
    table = sae_table(0)
    table.columns["l0"][:, 1] = 1e6
    table = changed(table, documents=documents)
    folder = stored.write_measurement(tmp_path, tables={0: table}, layers=1)
    run = run_gate(tmp_path, f"--sae-measurements={folder}", "-k", "check_l0[")
    case = run.named(f"check_l0[{LAYER_0}-1:1]")
    assert case.properties["verdict"] == "undecided"
    assert case.message.startswith("undecided: ")
    assert "12 texts of 5 documents, 12 tokens; some 8 documents would decide it" in case.message
    assert (case.properties["texts"], case.properties["documents"]) == ("12", "5")
