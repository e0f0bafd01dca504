"""Which SAE is compared with which, under what key a cell is found, and what cannot be paired."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.baseline.identity import (
    BaselineSae,
    key_of,
    match,
    pairing_terms,
    pairing_terms_of_provenance,
    refuse_unpaired,
)
from sae_checks.errors import BaselineError
from sae_checks.evals.registry import kind_named
from sae_checks.judge.check import Check
from sae_checks.records import Manifest, Measurement, ModelLoading, PositionRange, Release, SaeRef
from sae_checks.records.place import CellKey, CellRef
from sae_checks.records.provenance import DEFINITIONS_VERSION
from sae_checks.session.suite import bundled_checks
from tests import stored
from tests.places import cell_key, cell_ref


def ours(sae_id: str, hook_point: str = "") -> SaeRef:
    return replace(stored.sae_ref(0), sae_id=sae_id, hook_point=hook_point or sae_id)


def theirs(sae_id: str, hook_point: str = "") -> BaselineSae:
    return BaselineSae(sae_id, hook_point or sae_id, "weights")


def test_same_ids_are_the_same_saes():
    found = match([ours("a"), ours("b")], [theirs("b"), theirs("a")], {})
    assert found == {"a": "a", "b": "b"}


def test_an_id_counts_for_more_than_a_hook_point():
    found = match([ours("a", "hook 1")], [theirs("b", "hook 1"), theirs("a", "hook 2")], {})
    assert found == {"a": "a"}


def test_without_a_common_id_hook_points_tell():
    found = match(
        [ours("new 0", "hook 0"), ours("new 1", "hook 1")],
        [theirs("old 1", "hook 1"), theirs("old 0", "hook 0")],
        {},
    )
    assert found == {"new 0": "old 0", "new 1": "old 1"}


def test_a_transcoder_is_known_by_both_of_its_hook_points():
    """One that reads where an SAE lies is another thing, and so is one that writes elsewhere."""
    reads, writes = "blocks.0.hook_resid_mid", "blocks.0.hook_mlp_out"
    mine = replace(ours("new", reads), hook_point_out=writes)
    others = [theirs("sae", reads), theirs("old", f"{reads}->{writes}"), theirs("out", writes)]
    assert match([mine], others, {}) == {"new": "old"}
    assert match([mine], [others[0], others[2]], {}) == {}
    assert match([ours("new", reads)], others, {}) == {"new": "sae"}


@pytest.mark.parametrize(
    ("saes", "others"),
    [
        ([ours("a", "hook")], [theirs("b", "hook"), theirs("c", "hook")]),
        ([ours("a", "hook"), ours("b", "hook")], [theirs("c", "hook")]),
        ([ours("a", "hook 0")], [theirs("b", "hook 1")]),
        ([ours("a")], []),
    ],
    ids=["two_of_theirs", "two_of_ours", "other_hook", "none"],
)
def test_where_hook_points_do_not_tell_nothing_is_matched(saes, others):
    assert match(saes, others, {}) == {}


def test_an_sae_that_is_matched_already_is_no_rival_at_its_hook_point():
    """Of two widths at one hook point one kept its id: the others can only be each other."""
    found = match(
        [ours("small", "hook"), ours("large v2", "hook")],
        [theirs("small", "hook"), theirs("large", "hook")],
        {},
    )
    assert found == {"small": "small", "large v2": "large"}


def test_pairs_come_first():
    found = match(
        [ours("a"), ours("b")],
        [theirs("a"), theirs("b")],
        {"a": "b"},
    )
    # The baseline's b is taken, and its a is at another hook point than our b.
    assert found == {"a": "b"}
    swapped = match([ours("a"), ours("b")], [theirs("a"), theirs("b")], {"a": "b", "b": "a"})
    assert swapped == {"a": "b", "b": "a"}


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (
            {"c": "x"},
            "--sae-match names 'c', which is no SAE of the release; it has a, b",
        ),
        (
            {"a": "z"},
            "--sae-match names 'z', which is no SAE of the baseline; it has x, y",
        ),
        (
            {"a": "x", "b": "x"},
            "--sae-match pairs two SAEs with the same one of the baseline",
        ),
    ],
)
def test_pairs_of_what_does_not_exist_are_refused(pairs, sentence):
    with pytest.raises(BaselineError) as caught:
        match([ours("b"), ours("a")], [theirs("y"), theirs("x")], pairs)
    assert str(caught.value) == sentence


names = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["hook 0", "hook 1", "hook 2"])),
    unique_by=lambda pair: pair[0],
    max_size=6,
)


@given(names, names)
def test_no_sae_is_compared_twice(mine, others):
    found = match([ours(*each) for each in mine], [theirs(*each) for each in others], {})
    assert len(set(found.values())) == len(found)
    assert found.keys() <= {sae_id for sae_id, _ in mine}
    assert set(found.values()) <= {sae_id for sae_id, _ in others}
    common = dict(mine).keys() & dict(others).keys()
    assert {sae_id: found[sae_id] for sae_id in common} == {sae_id: sae_id for sae_id in common}


DELTA_CE = bundled_checks()["delta_ce"]
POSITIONS = PositionRange(4, 7)


@pytest.mark.parametrize(
    ("ref", "key"),
    [
        (
            cell_ref("in_context", "r", ours("a"), POSITIONS),
            cell_key("delta_ce", "a", "4:7", ""),
        ),
        (cell_ref("sae", "r", ours("a"), None), cell_key("delta_ce", "a", "", "")),
        (cell_ref("task", "r", ours("a"), None, "ioi"), cell_key("delta_ce", "a", "", "ioi")),
        (cell_ref("release", "r", None, None), cell_key("delta_ce", "", "", "")),
        (cell_ref("task_release", "r", None, None, "ioi"), cell_key("delta_ce", "", "", "ioi")),
    ],
)
def test_the_key_of_a_cell(ref: CellRef, key: CellKey):
    assert key_of(DELTA_CE, ref) == key
    # In the baseline's own terms; the whole release needs no match.
    matched = key_of(DELTA_CE, ref, {"a": "x"})
    renamed = tuple((name, "x" if name == "sae" else of) for name, of in key.place)
    assert matched == key._replace(place=renamed)
    assert key_of(DELTA_CE, ref, {}) == (None if key.get("sae") else key)


def measurement(manifest: Manifest) -> Measurement:
    release = Release("made-up", "folder", stored.LOADING, ())
    return Measurement(release, stored.CONTEXT, {}, manifest=manifest)


def manifest(**changes: object) -> Manifest:
    said = stored.manifest({"fingerprint": "texts"}, ioi={"fingerprint": "items"})
    return replace(said, provenance=stored.provenance(**changes).as_dict())


def setting(**changes: object) -> dict[str, object]:
    return pairing_terms(measurement(manifest(**changes)))


def test_the_setting_is_all_that_moves_figures():
    assert setting() == {
        "provenance.loading.model_name": "made-up",
        "provenance.loading.model_class_name": "HookedTransformer",
        "provenance.loading.from_pretrained_kwargs": [],
        "provenance.loading.prepend_bos": True,
        "provenance.model_version": "0",
        "provenance.corpus": "tales",
        "provenance.corpus_version": "0",
        "provenance.packing": "documents",
        "provenance.seed": 0,
        "provenance.tokens": 768,
        "provenance.context": 64,
        "provenance.replace_special": False,
        "provenance.dtype": "float32",
        "provenance.definitions": DEFINITIONS_VERSION,
        "texts.fingerprint": "texts",
        "tasks.ioi": "items",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "cuda"},
        # A local folder is what it holds, wherever it lies.
        {"model_version": "sha256:1", "loading": ModelLoading("/there/model")},
        {"corpus": "/there/texts.jsonl"},
    ],
    ids=["device", "model_folder", "corpus_file"],
)
def test_where_things_lie_does_not_matter(changes):
    here = {
        "model_version": changes.get("model_version", "0"),
        "loading": ModelLoading("/here/model") if "loading" in changes else stored.LOADING,
        "corpus": "/here/texts.jsonl" if "corpus" in changes else "tales",
    }
    refuse_unpaired(setting(**here), "base", setting(**here | changes))


def test_keyword_arguments_of_loading_are_as_json_gives_them_back():
    """Tuples become lists on their way through a file."""
    loading = ModelLoading("m", from_pretrained_kwargs=(("center_writing_weights", True),))
    found = pairing_terms_of_provenance(stored.provenance(loading=loading).as_dict())
    assert found["provenance.loading.from_pretrained_kwargs"] == [["center_writing_weights", True]]


def test_what_differs_is_named_with_both_values():
    with pytest.raises(BaselineError) as caught:
        refuse_unpaired(setting(seed=1, packing="concatenate"), "base", setting())
    assert str(caught.value) == (
        "the baseline base was not measured as this run, so that their texts cannot be paired: "
        "provenance.packing is 'concatenate', not 'documents'; provenance.seed is 1, not 0; "
        "measure as the baseline was, or make a new one with --sae-baseline-update"
    )


def test_other_texts_are_refused():
    with pytest.raises(BaselineError, match=r"texts\.fingerprint is 'other', not 'texts'"):
        refuse_unpaired(setting() | {"texts.fingerprint": "other"}, "base", setting())


def test_other_items_are_refused_but_not_other_tasks():
    """A task that only one of the two has fails cell by cell, and so tells which."""
    with pytest.raises(BaselineError, match=r"tasks\.ioi is 'other', not 'items'"):
        refuse_unpaired(setting() | {"tasks.ioi": "other"}, "base", setting())
    refuse_unpaired(setting() | {"tasks.cbt": "items"}, "base", setting())
    refuse_unpaired(setting(), "base", setting() | {"tasks.cbt": "items"})
    refuse_unpaired(setting() | {"tasks.ioi": None}, "base", setting())


def test_before_measuring_only_what_is_known_is_held_against_a_baseline():
    known = pairing_terms_of_provenance(stored.provenance().as_dict())
    refuse_unpaired(known, "base", setting())
    with pytest.raises(BaselineError, match=r"provenance\.seed is 1, not 0"):
        refuse_unpaired(known | {"provenance.seed": 1}, "base", setting())


def test_a_comparison_is_keyed_as_the_check_it_compares():
    check = Check("kl", DELTA_CE.function, kind_named("in_context"), frozenset(), "nats")
    ref = cell_ref("in_context", "r", ours("a"), POSITIONS, compared="kl")
    assert key_of(check, ref) == cell_key("kl", "a", "4:7", "")
