"""Transcoders of the directory, described by sae_lens's own conversions, with no hub to ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sae_checks.resolve import choose, describe, find, hub


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """These conversions read their configuration off the name of a folder."""

    def ask(repo: hub.HubRepo, question: Callable[[], Any]) -> Any:
        return question()

    monkeypatch.setattr(hub.HubRepo, "commit", lambda repo: "0" * 40)
    monkeypatch.setattr(hub.HubRepo, "ask", ask)


@pytest.mark.usefixtures("unasked")
def test_gemma_scope():
    listing = choose(find("gemma-scope-2b-pt-transcoders"), ("layer_5/*",))
    (sae,) = describe(listing, training_context=1024).saes
    assert (sae.hook_point, sae.d_in) == ("blocks.5.ln2.hook_normalized", 2304)
    assert (sae.writes, sae.d_out) == ("blocks.5.hook_mlp_out", 2304)
    assert (sae.layer, sae.architecture) == (5, "jumprelu_transcoder")
    assert sae.loading.model_name == "gemma-2-2b"
