"""What each evaluation adds to the context checks, in one table.

    pytest benchmarks/test_evaluations.py -s
    SAE_CHECKS_BENCH_ROUNDS=1 pytest benchmarks/test_evaluations.py -s
    SAE_CHECKS_BENCH_ROWS='*decoder,*activity' pytest benchmarks/test_evaluations.py -s

Thirteen SAEs of 24,576 features, at the input of each block of a model of gpt2-small's shape and at
the last one's output, so 78 pairs and a stack of 13, on one text of 1024 tokens; tasks on twelve
items of 85 tokens, which are about as many. Weights and tokens are random, and some 50 features are
active per token. All tokens count as within the training context, which is the dearest case for
counting active features.

Each row is measured in one run with the context checks, as a gate does: `L0, L1, MSE, norms,
explained variance, ΔCE and KL`. Rows take turns, twice by default, and medians are compared. What
is learnt of hook points before measuring is not timed: it is done once a run. Seconds are of
processor time, which other work on the machine hardly changes; passes and encoded tokens are
counted. Time is printed and never asserted; some ten minutes with one round on one core.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.shapes import (
    BOS,
    CONTEXT,
    FEATURES,
    LAYERS,
    VOCABULARY,
    WIDTH,
    MeasuredSeconds,
    gpt2_small,
    make_saes,
    peak_gib,
)
from sae_checks.evals.context.table import WRITTEN
from sae_checks.evals.registry import evaluations
from sae_checks.load.language_model import CleanPass, LanguageModel, ResumedPass
from sae_checks.load.sae import LoadedSae
from sae_checks.measure.evaluation import Measurer, Measuring
from sae_checks.measure.items import ItemDataset
from sae_checks.measure.loaded import SaeSource, bind_saes
from sae_checks.measure.pass_options import PassOptions
from sae_checks.measure.plan import Plan
from sae_checks.measure.texts import TextDataset

ROUNDS = int(os.environ.get("SAE_CHECKS_BENCH_ROUNDS", "2"))
# Which rows are measured beside the context checks, by glob; several with commas.
CHOSEN = os.environ.get("SAE_CHECKS_BENCH_ROWS", "*").split(",")
ITEMS, ITEM_TOKENS = 12, 85
TARGET = 1.6  # times the context checks alone: what propagation was aimed at
TEXT, OTHER_TEXT, TASK = "text", "other text", "task"

BASE = "l0 l1 mse norm squared_distance position_sums ce_clean ce_sae kl"
ANSWERS = "clean_ln_p sae_ln_p clean_rank sae_rank"
PROMPTS = f"{ANSWERS} prompt_l0 prompt_l1 prompt_mse prompt_norm prompt_ce_clean prompt_ce_sae"
# Of each row: data set, evaluation and columns, beside what the context checks measure.
ROWS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "context checks": (),
    "+ shrinkage and bias": (
        (
            TEXT,
            "context",
            f"{BASE} reconstruction_norm reconstruction_squared_distance error_projection",
        ),
    ),
    "+ scale of the decoder": ((TEXT, "context", f"{BASE} {' '.join(WRITTEN)}"),),
    "+ CE and KL recovered": ((TEXT, "context", f"{BASE} ce_zero ce_mean kl_zero kl_mean"),),
    "+ feature activity": ((TEXT, "activity", "active_features"),),
    "+ propagation, 78 pairs": (
        (TEXT, "propagation", "l0 mse norm squared_distance position_sums"),
    ),
    "+ propagation, direct path": (
        (
            TEXT,
            "propagation",
            "l0 mse norm squared_distance position_sums direct_l0 direct_mse direct_norm",
        ),
    ),
    "+ stack of 13": ((TEXT, "stack", "ce_clean ce_sae kl"),),
    "+ positions, first layer": ((TEXT, "positions", "ce_token_part ce_mean_position"),),
    "+ second corpus": ((OTHER_TEXT, "context", BASE),),
    "+ task: answers": ((TASK, "tasks", ANSWERS),),
    "+ task: prompts too": ((TASK, "tasks", PROMPTS),),
    "+ task: features too": ((TASK, "tasks", f"{PROMPTS} features"),),
}


class CountingModel(LanguageModel):
    """Counts its passes."""

    passes = 0

    def clean(self, *arguments: Any) -> CleanPass:
        self.passes += 1
        return super().clean(*arguments)

    def resume_with(self, *arguments: Any) -> ResumedPass:
        self.passes += 1
        return super().resume_with(*arguments)


class CountingSae(LoadedSae):
    """Counts the tokens that it encodes."""

    tokens = 0

    def encode(self, x: Tensor) -> Tensor:
        CountingSae.tokens += x.shape[:-1].numel()
        return super().encode(x)


@dataclass(frozen=True)
class Cost:
    """Of one row, once."""

    seconds: float  # of processor time
    passes: int
    encoded: int  # tokens

    @classmethod
    def median(cls, costs: list[Cost]) -> Cost:
        """Counts are the same each time."""
        return replace(costs[0], seconds=statistics.median(each.seconds for each in costs))


def some_saes(model: Any, tokens: Tensor) -> list[LoadedSae]:
    """The twelve of each block's input, and the last one's weights again at its output."""
    from sae_checks.resolve.hook_point import parse_hook_point
    from tests.builders import sae_ref

    made = make_saes(model, tokens)
    made[f"blocks.{LAYERS - 1}.hook_resid_post"] = next(reversed(made.values()))
    loaded: list[LoadedSae] = []
    for name, sae in made.items():
        layer, site = parse_hook_point(name)
        fields = {"layer": layer, "site": site, "training_context": CONTEXT, "d_sae": FEATURES}
        loaded.append(CountingSae(sae_ref(name, WIDTH, **fields), sae))
    return loaded


def some_texts(seed: int) -> Any:
    from tests.builders import texts_of

    tokens = np.random.default_rng(seed).integers(1, VOCABULARY, (1, CONTEXT))
    tokens[:, 0] = BOS
    return texts_of(tokens)


def some_items() -> Any:
    from sae_checks.load.tasks.items import Item, Items

    drawn = np.random.default_rng(2).integers(1, VOCABULARY, (ITEMS, ITEM_TOKENS)).tolist()
    items = [Item(f"item {i}", (BOS, *drawn[i][1:]), (drawn[i][0],)) for i in range(ITEMS)]
    return Items(tuple(items), frozenset({BOS}), {}, "")


class Bench:
    """The model, the SAEs, and the data sets; measures rows."""

    def __init__(self) -> None:
        from sae_checks.records.dataset import DatasetRef

        texts, gpt2 = some_texts(0), gpt2_small()
        saes = some_saes(gpt2, torch.from_numpy(texts.tokens[:1, :64]))
        self.model, self.source = CountingModel(gpt2, None), SaeSource.of(saes)
        self.refs, self.settings = [sae.ref for sae in saes], PassOptions()
        self.datasets: dict[str, Any] = {
            TEXT: TextDataset(texts),
            OTHER_TEXT: TextDataset(some_texts(1)),
            TASK: ItemDataset(some_items(), DatasetRef("random"), 32),
        }
        self.evaluations = {each.name: each for each in evaluations()}
        assert not bind_saes(self.model, self.refs)
        self.measurers: dict[tuple[str, str, str], tuple[Measuring, Measurer]] = {}

    def measurer(self, part: tuple[str, str, str]) -> tuple[Measuring, Measurer]:
        """What measures one part of a row; made once."""
        if part not in self.measurers:
            dataset, name, columns = part
            evaluation, wanted = self.evaluations[name], set(columns.split())
            assert wanted <= evaluation.names, wanted - evaluation.names
            interventions = evaluation.interventions(self.refs)
            observed = {i: evaluation.observed(i, self.refs) for i in interventions}
            plan = Plan.of(evaluation.columns, wanted)
            measuring = Measuring(
                self.model,
                self.source,
                self.datasets[dataset],
                interventions,
                plan,
                self.settings,
                observed,
            )
            self.measurers[part] = measuring, evaluation.measurer(measuring)
        return self.measurers[part]

    def measure(self, parts: tuple[tuple[str, str, str], ...]) -> Cost:
        """A row, with the context checks; each data set is read once, for all its parts."""
        if not any((dataset, name) == (TEXT, "context") for dataset, name, _ in parts):
            parts = ((TEXT, "context", BASE), *parts)
        made = {part: self.measurer(part) for part in parts}
        self.model.passes = CountingSae.tokens = 0
        begun = time.process_time()
        for dataset in dict.fromkeys(part[0] for part in parts):
            self.listen(dataset, [made[part] for part in parts if part[0] == dataset])
        seconds = time.process_time() - begun
        return Cost(seconds, self.model.passes, CountingSae.tokens)

    def listen(self, name: str, measurers: list[tuple[Measuring, Measurer]]) -> None:
        from sae_checks.measure.engine import listen

        dataset, units = self.datasets[name], np.arange(self.datasets[name].size)
        listeners = [each.listen(units, m.interventions) for m, each in measurers]
        batches = dataset.batches(units, self.model, self.settings)
        listen(self.model, self.source, batches, listeners)
        for listener in listeners:
            assert listener.tables()


def main() -> None:
    bench = Bench()
    rows = {
        name: parts
        for name, parts in ROWS.items()
        if not parts or any(fnmatchcase(name, glob) for glob in CHOSEN)
    }
    costs: dict[str, list[Cost]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, parts in rows.items():
            costs[name].append(bench.measure(parts))
    medians = {name: vars(Cost.median(each)) for name, each in costs.items()}
    total = sum(each.seconds for some in costs.values() for each in some)
    print(json.dumps({"seconds": total, "rows": medians, "peak_gib": peak_gib()}))


def table(rows: dict[str, Cost]) -> list[str]:
    """In Markdown: what a run costs, and what it adds to the context checks."""
    base = rows["context checks"]
    lines = [
        "| a run of | seconds | times | passes more | tokens encoded more |",
        "|---|---|---|---|---|",
    ]
    for name, cost in rows.items():
        lines.append(
            f"| {name} | {cost.seconds:.1f} | {cost.seconds / base.seconds:.2f} | "
            f"{cost.passes - base.passes:,} | {cost.encoded - base.encoded:,} |"
        )
    return lines


measured_seconds = MeasuredSeconds()


@pytest.mark.timeout(7200)
@pytest.mark.benchmark(group="13 SAEs on 1,024 tokens", timer=measured_seconds)
def test_what_each_evaluation_adds(benchmark):
    answer = benchmark.pedantic(measured_seconds.side, args=(__file__,), rounds=1)
    rows = {name: Cost(**figures) for name, figures in answer["rows"].items()}
    base = rows["context checks"]
    print("\n" + "\n".join(table(rows)))
    print(
        f"\nThe context checks make {base.passes} passes and encode {base.encoded:,} tokens. "
        f"{ROUNDS} rounds, peak memory {answer['peak_gib']:.2f} GiB. Propagation without the "
        f"direct path is aimed at {TARGET} times at most."
    )


if __name__ == "__main__":
    main()
