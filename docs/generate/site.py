"""Hooks of MkDocs: pages from the top of the repository, and links that leave the docs."""

from __future__ import annotations

import re
from os.path import normpath
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

_TOP = Path(__file__).resolve().parent.parent.parent
# Pages of the site that stand at the top of the repository.
_JOINED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
_LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from the top, with links as seen from docs."""
    for name, page in _JOINED.items():
        text = (_TOP / name).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=_seen_from_docs(text, "", config)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links that leave the docs to the site's pages, or to the repository."""
    source = page.file.src_uri
    if source in _JOINED.values():
        return markdown
    return _seen_from_docs(markdown, f"docs/{source}", config)


def _seen_from_docs(text: str, path: str, config: Any) -> str:
    """A page's text with links as they work in the site; `path`: in the repository, or ""."""

    def replaced(found: re.Match[str]) -> str:
        target = found[2]
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        home = (_TOP / path).parent if path else _TOP
        place = Path(normpath(home / target))
        return f"{found[1]}{_link(place, target, path, config)}{found[3] or ''}{found[4]}"

    return _LINK.sub(replaced, text)


def _link(place: Path, target: str, path: str, config: Any) -> str:
    inside = place.relative_to(_TOP).as_posix()
    depth = max(0, path.count("/") - 1)
    if inside in _JOINED:
        return "../" * depth + _JOINED[inside]
    if inside.startswith("docs/"):
        return target if path else inside.removeprefix("docs/")
    kind = "tree" if place.is_dir() else "blob"
    if not place.exists():
        return target  # MkDocs warns of it
    return f"{config['repo_url']}/{kind}/main/{inside}"
