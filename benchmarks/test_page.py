"""What the page of a whole release takes to write, and how large it is.

    pytest benchmarks/test_page.py -s

Thirteen SAEs of the shape of gpt2-small-res-jb: texts of 1,024 tokens, a training context of 128,
two tasks of 1,000 items each, judged by the bundled suite from stored made-up tables. The page is
held to 10 seconds and 12 MB, and to opening in 2 seconds, by who looks at what is printed; nothing
is asserted of any. Seconds of one core change less than others where the machine does more.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

SAES, CONTEXT, TEXTS, ITEMS = 13, 1024, 97, 1000
ROUNDS = 5


def main() -> None:
    from sae_checks.report.page import write_page
    from tests import stored
    from tests.report.judged import judged

    stored.CONTEXT, stored.TRAINING_CONTEXT, stored.TEXTS = CONTEXT, 128, TEXTS
    with TemporaryDirectory() as folder:
        root = Path(folder)
        tables = {
            layer: stored.sae_table(layer, stored.broken_past_context, TEXTS, CONTEXT)
            for layer in range(SAES)
        }
        tasks = [
            stored.task_table(layer, task, ITEMS)
            for layer in range(SAES)
            for task in ("lambada", "cbt_cn")
        ]
        kept = stored.write_measurement(root / "store", layers=SAES, tables=tables, tasks=tasks)
        stored.keep_words(kept)
        started = time.perf_counter()
        result = judged(kept)
        read, busy = time.perf_counter(), time.process_time()
        write_page(result, root / "report.html")
        told = {
            "tests": len(result.outcomes),
            "judging": read - started,
            "page": time.perf_counter() - read,
            "busy": time.process_time() - busy,
            "megabytes": (root / "report.html").stat().st_size / 1e6,
            "opening": opening(root / "report.html"),
        }
    print(json.dumps(told))


def opening(page: Path) -> list[float]:
    """Seconds until the page is loaded, and until a figure is drawn that its address asks for.

    Then those that the page's own thread was busy until both were done. Each is the least of
    several times: the machine does other things too.
    """
    from tests.report.page.browser import chromium

    taken = []
    with chromium() as browser:
        browser.size(1280, 1000)
        browser.driver.execute_cdp_cmd("Performance.enable", {})
        for _ in range(ROUNDS):
            browser.open(page, "#figure-context")
            browser.wait("return document.querySelector('figure[data-drawn]') !== null")
            drawn = browser.run("return performance.now()")
            told = browser.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
            (busy,) = (each["value"] for each in told if each["name"] == "ThreadTime")
            loaded = browser.run(
                "return performance.getEntriesByType('navigation')[0].loadEventEnd"
            )
            taken.append((loaded / 1000, drawn / 1000, busy))
    return [min(each) for each in zip(*taken, strict=True)]


def test_page():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.test_page"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    print(
        f"\n{SAES} SAEs, {told['tests']:,} tests: read and judged in {told['judging']:.1f} s, page "
        f"written in {told['page']:.1f} s ({told['busy']:.1f} s of one core), "
        f"{told['megabytes']:.1f} MB; loaded in Chromium in {told['opening'][0]:.1f} s, first "
        f"figure drawn after {told['opening'][1]:.1f} s ({told['opening'][2]:.1f} s of one core)"
    )


if __name__ == "__main__":
    main()
