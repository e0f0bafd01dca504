"""mkdocs.yml: every page is in the menu, and links that leave the docs work in the site."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from docs.generate.site import _JOINED, _LINK, _seen_from_docs
from tests.plugin.gate_run import CHECKOUT

CONFIG = yaml.safe_load((CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8"))
URL = CONFIG["repo_url"]


def in_menu(entries: list[object]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            yield from in_menu(value) if isinstance(value, list) else [value]


def test_every_page_is_in_the_menu_once():
    docs = CHECKOUT / "docs"
    pages = [path.relative_to(docs).as_posix() for path in docs.rglob("*.md")]
    assert sorted(in_menu(CONFIG["nav"])) == sorted([*pages, *_JOINED.values()])


def test_what_is_warned_of_is_an_error():
    assert CONFIG["strict"] is True
    assert set(CONFIG["validation"]["links"].values()) == {"warn"}
    assert "mkdocs build --strict" in (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert "\nmake docs\n" in (CHECKOUT / ".ci/run").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "link", "shown"),
    [
        ("", "docs/how-sure.md", "how-sure.md"),
        ("", "docs/pictures/page.png", "pictures/page.png"),
        ("", "CONTRIBUTING.md", "contributing.md"),
        ("", "thresholds.toml", f"{URL}/blob/main/thresholds.toml"),
        ("", "examples/smollm2", f"{URL}/tree/main/examples/smollm2"),
        ("docs/start.md", "ci.md#exit-codes", "ci.md#exit-codes"),
        ("docs/start.md", "../README.md#two-commands", "index.md#two-commands"),
        ("docs/checks/index.md", "../../thresholds.toml", f"{URL}/blob/main/thresholds.toml"),
        ("docs/checks/index.md", "../../README.md", "../index.md"),
        ("docs/checks/index.md", "../study.md", "../study.md"),
        ("docs/start.md", "https://example.org/a.md", "https://example.org/a.md"),
        ("docs/start.md", "nowhere.md", "nowhere.md"),  # MkDocs warns of it
    ],
)
def test_links_of_the_repository_work_in_the_site(page, link, shown):
    assert _seen_from_docs(f"see [it]({link}).", page, CONFIG) == f"see [it]({shown})."


@pytest.mark.parametrize("page", sorted((CHECKOUT / "docs").rglob("*.md")), ids=lambda p: p.stem)
def test_links_between_files_work_in_the_repository_too(page):
    links = _LINK.findall(page.read_text(encoding="utf-8"))
    targets = [target for _, target, *_ in links if "://" not in target]
    assert [each for each in targets if not (page.parent / each).exists()] == []
