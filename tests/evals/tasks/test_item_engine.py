"""The loop over items against a plain one, and what must not matter to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sae_checks.evals.tasks.columns import offered_columns, task_plan
from sae_checks.evals.tasks.measuring import measure_items
from sae_checks.evals.tasks.table import FEATURES, TaskTable
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.tasks.items import Item, Items
from sae_checks.measure import items as items_module
from sae_checks.measure.pass_options import PassOptions
from sae_checks.records import FEATURE_WINDOW, TaskRef
from tests import builders
from tests.architectures import ARCHITECTURES
from tests.builders import (
    BOS,
    VOCABULARY,
    IdentitySae,
    loaded_sae,
    sae_ref,
    shared_language_model,
)
from tests.exhaustive import diagonal, every_other
from tests.measuring import ITEM_COLUMNS, ITEM_NEEDS, bind

HOOK_POINT = "blocks.1.hook_resid_pre"
COUNT = 30


def random_items(answers: int = 1, seed: int = 0) -> Items:
    """Thirty items, some of them with a special token inside."""
    generator = np.random.default_rng(seed)
    items = []
    for row in range(COUNT):
        prompt = generator.integers(1, VOCABULARY, generator.integers(3, 25))
        if row % 10 == 0:
            prompt[len(prompt) // 2] = BOS
        answer = tuple(generator.integers(1, VOCABULARY, answers).tolist())
        other = (answer[0] + 1 + row) % VOCABULARY
        items.append(Item(f"row {row}", (BOS, *prompt.tolist()), answer, (answer[0], other)))
    return Items(tuple(items), frozenset({BOS}), {}, "")


def measured(
    model: LanguageModel,
    saes: Sequence[LoadedSae],
    items: Items,
    needs: frozenset[str] = ITEM_NEEDS,
    settings: PassOptions = PassOptions(),
) -> dict[str, TaskTable]:
    assert not bind(model, saes)
    ref = TaskRef("random", ITEM_NEEDS, "", COUNT, 0, "whole")
    return measure_items(
        model, saes, ref, items, task_plan(needs, offered_columns("pair")), settings
    )


def assert_close(one: TaskTable, other: TaskTable, tolerance: float = 1e-5) -> None:
    assert one.columns.keys() == other.columns.keys()
    for name, values in one.columns.items():
        assert values == pytest.approx(other.columns[name], abs=tolerance, nan_ok=True), name


class PlainLoop:
    """One item at a time, no padding, a hook on the Hugging Face model: slow and plain."""

    def __init__(self, hf: Any, sae: Any, layer: int, *, replace_special: bool) -> None:
        self.hf, self.sae, self.layer = hf, sae, layer
        self.replace_special = replace_special

    @torch.no_grad()
    def __call__(self, item: Item) -> dict[str, float]:
        tokens = torch.tensor([[*item.prompt, *item.answer[:-1]]])
        keep = tokens[0] == BOS
        seen: dict[str, Tensor] = {}

        def splice(_: Any, args: Any, kwargs: Any) -> Any:
            x = args[0]
            f = self.sae.encode(x)
            rebuilt = self.sae.decode(f)
            seen.update(x=x[0], f=f[0], rebuilt=rebuilt[0])
            if not self.replace_special:
                rebuilt = torch.where(keep[None, :, None], x, rebuilt)
            return (rebuilt, *args[1:]), kwargs

        clean = self.hf(tokens).logits[0].log_softmax(-1)
        block = self.hf.transformer.h[self.layer]
        handle = block.register_forward_pre_hook(splice, with_kwargs=True)
        spliced = self.hf(tokens).logits[0].log_softmax(-1)
        handle.remove()
        return self._figures(item, clean, spliced, seen)

    def _figures(
        self, item: Item, clean: Tensor, spliced: Tensor, seen: dict[str, Tensor]
    ) -> dict[str, float]:
        n = len(item.prompt)
        counted = [p for p in range(1, n) if item.prompt[p] != BOS]
        lossy = [p for p in counted if p + 1 < n]
        f, error = seen["f"][counted], (seen["x"] - seen["rebuilt"])[counted]
        figures = {
            "prompt_l0": (f != 0).sum(-1).double().mean(),
            "prompt_l1": f.abs().sum(-1).mean(),
            "prompt_mse": error.square().sum(-1).mean(),
            "prompt_norm": seen["x"][counted].norm(dim=-1).mean(),
        }
        for side, log_p in (("clean", clean), ("sae", spliced)):
            places = range(n - 1, n - 1 + len(item.answer))
            own = [log_p[p, t] for p, t in zip(places, item.answer, strict=True)]
            ranks = [(log_p[p] >= v).sum() for p, v in zip(places, own, strict=True)]
            first, other = (log_p[n - 1, token] for token in item.candidates)
            figures |= {
                f"{side}_ln_p": sum(own),
                f"{side}_rank": max(ranks),
                f"{side}_candidate_right": first > other,
                f"{side}_logit_difference": first - other,
                f"prompt_ce_{side}": -torch.stack(
                    [log_p[p, item.prompt[p + 1]] for p in lossy]
                ).mean(),
            }
        followed = {p + 1: item.prompt[p + 1] for p in lossy}
        followed |= {n + k: token for k, token in enumerate(item.answer)}
        self.delta_ce = {
            p: float(clean[p - 1, token] - spliced[p - 1, token]) for p, token in followed.items()
        }
        window = seen["f"][counted[-FEATURE_WINDOW:]].abs().mean(0)
        self.strength = window
        return {name: float(value) for name, value in figures.items()}


# Tokens of an answer, and whether special tokens are replaced.
SETTINGS = ((1, False), (3, True), (1, True), (3, False))


@pytest.mark.parametrize(
    ("architecture", "setting"), diagonal(["standard", "topk", "jumprelu"], SETTINGS, every=2)
)
def test_equals_a_plain_loop(architecture: str, setting: tuple[int, bool]):
    answers, replace_special = setting
    model, sae = shared_language_model("gpt2"), loaded_sae(HOOK_POINT, architecture)
    items = random_items(answers)
    table = measured(model, [sae], items, settings=PassOptions(replace_special))[HOOK_POINT]
    plain = PlainLoop(model.hf, sae.sae, 1, replace_special=replace_special)
    strengths = []
    for row, item in enumerate(items.items):
        expected = plain(item)
        strengths.append(plain.strength)
        got = {name: table.columns[name][row] for name in expected}
        assert got == pytest.approx(expected, abs=1e-5, rel=1e-5), item
        assert table.losses is not None
        assert table.losses.of_item(row) == pytest.approx(plain.delta_ce, abs=6e-4), item
    assert table.features is not None
    strength = torch.stack(strengths).numpy()  # (items, d_sae)
    active = strength > 0
    delta = table.columns["sae_ln_p"] - table.columns["clean_ln_p"]
    shown = table.features.feature
    assert shown.tolist() == active.any(axis=0).nonzero()[0].tolist()
    assert (table.features.items == active.sum(axis=0)[shown]).all()
    signs = np.where(delta >= 0, 1, -1)
    assert (table.features.score == (signs @ active)[shown]).all()
    assert table.features.delta_ln_p == pytest.approx((delta @ active)[shown], abs=1e-4)
    weighted = (delta @ strength)[shown]
    assert table.features.weighted_delta_ln_p == pytest.approx(weighted, abs=1e-4)


@pytest.mark.parametrize("architecture", every_other(ARCHITECTURES, 3))
def test_an_item_alone_is_the_item_in_a_batch(architecture: str):
    model = shared_language_model(architecture)
    saes = [loaded_sae(HOOK_POINT), loaded_sae("blocks.1.hook_mlp_out", "topk")]
    items = random_items(answers=2)
    together = measured(model, saes, items)
    alone = measured(model, saes, items, settings=PassOptions(batch_tokens=1))
    for sae_id, table in together.items():
        assert_close(table, alone[sae_id], 1e-4)


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_padding_on_the_left_gives_the_same(architecture: str):
    """As Hugging Face does it: an attention mask, and positions that begin behind the padding."""
    model = shared_language_model(architecture)
    items = random_items()
    table = measured(model, [loaded_sae(HOOK_POINT)], items)[HOOK_POINT]
    width = max(len(item.prompt) for item in items.items)
    tokens = torch.full((COUNT, width), 7)
    mask = torch.zeros(COUNT, width, dtype=torch.long)
    for row, item in enumerate(items.items):
        tokens[row, width - len(item.prompt) :] = torch.tensor(item.prompt)
        mask[row, width - len(item.prompt) :] = 1
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    with torch.no_grad():
        logits = model.hf(tokens, attention_mask=mask, position_ids=positions).logits[:, -1]
    answers = torch.tensor([item.answer for item in items.items])
    expected = logits.log_softmax(-1).gather(-1, answers).squeeze(-1).numpy()
    assert table.columns["clean_ln_p"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("site", ["blocks.1.attn.hook_z", "blocks.2.hook_resid_mid", "hook_embed"])
def test_an_identity_sae_changes_no_answer(site: str):
    model = shared_language_model()
    sae = LoadedSae(sae_ref(site, d_sae=builders.D_MODEL), IdentitySae())
    table = measured(model, [sae], random_items(2))[site]
    for name in ("ln_p", "rank", "logit_difference"):
        spliced, clean = table.columns[f"sae_{name}"], table.columns[f"clean_{name}"]
        assert spliced == pytest.approx(clean, abs=1e-5)


def test_texts_are_encoded_whole_where_features_depend_on_earlier_tokens():
    model, sae = shared_language_model(), loaded_sae(HOOK_POINT, "temporal")
    items = random_items()
    together = measured(model, [sae], items)[HOOK_POINT]
    alone = measured(model, [sae], items, settings=PassOptions(batch_tokens=1))[HOOK_POINT]
    assert_close(together, alone, 1e-4)
    item = items.items[3]
    clean = model.clean(torch.tensor([item.prompt]), [HOOK_POINT])
    with torch.no_grad():
        l0 = (sae.sae.encode(clean.taps[HOOK_POINT]) != 0).sum(-1)[0, 1:].double().mean()
    assert together.columns["prompt_l0"][3] == pytest.approx(float(l0))


def test_pieces_change_nothing(monkeypatch: pytest.MonkeyPatch):
    model, sae, items = shared_language_model(), loaded_sae(HOOK_POINT), random_items()
    whole = measured(model, [sae], items)[HOOK_POINT]
    monkeypatch.setattr(items_module, "tokens_at_once", lambda width: 7)
    cut = measured(model, [sae], items)[HOOK_POINT]
    assert_close(whole, cut)
    assert whole.features is not None
    assert cut.features is not None
    assert (whole.features.score == cut.features.score).all()


def test_nobody_pays_for_what_nobody_asks(monkeypatch: pytest.MonkeyPatch):
    model, sae, items = shared_language_model(), loaded_sae(HOOK_POINT), random_items()
    assert not bind(model, [sae])
    unembedded: list[int] = []
    unembed = model.unembed

    def counting(final: Tensor) -> Tensor:
        unembedded.append(final.numel() // final.shape[-1])
        return unembed(final)

    monkeypatch.setattr(model, "unembed", counting)
    ref = TaskRef("random", ITEM_NEEDS, "", COUNT, 0, "first_token")
    plan = task_plan(frozenset({"sae_ln_p"}), ITEM_NEEDS)
    table = measure_items(model, [sae], ref, items, plan)[HOOK_POINT]
    assert sum(unembedded) == 2 * COUNT  # clean and spliced, at the answers alone
    assert "prompt_ce_sae" not in table.columns
    assert table.features is None


class BrokenOn:
    """An SAE of sae_lens whose features are NaN where the activation is a certain item's."""

    def __init__(self, sae: Any, call: int) -> None:
        self.sae, self.cfg, self.dtype = sae, sae.cfg, sae.dtype
        self.call, self.calls = call, 0

    def encode(self, x: Tensor) -> Tensor:
        features = self.sae.encode(x)
        self.calls += 1
        return features * torch.nan if self.calls == self.call else features

    def decode(self, features: Tensor) -> Tensor:
        return self.sae.decode(features)


def test_nan_of_one_sae_stays_its_own():
    model, items = shared_language_model(), random_items()
    good = loaded_sae("blocks.2.hook_resid_pre")
    broken = LoadedSae(sae_ref(HOOK_POINT), BrokenOn(loaded_sae(HOOK_POINT).sae, call=2))
    tables = measured(model, [good, broken], items, settings=PassOptions(batch_tokens=1))
    alone = measured(model, [good], items, settings=PassOptions(batch_tokens=1))
    assert_close(tables[good.ref.sae_id], alone[good.ref.sae_id], 0)
    columns = tables[HOOK_POINT].columns
    assert np.isnan(columns["sae_ln_p"]).sum() == 1
    assert np.isnan(columns["sae_rank"]).sum() == 1
    assert np.isnan(columns["sae_candidate_right"]).sum() == 1
    assert np.isfinite(columns["clean_ln_p"]).all()
    features = tables[HOOK_POINT].features
    assert features is not None
    assert np.isnan(features.delta_ln_p).all()  # none of them can be trusted any more


def test_a_dead_sae_has_no_features():
    model, sae = shared_language_model(), loaded_sae(HOOK_POINT)
    sae.sae.b_enc.data.fill_(-1e6)
    table = measured(model, [sae], random_items())[HOOK_POINT]
    assert table.features is not None
    assert table.features.feature.shape == (0,)
    assert table.features.group_score.shape == (0, 20)
    assert (table.columns["prompt_l0"] == 0).all()
    assert np.isfinite(table.columns["sae_ln_p"]).all()


def test_the_feature_window_is_a_setting():
    model, sae, items = shared_language_model(), loaded_sae(HOOK_POINT), random_items()
    assert not bind(model, [sae])
    ref = TaskRef("random", ITEM_NEEDS, "", COUNT, 0, "whole", feature_window=1)
    plan = task_plan(ITEM_NEEDS, ITEM_NEEDS)
    features = measure_items(model, [sae], ref, items, plan)[HOOK_POINT].features
    assert features is not None
    counts = np.zeros(64, dtype=int)
    for item in items.items:
        clean = model.clean(torch.tensor([item.prompt]), [HOOK_POINT])
        with torch.no_grad():
            counts += (sae.encode(clean.taps[HOOK_POINT])[0, -1] != 0).numpy()
    assert features.feature.tolist() == counts.nonzero()[0].tolist()
    assert features.items.tolist() == counts[counts > 0].tolist()


def test_what_is_measured_has_all_columns():
    table = measured(shared_language_model(), [loaded_sae(HOOK_POINT)], random_items())[HOOK_POINT]
    assert set(table.columns) == set(ITEM_COLUMNS)
    assert FEATURES not in table.columns
    assert table.items == COUNT
    assert table.sources[:2] == ("row 0", "row 1")
    for values in table.columns.values():
        assert np.isfinite(values).all()
