"""`python -m tests.kills --out RESULT.md`: kill runs of the demo, and see that nothing is lost."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.kills.moments import Outcome, table, try_moments
from tests.kills.runs import TRIED

WRITES = 4  # of so many moments, one is within a write


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill, run again, compare; 0 where all is equal, 1 where anything is not."""
    given = _parser().parse_args(arguments)
    writes = given.moments // WRITES
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="sae-checks-kills-", dir=given.scratch) as scratch:
        root = Path(scratch).resolve()
        times, modes = given.moments - writes, given.modes or TRIED
        for outcome in try_moments(times, writes, given.seed, root, modes):
            outcomes.append(outcome)
            print(table(outcomes)[-1], flush=True)
            for told in outcome.differences:
                print(f"    {told}", flush=True)
    failed = [each for each in outcomes if not each.holds]
    killed = sum(each.killed for each in outcomes)
    told = [
        f"{killed} runs killed (seed {given.seed}), {writes} of {len(outcomes)} moments within a "
        f"write; {len(failed)} were different or measured more than a part again.",
        *(f"- {each.moment}: {told}" for each in failed for told in each.differences),
    ]
    given.out.write_text("\n".join([*table(outcomes), "", *told]) + "\n", encoding="utf-8")
    print(told[0])
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.kills", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.md", help="the table")
    parser.add_argument("--moments", type=int, default=44, metavar="N", help="kills (44)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")
    parser.add_argument(
        "--mode", dest="modes", action="append", choices=TRIED, help="only this one (all)"
    )
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where folders are made")
    return parser


if __name__ == "__main__":
    sys.exit(main())
