"""Tasks from their names or files to verdicts: measured on the demo, stored, and bad input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sae_checks.demo.stories import POOLS, VOCABULARY
from tests.plugin.gate_run import CHECKOUT, Case, GateRun, assert_judged_alike, run_gate

LAYER_0, LAST = "blocks.0.hook_resid_pre", "blocks.3.hook_resid_post"
SAES = (*(f"blocks.{layer}.hook_resid_pre" for layer in range(4)), LAST)
BUDGET = ("--sae-tokens=2560", "--sae-items=40")
TASKS = ("tales", "tales_long")
USAGE_ERROR = 4
MINE = [
    {
        "prompt": f"{person} had a {animal} . the rain came and went . {person} fed the",
        "answer": animal,
        "candidates": [animal, "lamb"],
        "id": f"{person}'s",
    }
    for person, animal in zip(POOLS["person"], POOLS["animal"][:-1], strict=False)
]


def measured(run: GateRun) -> list[str]:
    """What the run measured and ablated, as it says itself."""
    told = re.findall(r"^sae-checks: ((?:measuring|ablating) .*)$", run.output, re.MULTILINE)
    return [str(line) for line in told]


def of_tasks(run: GateRun) -> list[Case]:
    return [case for case in run.cases if case.properties["task"]]


def files(store: Path, name: str) -> dict[str, bytes]:
    return {
        path.relative_to(store).as_posix(): path.read_bytes() for path in sorted(store.rglob(name))
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def first(store: Path, tmp_path_factory: pytest.TempPathFactory) -> GateRun:
    """The whole suite on the demo; nothing is said of tasks."""
    return gate(tmp_path_factory.mktemp("first"), store)


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of PYTHONPATH: nobody can import torch."""
    folder = tmp_path_factory.mktemp("without_torch")
    (folder / "torch.py").write_text("raise SystemExit('torch was imported')\n", encoding="utf-8")
    return folder


def gate(tmp_path: Path, store: Path, *arguments: str, **options: Path) -> GateRun:
    return run_gate(tmp_path, f"--sae-store={store}", *BUDGET, *arguments, **options)


def test_the_demos_tasks_are_run_unasked(first, store):
    assert first.exit_code in (0, 1, 6)
    assert not first.with_outcome("error")
    assert (
        "sae-checks: tasks tales, tales_long: 40 items of each at most, its first token scored\n"
        in first.output
    )
    assert measured(first) == [
        "measuring 5 SAEs on at most 10 texts",
        "measuring 5 SAEs on at most 40 items of tales",
        "measuring 5 SAEs on at most 40 items of tales_long",
    ]
    names = {case.name for case in first.cases}
    for check in ("accuracy_drop", "logit_difference_kept", "positive_features"):
        assert {f"check_{check}[{sae}-{task}]" for sae in SAES for task in TASKS} <= names
    assert {f"check_layer_agreement[tales-{task}]" for task in TASKS} <= names
    assert not any(case.properties["metric"].startswith("ablated") for case in first.cases)
    of_saes = [case for case in of_tasks(first) if case.properties["sae"]]
    assert {case.properties["texts"] for case in of_saes} == {"40"}
    assert len(files(store, "items.parquet")) == (len(SAES) + 1) * len(TASKS)  # and the stack


def test_layer_0_fails_past_its_training_context(first):
    for check in ("accuracy_drop", "delta_ln_p", "prompt_delta_ce"):
        long = first.named(f"check_{check}[{LAYER_0}-tales_long]")
        assert long.outcome in ("failed", "xfailed")
        assert long.properties["verdict"] == "fail"
        assert first.named(f"check_{check}[{LAYER_0}-tales]").outcome == "passed"
        assert first.named(f"check_{check}[{LAST}-tales_long]").outcome == "passed"
    past = {
        case.properties["task"]: case.properties["items_past_training_context"]
        for case in first.cases
        if case.properties["metric"] == "accuracy_drop" and case.properties["sae"] == LAYER_0
    }
    assert past == {"tales": "0", "tales_long": "40"}


def test_a_second_run_measures_nothing(tmp_path, first, store, without_torch):
    again = gate(tmp_path, store, pythonpath=without_torch)
    assert measured(again) == []
    assert again.exit_code == first.exit_code
    assert again.cases == first.cases


def test_the_stored_tasks_are_judged_alone(tmp_path, first, store, without_torch):
    (folder,) = (store / "measurements").iterdir()
    stack = "check_stack_accuracy_drop or check_stack_delta_ln_p"
    given = (f"--sae-measurements={folder}", "-k", f"check_task_ or {stack}")
    again = run_gate(tmp_path, *given, pythonpath=without_torch)
    assert again.exit_code in (0, 1)
    assert_judged_alike(again.cases, of_tasks(first))


def test_ablating_measures_nothing_else(tmp_path, first, store):
    """Run on a copy, so that what other tests compare with stays."""
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    run = gate(tmp_path, copy, "--sae-ablate=1")
    assert measured(run) == [f"ablating features of 5 SAEs on {task}" for task in TASKS]
    for name in ("items.parquet", "features.parquet", "tokens.parquet"):
        assert files(copy, name) == files(store, name)
    assert len(files(copy, "ablations.parquet")) == len(SAES) * len(TASKS)
    added = {case.name for case in run.cases} - {case.name for case in first.cases}
    assert added == {
        f"check_ablated_{which}[{sae}-{task}]"
        for which in ("best", "worst")
        for sae in SAES
        for task in TASKS
    }
    others = [case for case in run.cases if case.name not in added]
    assert [(c.name, c.outcome, c.properties) for c in others] == [
        (c.name, c.outcome, c.properties) for c in first.cases
    ]
    for case in run.cases:
        if case.name in added:
            assert (case.outcome, case.properties["verdict"]) == ("passed", "reported")
            assert case.properties["features"] == "1"
    assert len(re.findall(r", ablated [+-]\d\.\d{3} \(", run.output)) >= len(SAES) * len(TASKS)

    again = gate(tmp_path, copy, "--sae-ablate=1", "-k", "ablated")
    assert measured(again) == []
    more = gate(tmp_path, copy, "--sae-ablate=2", "-k", "ablated", f"--sae-ids={LAST}")
    assert measured(more) == [f"ablating features of 1 SAE on {task}" for task in TASKS]


def test_features_are_scored_before_they_are_ablated(tmp_path):
    """Also where a run before needed none."""
    few = ("--sae-task=tales", f"--sae-ids={LAST}", "--sae-items=8")
    run = gate(tmp_path, tmp_path, *few, "-k", "accuracy_drop")
    assert not files(tmp_path, "features.parquet")
    run = gate(tmp_path, tmp_path, *few, "-k", "ablated", "--sae-ablate=1")
    assert run.exit_code == 0, run.output
    assert measured(run) == [
        "measuring 1 SAE on at most 8 items of tales",
        "ablating features of 1 SAE on tales",
    ]


@pytest.mark.usefixtures("first")
def test_more_items_measure_no_texts(tmp_path, store):
    copy = tmp_path / "store"
    shutil.copytree(store, copy)
    run = gate(tmp_path, copy, "--sae-items=41", "-k", "accuracy_drop or check_l0")
    assert measured(run) == [f"measuring 5 SAEs on at most 41 items of {task}" for task in TASKS]
    assert {case.properties["texts"] for case in of_tasks(run)} == {"41"}
    assert {case.properties["texts"] for case in run.cases} == {"41", "10"}


def test_checks_of_tasks_alone_measure_no_texts(tmp_path, first):
    run = gate(tmp_path, tmp_path, "-k", "accuracy_drop and not stack", "--sae-task=tales")
    assert measured(run) == ["measuring 5 SAEs on at most 40 items of tales"]
    assert not files(tmp_path, "tokens.parquet")
    assert {case.name for case in run.cases} == {
        f"check_{name}[{sae}-tales]"
        for name in ("accuracy_drop", "candidate_accuracy_drop")
        for sae in SAES
    }
    assert_judged_alike(run.cases, [first.named(case.name) for case in run.cases])
    (folder,) = (tmp_path / "measurements").iterdir()
    stored = run_gate(tmp_path, f"--sae-measurements={folder}", "-k", "accuracy_drop and not stack")
    assert stored.cases == run.cases


@pytest.mark.usefixtures("first")
def test_no_task(tmp_path, store):
    run = gate(tmp_path, store, "--sae-task=none")
    assert measured(run) == []
    assert run.cases
    assert not of_tasks(run)
    assert "sae-checks: tasks" not in run.output


def write(path: Path, lines: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_users_own_questions(tmp_path, without_torch):
    assert {word for line in MINE for word in line["prompt"].split()} <= set(VOCABULARY)
    mine = write(tmp_path / "mine.jsonl", MINE)
    few = ("-k", "accuracy_drop", f"--sae-ids={LAYER_0},{LAST}")
    run = gate(tmp_path, tmp_path / "store", f"--sae-task={mine}", *few)
    assert not run.with_outcome("error"), run.output
    assert measured(run) == [f"measuring 2 SAEs on at most {len(MINE)} items of mine"]
    case = run.named(f"check_accuracy_drop[{LAST}-mine]")
    assert case.properties["texts"] == str(len(MINE))
    assert float(case.properties["clean_accuracy"]) > 50
    assert f"check_candidate_accuracy_drop[{LAST}-mine]" in {case.name for case in run.cases}
    for path in (tmp_path / "store").rglob("items.parquet"):
        sources = pq.read_table(path, partitioning=None)["source"].to_pylist()
        assert sorted(sources) == sorted(line["id"] for line in MINE)

    # The same questions from an ini file, seen from it; elsewhere they are the same ones still.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(mine, elsewhere / "mine.jsonl")
    ini = elsewhere / "pytest.ini"
    ini.write_text("[pytest]\nsae_task = mine.jsonl\n", encoding="utf-8")
    again = gate(
        tmp_path, tmp_path / "store", "-c", str(ini), *few,
        suite=CHECKOUT / "checks", cwd=tmp_path, pythonpath=without_torch,
    )  # fmt: skip
    assert measured(again) == []
    assert again.cases == run.cases


def test_whole_answers_and_those_of_one_token_are_kept_apart(tmp_path):
    lines = [line | {"answer": f"{line['answer']} and"} for line in MINE]
    for line in lines:
        del line["candidates"]
    mine = write(tmp_path / "mine.jsonl", lines)
    few = ("-k", "check_accuracy_drop", f"--sae-ids={LAST}", f"--sae-task={mine}")
    first_token = gate(tmp_path, tmp_path / "store", *few)
    whole = gate(tmp_path, tmp_path / "store", *few, "--sae-answer=whole")
    assert measured(whole) == [f"measuring 1 SAE on at most {len(MINE)} items of mine"]
    assert "sae-checks: tasks mine: 40 items of each at most, all tokens of an answer scored\n" in (
        whole.output
    )
    accuracies = [float(run.cases[0].properties["clean_accuracy"]) for run in (first_token, whole)]
    assert accuracies[0] > accuracies[1]  # a sentence about two does not begin so


def test_tasks_that_cannot_be_asked_of_the_model(tmp_path):
    odd = write(
        tmp_path / "odd.jsonl",
        [
            {"prompt": "in the zoo there was a", "answer": "zebra"},
            {"prompt": "mary had a", "answer": "little lamb"},
            {"prompt": "a", "answer": "goat"},
        ],
    )
    run = gate(
        tmp_path,
        tmp_path / "store",
        f"--sae-task=tales,{odd},ioi",
        f"--sae-ids={LAST}",
        "-k",
        "accuracy_drop",
    )
    assert run.exit_code == 1
    assert {case.properties["task"] for case in run.with_outcome("passed")} == {"tales"}
    told: dict[str, set[str]] = {}
    for case in run.with_outcome("error"):
        told.setdefault(case.properties["task"], set()).add(case.message)
    sentences = {
        "odd": "task odd: none of its questions can be asked of this model (2 answers that the "
        "tokenizer does not know, 1 prompts without a token to measure); leave it out with "
        "--sae-task",
        "ioi": "task ioi: only 0 of its 60 names are single tokens of the model's tokenizer, and 8 "
        "are needed; leave it out with --sae-task",
    }
    assert told == {
        task: {f'failed on setup with "{sentence}"\n{sentence}'}
        for task, sentence in sentences.items()
    }
    assert not run.with_outcome("failed")
    assert "Error" not in run.output


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (
            "--sae-task=lambda",
            "ERROR: --sae-task 'lambda': there is no such task (did you mean 'lambada'?); legal "
            "are lambada, lambada_openai, cbt_cn, ioi, tales, tales_long, cloze, and a .jsonl file "
            "of your own\n",
        ),
        (
            "--sae-task=tales,nowhere.jsonl",
            "ERROR: --sae-task 'nowhere.jsonl': there is no such file\n",
        ),
        (
            "--sae-task=tales,ioi,tales",
            "ERROR: --sae-task names 'tales' twice; tables and limits tell tasks apart by name\n",
        ),
        (
            "--sae-task=tales,none",
            "error: argument --sae-task: must be none alone or name tasks, not 'tales,none'\n",
        ),
        (
            "--sae-task=,",
            "error: argument --sae-task: must name a task or a file, or be none, not ','\n",
        ),
        ("--sae-items=0", "error: argument --sae-items: must be 1 or more, not '0'\n"),
        ("--sae-ablate=0", "error: argument --sae-ablate: must be 1 or more, not '0'\n"),
        (
            "--sae-answer=half",
            "error: argument --sae-answer: must be one of first_token, whole, not 'half'\n",
        ),
    ],
)
def test_mistakes_about_tasks_are_one_sentence(tmp_path, option, sentence):
    assert_refused(gate(tmp_path, tmp_path, option), sentence)


@pytest.mark.parametrize(
    ("lines", "mishap"),
    [
        (b"", " has no line; each is to be a JSON object with prompt and answer"),
        (
            b'{"prompt": "a", "answer": "b"}\n{"prompt": "a",\n',
            ', line 2: no JSON: \'{"prompt": "a",\'',
        ),
        (
            b'{"prompt": "a", "answr": "b"}\n',
            ", line 1: unknown key 'answr' (did you mean 'answer'?); legal are prompt, answer, "
            "candidates, id",
        ),
        (b'{"prompt": "a"}\n', ", line 1: the key 'answer' is missing"),
        (b"\xff\n", " is no UTF-8 text; save it as such"),
    ],
)
def test_a_malformed_file_is_one_sentence(tmp_path, lines, mishap):
    path = tmp_path / "mine.jsonl"
    path.write_bytes(lines)
    run = gate(tmp_path, tmp_path, f"--sae-task={path}")
    assert_refused(run, f"ERROR: --sae-task '{path}'{mishap}\n")


def test_a_malformed_file_that_no_check_asks_about(tmp_path, first, store):
    run = gate(tmp_path, store, "--sae-task=nowhere.jsonl", suite="checks/check_sparsity.py")
    assert not run.with_outcome("error")
    assert_judged_alike(run.cases, [first.named(case.name) for case in run.cases])


def assert_refused(run: GateRun, sentence: str) -> None:
    assert run.exit_code == USAGE_ERROR, run.output
    assert sentence in run.output
    assert not run.cases
    assert "Traceback" not in run.output
    assert "INTERNALERROR" not in run.output
