"""Whatever a file holds, reading it succeeds or ends in one of the documented errors.

Valid files are damaged as documents, line by line, and byte by byte; the readers are the gate's.
`make test` reads some hundred of them, `make fuzz` more than 20,000.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sae_checks.baseline.comparison import Comparison
from sae_checks.baseline.file import checksum_of, read_baseline
from sae_checks.baseline.identity import match, refuse_unpaired
from sae_checks.baseline.source import FileBaseline
from sae_checks.load.documents import CorpusRequest, corpus_version, documents
from sae_checks.load.tasks import find_task
from sae_checks.load.tasks.task import QuestionInputs
from sae_checks.records import ModelLoading
from sae_checks.records.place import Place
from sae_checks.resolve.describe import describe
from sae_checks.resolve.listing import find
from sae_checks.resolve.model_config import read_model_config
from sae_checks.session.limits import run_thresholds
from sae_checks.session.suite import bundled_checks
from tests.baseline.test_file import BASELINE, TEXT
from tests.exhaustive import examples
from tests.fuzz.damage import (
    damaged_bytes,
    damaged_json,
    json_files,
    refused_or_read,
    writable,
)
from tests.fuzz.toml import THRESHOLDS, damaged_toml
from tests.resolve.saes import FLAT, nested, write_sae
from tests.stored import sae_ref

# One folder serves all inputs of a test.
ONE_FOLDER = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
RUNNER = nested(
    dataset_path="tales",
    context_size=128,
    prepend_bos=True,
    model_from_pretrained_kwargs={"center_writing_weights": True, "n_devices": 1},
    neuronpedia_id="gpt2-small/3-res",
    hook_head_index=2,
    hf_hook_name="transformer.h.3.output",
    l0=40.0,
    explained_variance=0.9,
)
TOPK = {
    **FLAT,
    "architecture": "topk",
    "k": 32,
    "activation_fn_kwargs": {"k": 32},
    "activation_fn_str": "topk",
}
TRANSCODER = nested(hook_name_out="blocks.3.hook_mlp_out", hook_head_index_out=None) | {
    "architecture": "transcoder",
    "d_out": 8,
}
MODEL = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "n_positions": 256,
    "text_config": {"max_position_embeddings": 128},
    "auto_map": {"AutoModelForCausalLM": "modeling.Model"},
}
TOKENIZER = {"tokenizer_class": "GPT2Tokenizer", "auto_map": {"AutoTokenizer": ["a.T", None]}}
TASK = [
    {"prompt": "The cat sat on the", "answer": "mat", "candidates": ["mat", "hat"], "id": "1"},
    {"prompt": "The dog ate the", "answer": "bone", "candidates": ["bone", "cat"], "id": "2"},
]
CORPUS = [{"text": "Once upon a time there was a cat."}, {"text": "The cat sat on the mat."}]


def fuzzed(count: int) -> settings:
    """So many inputs in `make test`; more in proportion in `make fuzz`."""
    return settings(max_examples=examples(count), suppress_health_check=ONE_FOLDER)


@fuzzed(200)
@given(content=st.one_of([json_files(each) for each in (FLAT, RUNNER, TOPK, TRANSCODER)]))
def test_configurations(tmp_path: Path, content: bytes):
    """cfg.json, flat, with the runner's metadata, and of a transcoder."""
    folder = write_sae(tmp_path / "release" / "sae")
    (folder / "cfg.json").write_bytes(content)
    refused_or_read(lambda: describe(find(str(folder.parent))))


@fuzzed(60)
@given(
    config=json_files(MODEL),
    tokenizer=st.one_of(st.none(), json_files(TOKENIZER)),
)
def test_model_configurations(tmp_path: Path, config: bytes, tokenizer: bytes | None):
    """config.json and tokenizer_config.json of a model's folder."""
    (tmp_path / "config.json").write_bytes(config)
    (tmp_path / "tokenizer_config.json").write_bytes(b"{}" if tokenizer is None else tokenizer)
    refused_or_read(lambda: read_model_config(ModelLoading(str(tmp_path))))


@fuzzed(120)
@given(content=st.one_of(damaged_toml(THRESHOLDS), damaged_bytes(THRESHOLDS.encode())))
def test_thresholds(tmp_path: Path, content: bytes):
    """thresholds.toml, and every cell's limit by it."""
    file = tmp_path / "thresholds.toml"
    file.write_bytes(content)

    def read() -> None:
        thresholds = run_thresholds(file, {})
        place = Place.of_sae("release", sae_ref(1))
        for name in thresholds.checks:
            limit = thresholds.limit(name, place)
            assert limit.allows(0.0, limit.margin) in (True, False)
            thresholds.known_failure(name, place)

    refused_or_read(read)


def _lines(rows: Sequence[Any]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in writable(rows))


def _listed(document: Any) -> Sequence[Any]:
    return document if isinstance(document, list) else [document]


@fuzzed(100)
@given(
    content=st.one_of(
        damaged_json(TASK).map(lambda rows: _lines(_listed(rows))),
        damaged_bytes(_lines(TASK)),
    )
)
def test_tasks(tmp_path: Path, content: bytes):
    """A .jsonl file of questions."""
    file = tmp_path / "own.jsonl"
    file.write_bytes(content)

    def read() -> None:
        task = find_task(str(file), "tales", None)
        assert list(task.questions(QuestionInputs(None, 0, None)))

    refused_or_read(read)


@fuzzed(40)
@given(
    suffix=st.sampled_from((".jsonl", ".json", ".txt", ".md", ".parquet")),
    content=st.one_of(
        damaged_json(CORPUS).map(lambda rows: _lines(_listed(rows))),
        damaged_json(CORPUS).map(lambda rows: json.dumps(writable(rows)).encode()),
        damaged_bytes(_lines(CORPUS)),
    ),
)
def test_corpora(tmp_path: Path, suffix: str, content: bytes):
    """A local file of documents, of any of the endings that are read."""
    file = tmp_path / f"corpus{suffix}"
    file.write_bytes(content)

    def read() -> None:
        corpus_version(str(file))
        list(islice(documents(CorpusRequest(str(file), 1_000, 16)), 10))

    refused_or_read(read)


def _sealed(document: Any) -> bytes:
    plain = writable(document)
    if isinstance(plain, dict):
        plain["checksum"] = checksum_of(plain)
    return json.dumps(plain).encode()


@fuzzed(120)
@given(content=st.one_of(damaged_json(json.loads(TEXT)).map(_sealed), json_files(json.loads(TEXT))))
def test_baselines(tmp_path: Path, content: bytes):
    """A baseline's file, with a checksum that fits and without; and what a run makes of it."""
    file = tmp_path / "baseline.json"
    file.write_bytes(content)

    def read() -> None:
        source = FileBaseline("baseline", read_baseline(file), str(file))
        assert str(source.identity)
        assert match([sae_ref(3)], source.saes, {}) is not None
        comparison = Comparison(source, {"blocks.3.hook_resid_pre": "blocks.3.hook_resid_pre"})
        for check in bundled_checks().values():
            comparison.cells(check, [], "release")
        refuse_unpaired(BASELINE.pairing_terms, "baseline", source.pairing_terms)

    refused_or_read(read)


def test_valid_documents_are_read(tmp_path: Path):
    """What the damage starts from: a reader that refused everything would find nothing."""
    for number, config in enumerate((FLAT, RUNNER, TOPK, TRANSCODER)):
        folder = write_sae(tmp_path / str(number) / "sae", config)
        assert describe(find(str(folder.parent))).saes
    file = tmp_path / "thresholds.toml"
    file.write_text(THRESHOLDS, encoding="utf-8")
    assert run_thresholds(file, {}).changes is not None
    assert tomllib.loads(THRESHOLDS)["known_failure"]
    task = tmp_path / "own.jsonl"
    task.write_bytes(_lines(TASK))
    assert find_task(str(task), "tales", None).candidates == "pair"
    baseline = tmp_path / "baseline.json"
    baseline.write_bytes(_sealed(json.loads(TEXT)))
    assert read_baseline(baseline).cells.keys() == BASELINE.cells.keys()


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_a_valid_corpus_is_read(tmp_path: Path, suffix: str):
    file = tmp_path / f"corpus{suffix}"
    file.write_bytes(_lines(CORPUS))
    found = documents(CorpusRequest(str(file), 1_000, 16))
    assert sorted(map(str, found)) == sorted(row["text"] for row in CORPUS)
