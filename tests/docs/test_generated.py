"""What the docs take from the code is what it says: `python -m docs.generate` changes nothing."""

from __future__ import annotations

import re

import pytest

from docs.generate.__main__ import outdated
from docs.generate.limits import checks_by_topic, page_name
from docs.generate.parts import DOCS, parts
from docs.generate.regions import filled, names, pages
from docs.generate.study_figures import figures
from sae_checks.judge.topics import TOPICS, VS_BASELINE
from sae_checks.session.suite import bundled_checks
from tests.plugin.gate_run import CHECKOUT

# `selftest.md` is what a command printed.
MARKDOWN = [
    *(p for p in pages(DOCS) if p.name != "selftest.md"),
    *(CHECKOUT / f"{n}.md" for n in ("README", "CONTRIBUTING")),
]


def test_nothing_is_out_of_date():
    stale = [path.name for path in outdated()]
    assert stale == [], "run `make pages`, and look at what changed"


def test_every_part_stands_in_one_page():
    asked = [name for path in pages(DOCS) for name in names(path.read_text(encoding="utf-8"))]
    assert sorted(asked) == sorted(parts())


def test_every_topic_has_its_page_with_all_of_its_checks():
    for topic in TOPICS:
        text = (DOCS / "checks" / page_name(topic.name)).read_text(encoding="utf-8")
        for heading in ("Asks", "In the study.", "What to try."):
            assert f"\n**{heading}" in text, (topic.name, heading)
    told = {
        name
        for path in (DOCS / "checks").glob("*.md")
        for name in re.findall(r"^### `(\w+)`$", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert told == set(bundled_checks())
    assert {topic.name for topic in TOPICS} == {*checks_by_topic(), VS_BASELINE}


def test_a_part_that_does_not_exist_is_an_error():
    text = "before\n<!-- generated: that -->\nold\n<!-- end -->\nafter\n"
    assert filled(text, {"that": "new"}) == (
        "before\n<!-- generated: that -->\n\nnew\n\n<!-- end -->\nafter\n"
    )
    with pytest.raises(KeyError):
        filled(text, {})


@pytest.mark.parametrize("figure", figures(), ids=lambda figure: figure.name)
def test_the_study_is_drawn_as_it_is_published_and_limited(figure):
    """Titles and limits by their words; how they are drawn may change with matplotlib."""
    drawn = (DOCS / "pictures" / f"{figure.name}.svg").read_text(encoding="utf-8")
    words = {figure.title}
    for panel in figure.panels:
        words |= {panel.title, panel.x.title, panel.y.title, *(mark.label for mark in panel.marks)}
        words |= {trace.name for trace in panel.traces}
    assert [word for word in words if f">{word}<" not in drawn] == [], "run `make pages`"


def test_no_picture_asks_a_network():
    for path in (DOCS / "pictures").glob("*.svg"):
        assert not re.search(r"(url|href|src)[=(]\s*[\"']?https?:", path.read_text("utf-8")), path


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.relative_to(CHECKOUT).as_posix())
def test_lines_are_100_characters_at_most(path):
    """But for tables, addresses, and what a command printed or is typed."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "    ", "!["))]
    long = [line for line in lines if len(re.sub(r"\(https?:[^)]*\)", "", line)) > 100]
    assert long == []
