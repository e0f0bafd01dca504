"""How text of corpora, releases and configurations gets into a page: shown, never obeyed.

None of it is trusted. In HTML it is escaped by Jinja; in scripts it is JSON, in which no sign can
end the script; and what is not seen, such as control characters and those that turn the direction
of writing, is written out.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

# Each could end a script or begin markup, or is no sign of JavaScript strings before ES2019.
_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'\u2028\u2029"}
DIGITS = 5  # significant ones of a figure on the page; the CSV files have six


def shown(text: object) -> str:
    """The text with control characters and the like written out. Line ends stay."""
    return "".join(sign if _seen(sign) else _written_out(sign) for sign in str(text))


def without_folders(text: str) -> str:
    """A text without where on this machine files lie: "~" is the home, "." the folder at work.

    A page is sent to others, whom neither concerns.
    """
    for folder, sign in ((Path.cwd(), "."), (Path.home(), "~")):
        if folder == folder.parent:  # the root, which every path begins with
            continue
        whole = rf"(?<![\w/.-]){re.escape(str(folder))}"
        if sign == ".":
            text = re.sub(rf"{whole}/", "", text)
        text = re.sub(rf"{whole}(?![\w.-])", sign, text)
    return text


def json_for_script(content: object) -> str:
    """JSON that can stand in a script element, whatever text is in it."""
    text = json.dumps(jsonable(content), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPED)


def jsonable(content: object) -> Any:
    """As lists, dictionaries, short numbers and text that can be seen; null where undefined."""
    if isinstance(content, str):
        return shown(content)
    if isinstance(content, bool) or content is None or isinstance(content, int):
        return content
    if isinstance(content, float | np.floating):
        return _short(float(content))
    if isinstance(content, np.ndarray):
        return [jsonable(each) for each in content.tolist()]
    if isinstance(content, dict):
        return {shown(name): jsonable(value) for name, value in content.items()}
    if isinstance(content, list | tuple):
        return [jsonable(each) for each in content]
    raise TypeError(f"a page cannot hold {type(content).__name__}")


def _short(value: float) -> float | int | None:
    """Five significant digits: more are not seen."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{DIGITS}g}")
    if not math.isfinite(rounded):  # rounded up beyond the largest number
        return value
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _seen(sign: str) -> bool:
    return sign.isprintable() or sign == "\n"


def _written_out(sign: str) -> str:
    number = ord(sign)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
