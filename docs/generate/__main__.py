"""`python -m docs.generate`: rewrites the generated parts of the docs, and says which changed."""

from __future__ import annotations

from pathlib import Path

from docs.generate.parts import DOCS, parts
from docs.generate.regions import filled, pages
from docs.generate.study_figures import write_pictures


def main() -> None:
    """Write what differs."""
    for path, text in outdated().items():
        path.write_text(text, encoding="utf-8")
        print(f"rewrote {path.relative_to(DOCS.parent)}")
    for path in write_pictures(DOCS / "pictures"):
        print(f"drew {path.relative_to(DOCS.parent)}")


def outdated() -> dict[Path, str]:
    """The pages whose generated parts are not what the code says now, each with what it should be.

    Raises:
        KeyError: a page asks for a part that there is none of.
    """
    made = parts()
    texts = {path: path.read_text(encoding="utf-8") for path in pages(DOCS)}
    wanted = {path: filled(text, made) for path, text in texts.items()}
    return {path: text for path, text in wanted.items() if text != texts[path]}


if __name__ == "__main__":
    main()
