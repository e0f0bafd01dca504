"""Print anew what the README quotes: python examples/smollm2/quote.py

Runs each gate that stands after a `$` in a fenced block of the README beside this file, at the top
of the checkout, and puts what it prints in the place of what stood below it: what the start of the
run says, and from the closing summary on. `…` stands for what is left out: pytest's own lines, its
list of failures, ends of long lines. Measurements are stored, so that a second time takes seconds.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

README = Path(__file__).with_name("README.md")
TOP = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r"```console\n(\$ (?:.*\\\n)*.*\n)((?:(?!```).*\n)*)```\n")
# pytest's list of failures, which the summary has just told.
_LISTED = re.compile(r"^(?:(?:FAILED|ERROR|XFAIL) |and [\d,]+ tests more).*\n", re.MULTILINE)
WIDTH = 100
_SAYS = "sae-checks: "


def commands(readme: str) -> list[str]:
    """Those that the README shows with what they print, each on one line."""
    return [_on_one_line(match[1]) for match in _BLOCK.finditer(readme)]


def _on_one_line(shown: str) -> str:
    return " ".join(shown.removeprefix("$ ").replace("\\\n", " ").split())


def quoted(printed: str) -> str:
    """The part of what a run prints that the README quotes.

    Raises:
        ValueError: it has no summary, as where the run was refused.
    """
    begin = re.search(r"^=+ sae-checks: .*\n", printed, re.MULTILINE)
    if begin is None:
        raise ValueError(f"no closing summary in what was printed: {printed[-2000:]}")
    before, summary = printed[: begin.start()], printed[begin.start() :]
    said = [line for line in before.splitlines() if line.startswith(_SAYS)]
    summary = re.sub("\0+", "…\n", _LISTED.sub("\0", summary))
    lines = (_short(line) for line in [*said, "…", *summary.splitlines()])
    return "".join(f"{line}\n" for line in lines)


def _short(line: str) -> str:
    line = line.replace(f"{TOP}/", "").replace(str(Path.home()), "~")
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _run_anew(block: re.Match[str]) -> str:
    command = _on_one_line(block[1])
    print(command, flush=True)
    done = subprocess.run(
        shlex.split(command), cwd=TOP, capture_output=True, text=True, check=False
    )
    return f"```console\n{block[1]}{quoted(done.stdout)}```\n"


def main() -> None:
    """Rewrite the README."""
    readme = README.read_text(encoding="utf-8")
    README.write_text(_BLOCK.sub(_run_anew, readme), encoding="utf-8")


if __name__ == "__main__":
    main()
