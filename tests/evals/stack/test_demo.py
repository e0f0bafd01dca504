"""The demo's stack: that it costs far more than its SAEs do, and that it notices small faults."""

from __future__ import annotations

import copy
from itertools import islice

import numpy as np
import pytest
import torch

from sae_checks.demo import MODEL_FOLDER, SAES_FOLDER
from sae_checks.demo.residual import HOOK_NAMES
from sae_checks.demo.stories import stories
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.load.language_model import LanguageModel
from sae_checks.load.sae import LoadedSae
from sae_checks.load.texts import Texts
from sae_checks.records.place import Place
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks
from tests.builders import sae_ref
from tests.evals.stack.test_measuring import measured

SAE = pytest.importorskip("sae_lens").SAE
transformers = pytest.importorskip("transformers")
TEXTS, CONTEXT = 32, 64


@pytest.fixture(scope="module")
def model():
    hf = transformers.AutoModelForCausalLM.from_pretrained(MODEL_FOLDER)
    return LanguageModel(hf, None, center_writing_weights=True)


@pytest.fixture(scope="module")
def saes():
    return [
        LoadedSae(sae_ref(name, d_in=sae.cfg.d_in), sae)
        for name in HOOK_NAMES
        for sae in [SAE.load_from_disk(str(SAES_FOLDER / name))]
    ]


@pytest.fixture(scope="module")
def texts():
    """Stories that no training run has used."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL_FOLDER)
    some = [story.text for story in islice(stories(987_654), TEXTS)]
    tokens = np.array([tokenizer(text)["input_ids"][:CONTEXT] for text in some])
    documents = np.repeat(np.arange(TEXTS, dtype=np.int32), CONTEXT).reshape(tokens.shape)
    return Texts(tokens, tokens == tokenizer.bos_token_id, documents, {})


def delta_ce(saes, texts, model):
    """By SAE, the mean of the prefix up to it."""
    tables = measured(saes, texts, model=model)
    columns = {name: table.columns for name, table in tables.items()}
    return {n: float(np.nanmean(each["ce_sae"] - each["ce_clean"])) for n, each in columns.items()}


def regression_allowed(check, value):
    rules = {name: CheckRules(c.unit, c.parameters) for name, c in bundled_checks().items()}
    limit = read_thresholds(BUNDLED_THRESHOLDS, rules).limit(check, Place.of_release("any"))
    margin = limit.compared("regression")
    assert margin is not None
    return margin.allowed(value)


def test_together_they_cost_many_times_what_they_cost_one_by_one(model, saes, texts):
    whole = delta_ce(saes, texts, model)[HOOK_NAMES[-1]]
    alone = [delta_ce([sae], texts, model)[sae.ref.sae_id] for sae in saes]
    assert max(alone) < 0.05
    assert whole > 5 * sum(alone)


def test_a_decoder_scaled_by_three_hundredths_is_noticed_by_the_stack_alone(model, saes, texts):
    last, middle = HOOK_NAMES[-1], saes[2]
    damaged = LoadedSae(middle.ref, copy.deepcopy(middle.sae))
    with torch.no_grad():
        damaged.sae.W_dec.mul_(0.97)
    good = delta_ce(saes, texts, model)[last]
    bad = delta_ce([*saes[:2], damaged, *saes[3:]], texts, model)[last]
    assert bad - good > regression_allowed("stack_delta_ce", good)
    good, bad = (delta_ce([sae], texts, model)[middle.ref.sae_id] for sae in (middle, damaged))
    assert bad - good < regression_allowed("delta_ce", good)
