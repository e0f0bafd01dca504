"""docs/hook-points.md lists what is supported."""

from __future__ import annotations

from sae_checks.load.sites import CENTERED, HEAD_SITES, SITES
from tests.architectures import ARCHITECTURES
from tests.docs.pages import in_code, page, rows
from tests.load.hooked import SETTINGS

PAGE = page("hook-points.md")


def test_every_site_has_its_row():
    told = " ".join(row[0] for row in rows(PAGE, "| site |"))
    names = {name.rpartition("hook_")[2] for name in in_code(told)}
    assert names == {site.rpartition("hook_")[2] for site in (*SITES, "hook_embed")}


def test_what_centering_moves():
    said = PAGE.partition("- `center_writing_weights` takes")[2].partition("LayerNorm")[0]
    named = set(in_code(said)) - {"hook_resid_*"}
    assert named == {site for site in CENTERED if "hook_resid" not in site}


def test_heads_and_architectures():
    assert all(site.startswith("attn.") for site in HEAD_SITES)
    words = {12: "twelve", 8: "eight"}
    told = " ".join(PAGE.split())
    assert f"on {words[len(ARCHITECTURES)]} architectures" in told
    assert f"HookedTransformer on {words[len(SETTINGS) + 1]} of them" in told  # and GPT-2
