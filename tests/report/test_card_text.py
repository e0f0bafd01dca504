"""Names of others in a model card: shown as they are, and never markup, a link or a mention."""

from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from sae_checks.report.card import _text

LINKING = MarkdownIt("gfm-like")


@pytest.mark.parametrize(
    "name",
    [
        "https://example.com/a",
        "www.example.com",
        "[a](https://example.com)",
        "![a](x.png)",
        "<img src=x>",
        "$x$ `code` **bold** | cell",
    ],
)
def test_a_name_is_text_and_nothing_else(name: str):
    (_, inline, _) = LINKING.parse(_text(name))
    assert inline.children is not None
    assert {token.type for token in inline.children} <= {"text", "text_special"}
    assert "".join(token.content for token in inline.children) == name
