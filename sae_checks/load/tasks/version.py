"""What identifies the content that questions are made of, where no hub does."""

from __future__ import annotations

import hashlib
from pathlib import Path


def content_version(*contents: bytes) -> str:
    """16 hexadecimal digits that change with any of these bytes."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:16]


def source_version(*files: str) -> str:
    """The version of questions that source files make by themselves: that of the files."""
    return content_version(*(Path(file).read_bytes() for file in files))
