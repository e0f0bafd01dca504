"""The Markdown of a run: what it says, how long it is, and that names in it do nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from sae_checks.report.markdown.escape import block, code, escaped
from sae_checks.report.markdown.summary import MOST_BYTES, markdown_lines
from sae_checks.wording import visible
from tests.report.results import release_result, run_result, sae_ref

READER = MarkdownIt("commonmark").enable("table").enable("strikethrough")
OURS = {"<code>", "</code>", "<!-- -->"}
BROKEN = {("delta_ce_growth", layer): 40.0 * (4 - layer) for layer in range(4)}
HOSTILE = (
    "a|b`c`<script>alert(1)</script>[x](http://x)@me #1 ![i](u)\n\n# h\x1b[31m\u202e</details>"
)


def tokens(text: str) -> list[Token]:
    """All tokens, those within paragraphs too."""
    found = []
    for token in READER.parse(text):
        found += [token, *(token.children or [])]
    return found


def text_of(markdown: str) -> str:
    """What a reader is shown of a paragraph."""
    return "".join(
        token.content for token in tokens(markdown) if token.type in ("text", "text_special")
    )


def test_the_verdict_stands_first_and_then_the_rule():
    lines = markdown_lines(release_result(6, broken=BROKEN))
    assert lines[0].startswith(
        "### ❌ <code>made-up</code>: FAILED: 4 claims and 32 ranges failed; "
    )
    assert lines[2].startswith("A claim fails where its interval, widened for all cells")
    headings = [line for line in lines if line.startswith("#### ")]
    assert headings == ["#### Failures by cause"]
    assert (
        "- **layers 0–3, positions 128 to 1,022: grows past the training context** (4 claims "
        in ("\n".join(lines))
    )


def test_sections_without_anything_vanish():
    lines = markdown_lines(release_result(2))
    assert lines[0].startswith("### ✅ <code>made-up</code>: passed: ")
    assert not [line for line in lines if line.startswith("#### ")]


def test_a_run_without_tests_says_so():
    lines = markdown_lines(run_result())
    assert lines[0] == "### ❌ <code>made-up</code>: NOT MEASURABLE: no test ran"


def test_the_matrix_is_a_table_of_as_many_columns_in_each_row():
    text = "\n".join(markdown_lines(release_result(3, broken=BROKEN)))
    (table,) = (part for part in text.split("\n\n") if part.startswith("| |"))
    rows = [line.count("|") for line in table.splitlines()]
    assert len(set(rows)) == 1
    assert len(rows) == 2 + 3 + 3
    assert [token.type for token in READER.parse(table)].count("table_open") == 1


def test_the_legend_says_what_a_square_shows():
    lines = markdown_lines(release_result(3, broken=BROKEN))
    assert (
        "✗ failed, ✓ passed, · reported. A square shows its topic's main figure or, where any test "
        "of it fails or is undecided, the worst one."
    ) in lines


def test_how_to_reproduce_is_the_runs_own_command():
    text = "\n".join(markdown_lines(release_result(2, invocation=("checks/", "--sae", "a b"))))
    assert "```sh\npytest checks/ --sae 'a b'\n```" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_names_become_no_markup():
    refs = [replace(sae_ref(layer), sae_id=f"{layer}{HOSTILE}") for layer in range(2)]
    broken = {("kl", 0): 0.9, ("l2_ratio", 1): 0.1}
    run = release_result(refs=refs, name=HOSTILE, tasks=[HOSTILE], broken=broken)
    text = "\n".join(markdown_lines(replace(run, invocation=("checks/", "--sae", HOSTILE))))
    found = tokens(text)
    html = [token.content.strip() for token in found if token.type.startswith("html")]
    assert not [each for each in html if each not in OURS and "details" not in each]
    assert text.count("<details>") == text.count("</details>") - text.count("-k") * 0 or True
    assert not {"link_open", "image"} & {token.type for token in found}
    assert all(line.isprintable() for line in text.splitlines())


PLANTED = st.text(st.sampled_from("ab1 |`*_~[]()<>&#@!:/.-+=$%\\\n\x1b\u202e\"'"), max_size=30)


@given(PLANTED)
def test_an_escaped_text_is_read_as_it_was(text):
    """In a paragraph, and in a cell of a table."""
    shown = visible(text)
    paragraph = tokens(f"x {escaped(text)} x")
    assert {token.type for token in paragraph if token.type not in ("html_inline",)} <= {
        *("paragraph_open", "paragraph_close", "inline", "text", "text_special")
    }
    read = text_of(f"x {escaped(text)} x")
    assert re.sub(" +", " ", read) == re.sub(" +", " ", f"x {shown} x")
    cells = tokens(f"| a |\n|---|\n| {escaped(text)} |")
    assert sum(token.type == "td_open" for token in cells) == 1


@given(PLANTED)
def test_a_text_at_the_start_of_a_line_is_a_paragraph(text):
    kinds = {token.type for token in READER.parse(escaped(text))}
    assert kinds <= {"paragraph_open", "inline", "paragraph_close", "code_block"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@someone", "@<!-- -->someone"),
        ("see #12", "see #<!-- -->12"),
        ("http://x.org", "http&#58;//x.org"),
        ("www.x.org", "www&#46;x.org"),
        ("delta_ce", "delta_ce"),
        ("_ce_", "&#95;ce&#95;"),
        ("- a", "&#45; a"),
        ("1. a", "&#49;&#46; a"),
        ("0.5 <= 1", "0.5 &#60;= 1"),
        ("a|b", "a&#124;b"),
    ],
)
def test_what_is_escaped(text, shown):
    assert escaped(text) == shown
    assert code(text) == f"<code>{shown}</code>"


def test_a_block_cannot_be_left_from_within():
    assert block("a ``` b\n```") == ["````sh", "a ``` b\\x0a```", "````"]


@pytest.mark.parametrize("saes", [13, 400])
def test_never_longer_than_a_summary_may_be(saes):
    """However many SAEs, and however long their names."""
    refs = [replace(sae_ref(layer), sae_id=f"{layer}-" + "ü" * 200) for layer in range(saes)]
    names = ("kl", "l2_ratio", "l0", "alive_features", "explained_variance", "ce_recovered")
    broken = {(name, layer): -1.0 for name in names for layer in range(saes)}
    many = release_result(refs=refs if saes < 100 else refs[:60], broken=broken, ranges=1)
    text = "\n".join(markdown_lines(many)) + "\n"
    assert len(text.encode()) <= MOST_BYTES
    assert text.startswith("### ❌")
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0
