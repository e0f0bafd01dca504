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
        match=r"^SAEs that are spliced in at once need hook points of their own, got "
        rf"{one.sae_id}\+another$",
    ):
        Intervention((one, other))


def test_a_table_is_about_all_its_saes():
    joint = Intervention((sae_ref(0), sae_ref(1)))
    table = replace(sae_table(0), intervention=joint, observed=sae_ref(2))
    assert table.saes == (sae_ref(0), sae_ref(1), sae_ref(2))
    assert table.sae == sae_ref(2)
