"""What tables and interventions know of their SAEs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sae_checks.records import Intervention
from tests.stored import sae_ref, sae_table


def test_saes_at_one_hook_point_cannot_be_spliced_in_at_once():
    one = sae_ref(0)
    other = replace(one, sae_id="another")
    with pytest.raises(
        ValueError,
        match=r"^SAEs that are spliced in at once need hook points of their own to write at, got "
        rf"{one.sae_id}\+another$",
    ):
        Intervention((one, other))


def test_what_transcoders_write_has_to_be_apart_not_what_they_read():
    one = replace(sae_ref(0), hook_point_out="blocks.0.hook_mlp_out")
    assert (one.writes, one.d_out) == ("blocks.0.hook_mlp_out", one.d_in)
    assert one.hooks == f"{one.hook_point}->blocks.0.hook_mlp_out"
    assert Intervention((sae_ref(0), one)).saes == (sae_ref(0), one)
    with pytest.raises(ValueError, match="hook points of their own to write at"):
        Intervention((one, replace(sae_ref(1), hook_point="blocks.0.hook_mlp_out")))


def test_an_sae_writes_where_it_reads():
    sae = sae_ref(0)
    assert not sae.is_transcoder
    assert (sae.writes, sae.d_out, sae.hooks) == (sae.hook_point, sae.d_in, sae.hook_point)
    moved = replace(sae, hook_point="blocks.2.hook_resid_pre")
    assert moved.writes == "blocks.2.hook_resid_pre"


def test_a_table_is_about_all_its_saes():
    joint = Intervention((sae_ref(0), sae_ref(1)))
    table = replace(sae_table(0), intervention=joint, observed=sae_ref(2))
    assert table.saes == (sae_ref(0), sae_ref(1), sae_ref(2))
    assert table.sae == sae_ref(2)
