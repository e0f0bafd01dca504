"""Configurations of SAEs, in the layouts of before and after sae_lens 6.0, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sae_checks.errors import ReleaseError
from sae_checks.records import Declared, ModelLoading, Release, SaeRef
from sae_checks.resolve import Entry, Listing, describe, find
from tests.resolve.saes import FLAT, METADATA, NESTED, nested, write_sae


def described(tmp_path: Path, *configs: object, **options: Any) -> Release:
    for number, config in enumerate(configs):
        write_sae(tmp_path / "mine" / f"sae-{number}", config)
    return describe(find(str(tmp_path / "mine")), **options)


def refusal(tmp_path: Path, *configs: object, **options: Any) -> str:
    with pytest.raises(ReleaseError) as caught:
        described(tmp_path, *configs, **options)
    return str(caught.value)


def test_the_flat_layout(tmp_path: Path):
    release = described(tmp_path, FLAT)
    (sae,) = release.saes
    loading = ModelLoading("gpt2-small")
    assert release == Release("mine", "folder", loading, (sae,), location=str(tmp_path / "mine"))
    assert sae == SaeRef(
        sae_id="sae-0",
        hook_point="blocks.3.hook_resid_pre",
        layer=3,
        site="hook_resid_pre",
        training_context=128,
        d_in=768,
        d_sae=24576,
        architecture="standard",
        loading=loading,
        location=str(tmp_path / "mine" / "sae-0"),
        weights_key=sae.weights_key,
        dataset="Skylion007/openwebtext",
        declared=Declared(dataset="Skylion007/openwebtext"),
    )


def test_the_layout_with_metadata(tmp_path: Path):
    (sae,) = described(tmp_path, NESTED).saes
    assert sae == SaeRef(
        sae_id="sae-0",
        hook_point="blocks.12.hook_resid_post",
        layer=12,
        site="hook_resid_post",
        training_context=1024,
        d_in=2304,
        d_sae=16384,
        architecture="jumprelu",
        loading=ModelLoading(
            "gemma-2-2b",
            from_pretrained_kwargs=(("center_writing_weights", True), ("n_devices", 1)),
            prepend_bos=False,
        ),
        location=str(tmp_path / "mine" / "sae-0"),
        weights_key=sae.weights_key,
        dataset="monology/pile-uncopyrighted",
        neuronpedia_id="gemma-2-2b/12-res",
        declared=Declared(dataset="monology/pile-uncopyrighted"),
    )


@pytest.mark.parametrize(("written", "read"), [("batchtopk", "batchtopk"), (7, None), ("", None)])
def test_as_which_kind_an_sae_was_trained(tmp_path: Path, written: object, read: str | None):
    config = nested(training_architecture=written)
    (sae,) = described(tmp_path, config).saes
    assert (sae.architecture, sae.declared.training_architecture) == ("jumprelu", read)


@pytest.mark.parametrize("config", [FLAT, NESTED], ids=["flat", "metadata"])
def test_the_directory_overrides(tmp_path: Path, config: object):
    folder = write_sae(tmp_path / "sae", config)
    overrides = {
        "dataset_path": "an/other",
        "model_from_pretrained_kwargs": {"center_writing_weights": False},
    }
    entry = Entry("sae", str(folder), overrides, neuronpedia_id="of/directory")
    (sae,) = describe(Listing("mine", "folder", (entry,), model="a model")).saes
    assert sae.dataset == "an/other"
    assert sae.loading.from_pretrained_kwargs == (("center_writing_weights", False),)
    assert sae.neuronpedia_id == "of/directory"


def test_the_model_is_the_directorys_where_the_sae_names_none(tmp_path: Path):
    config = {key: value for key, value in FLAT.items() if key != "model_name"}
    entry = Entry("sae", str(write_sae(tmp_path / "sae", config)))
    listing = Listing("mine", "folder", (entry,), model="gpt2-small")
    assert describe(listing).loading == ModelLoading("gpt2-small")


def test_the_model_is_the_one_asked_for(tmp_path: Path):
    config = {key: value for key, value in FLAT.items() if key != "model_name"}
    assert described(tmp_path, config, model="my/gpt2").loading == ModelLoading("my/gpt2")


def test_a_model_option_that_is_no_scalar_can_be_compared(tmp_path: Path):
    config = nested(model_from_pretrained_kwargs={"hf_config": {"a": 1}})
    (sae,) = described(tmp_path, config).saes
    assert hash(sae.loading)
    assert sae.loading.from_pretrained_kwargs == (("hf_config", '{"a": 1}'),)


def test_weights_and_configuration_make_the_key(tmp_path: Path):
    first, second = described(tmp_path, FLAT, FLAT).saes
    assert first.weights_key == second.weights_key
    write_sae(tmp_path / "mine" / "sae-1", FLAT, weights=b"weightz")
    again, changed = describe(find(str(tmp_path / "mine"))).saes
    assert again == first
    assert changed.weights_key != second.weights_key
    assert replace(changed, weights_key="") == replace(second, weights_key="")
    third, _ = described(tmp_path, FLAT | {"normalize_activations": "layer_norm"}).saes
    assert third.weights_key != first.weights_key


@pytest.mark.parametrize("key", ["model_name", "hook_point", "d_in", "d_sae"])
def test_a_missing_key(tmp_path: Path, key: str):
    config = {name: value for name, value in FLAT.items() if name != key}
    named = {"hook_point": "hook_name"}.get(key, key)
    assert refusal(tmp_path, config) == (
        f"the cfg.json of SAE 'sae-0' of 'mine' lacks '{named}', which sae-checks needs to know"
    )


def test_no_training_context_is_not_declared_until_it_is_given(tmp_path: Path):
    config = nested(context_size=None)
    assert described(tmp_path, config).saes[0].training_context is None
    assert described(tmp_path, config, training_context=64).saes[0].training_context == 64
    assert described(tmp_path, FLAT, training_context=64).saes[0].training_context == 64
    assert refusal(tmp_path, nested(context_size=0)) == (
        "the cfg.json of SAE 'sae-0' of 'mine' says context_size = 0, which must be a whole number "
        "of 1 or more"
    )


def test_a_transcoder(tmp_path: Path):
    config = nested(hook_name_out="blocks.12.hook_mlp_out")
    config |= {"architecture": "jumprelu_skip_transcoder", "d_out": 1152}
    (sae,) = described(tmp_path, config).saes
    assert (sae.hook_point, sae.d_in) == ("blocks.12.hook_resid_post", 2304)
    assert (sae.writes, sae.d_out) == ("blocks.12.hook_mlp_out", 1152)
    assert (sae.layer, sae.site) == (12, "hook_resid_post")  # of where it reads


def test_a_transcoder_of_one_width(tmp_path: Path):
    (sae,) = described(tmp_path, nested(hook_name_out="blocks.12.hook_mlp_out")).saes
    assert (sae.writes, sae.d_out) == ("blocks.12.hook_mlp_out", 2304)


def test_an_sae_that_says_where_it_reads_twice(tmp_path: Path):
    (sae,) = described(tmp_path, nested(hook_name_out=METADATA["hook_name"])).saes
    assert not sae.is_transcoder


def test_a_transcoder_that_does_not_say_where_it_writes(tmp_path: Path):
    assert refusal(tmp_path, NESTED | {"architecture": "skip_transcoder"}) == (
        "transcoder 'sae-0' of 'mine' does not say where it writes; name the hook point as "
        "hook_name_out in the metadata of its cfg.json"
    )


def test_a_transcoder_that_writes_to_a_single_head(tmp_path: Path):
    config = nested(hook_name_out="blocks.12.attn.hook_z", hook_head_index_out=3)
    (sae,) = described(tmp_path, config | {"d_out": 256}).saes
    assert (sae.writes, sae.d_out) == ("blocks.12.attn.hook_z.head_3", 256)


def test_a_transcoder_of_gemma_scope_2_by_the_names_of_its_trainers(tmp_path: Path):
    config = nested(
        hook_name="blocks.12.hook_mlp_in",
        hf_hook_name="model.layers.12.pre_feedforward_layernorm.output",
        hook_name_out="blocks.12.hook_mlp_out",
        hf_hook_name_out="model.layers.12.post_feedforward_layernorm.output",
    )
    (sae,) = described(tmp_path, config).saes
    assert sae.hook_point == "model.layers.12.pre_feedforward_layernorm.output"
    assert sae.writes == "blocks.12.hook_mlp_out"  # the same place by both names


def test_a_width_that_is_no_number(tmp_path: Path):
    config = nested(hook_name_out="blocks.12.hook_mlp_out") | {"d_out": "wide"}
    assert refusal(tmp_path, config) == (
        "the cfg.json of SAE 'sae-0' of 'mine' says d_out = 'wide', which must be a whole number "
        "of 1 or more"
    )


@pytest.mark.parametrize(
    "config",
    [
        FLAT | {"hook_point": "blocks.3.attn.hook_q", "hook_point_head_index": 0},
        nested(hook_name="blocks.3.attn.hook_q", hook_head_index=0),
    ],
)
def test_a_single_head(tmp_path: Path, config: object):
    (sae,) = described(tmp_path, config).saes
    assert sae.hook_point == "blocks.3.attn.hook_q.head_0"
    assert (sae.layer, sae.site) == (3, "attn.hook_q")


def test_a_head_that_is_no_number(tmp_path: Path):
    assert refusal(tmp_path, nested(hook_head_index="all")) == (
        "the cfg.json of SAE 'sae-0' of 'mine' says hook_head_index = 'all', which must be a whole "
        "number"
    )


def test_the_hook_point_of_hugging_face_s_model(tmp_path: Path):
    """Gemma Scope 2's transcoders' read what comes out of a norm; sae_lens calls it hook_mlp_in."""
    path = "model.layers.3.pre_feedforward_layernorm.output"
    (sae,) = described(tmp_path, nested(hook_name="blocks.3.hook_mlp_in", hf_hook_name=path)).saes
    assert (sae.hook_point, sae.layer, sae.site) == (path, 3, "pre_feedforward_layernorm.output")


def test_saes_that_want_their_model_loaded_differently(tmp_path: Path):
    centred = FLAT | {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    other = nested(model_class_name="AutoModelForCausalLM", model_from_pretrained_kwargs={})
    assert refusal(tmp_path, FLAT, centred, FLAT, other) == (
        "the SAEs of 'mine' need their model loaded in 3 different ways (gpt2-small (unprocessed) "
        "for sae-0, sae-2; gpt2-small (center_writing_weights=True) for sae-1; gemma-2-2b (as "
        "AutoModelForCausalLM, without BOS) for sae-3); gate them one group at a time with "
        "--sae-ids"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"d_in": ', "not valid JSON: Expecting value: line 1 column 10 (char 9)"),
        ("[1, 2]", "no JSON object but a list"),
        (
            "[" * 100_000,
            "not valid JSON: maximum recursion depth exceeded while decoding a JSON array from a "
            "unicode string",
        ),
    ],
)
def test_broken_json(tmp_path: Path, text: str, reason: str):
    assert refusal(tmp_path, text) == (
        f"{tmp_path}/mine/sae-0/cfg.json cannot be read ({reason}); save the SAE again"
    )


@pytest.mark.parametrize(
    ("key", "value", "shown", "called"),
    [
        ("metadata", None, "None", "an object"),
        ("metadata", [1], "[1]", "an object"),
        ("architecture", ["standard"], "['standard']", "a text"),
        ("architecture", 3, "3", "a text"),
        ("hook_name", 5, "5", "a text"),
        ("hf_hook_name", ["a"], "['a']", "a text"),
        ("model_name", ["a"], "['a']", "a text"),
        ("model_class_name", {"a": 1}, "{'a': 1}", "a text"),
        ("prepend_bos", "no", "'no'", "true or false"),
        ("prepend_bos", 0, "0", "true or false"),
    ],
)
def test_what_sae_lens_would_stumble_over_is_refused(tmp_path: Path, key, value, shown, called):
    assert refusal(tmp_path, FLAT | {key: value}) == (
        f"the cfg.json of SAE 'sae-0' of 'mine' says {key} = {shown}, which must be {called}"
    )


@pytest.mark.parametrize("value", [{"a": 1}, ["pile"], 5, ""])
def test_what_a_release_can_do_without_is_not_declared_where_it_is_no_text(tmp_path: Path, value):
    (sae,) = described(tmp_path, FLAT | {"dataset_path": value, "neuronpedia_id": value}).saes
    assert (sae.dataset, sae.declared.dataset, sae.neuronpedia_id) == (None, None, None)
