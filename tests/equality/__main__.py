"""`python -m tests.equality OLD NEW`: do two checkouts give equal results on the demo?"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.equality.baselines import compare_baselines
from tests.equality.comparison import HEAD, Comparison, EqualityError, lines
from tests.equality.junit import compare_cases, read_cases
from tests.equality.runs import BASELINE, RUNS, Result, Run, Side
from tests.equality.tables import compare_stores


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and compare; 0 where all is equal, 1 where anything differs, 2 for a mistake."""
    given = _parser().parse_args(arguments)
    try:
        with _folder(given.keep) as folder:
            return compare_checkouts(given, folder)
    except EqualityError as error:
        print(error, file=sys.stderr)
        return 2


def compare_checkouts(given: argparse.Namespace, folder: Path) -> int:
    """Every run on both sides, one after the other; the table is printed as they end."""
    budget = tuple(
        f"--sae-{name}={getattr(given, name)}"
        for name in ("tokens", "items")
        if getattr(given, name)
    )
    sides = {
        name: Side(getattr(given, name).resolve(), folder / name, budget) for name in ("old", "new")
    }
    for name, side in sides.items():
        side.prepare()
        print(f"{name}: {side.checkout}")
    print(HEAD, flush=True)
    differing = compared = 0
    for run in given.runs:
        results = {name: side.run(run) for name, side in sides.items()}
        for comparison in _compare(run, sides, results, given):
            print("\n".join(lines(run.name, comparison)), flush=True)
            compared += comparison.compared
            differing += comparison.differences
    if differing:
        print(f"NOT EQUAL: {differing:,} of {compared:,} values differ")
        return 1
    print(f"equal: {compared:,} values")
    return 0


def _compare(
    run: Run, sides: dict[str, Side], results: dict[str, Result], given: argparse.Namespace
) -> list[Comparison]:
    """What one run left on both sides."""
    old, new = results["old"], results["new"]
    cases = {
        name: read_cases(results[name].junit, (side.checkout, side.folder))
        for name, side in sides.items()
    }
    baselines = [side.folder / BASELINE for side in sides.values()]
    return [
        _exit_codes(old, new),
        *([compare_baselines(*baselines)] if run.name == "baseline" else []),
        *compare_cases(cases["old"], cases["new"]),
        *compare_stores(
            old.store, new.store, sums_tolerance=given.sums_tolerance, ignored=given.ignore_columns
        ),
    ]


def _exit_codes(old: Result, new: Result) -> Comparison:
    if old.exit_code == new.exit_code:
        return Comparison("exit code", 1)
    told = f"{old.exit_code} became {new.exit_code}"
    return Comparison("exit code", 1, {"exit code": 1}, (told,))


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """The folder of a comparison: the one to be kept, or one that goes away.

    Raises:
        EqualityError: the one to be kept is not empty, so that stores would not be fresh.
    """
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="sae-checks-equality-") as scratch:
            yield Path(scratch).resolve()
        return
    kept.mkdir(parents=True, exist_ok=True)
    if any(kept.iterdir()):
        raise EqualityError(
            f"--keep {kept} is not empty; name a new folder, so that stores are new"
        )
    yield kept.resolve()


def _runs(text: str) -> tuple[Run, ...]:
    by_name = {run.name: run for run in RUNS}
    asked = [name.strip() for name in text.split(",")]
    unknown = [name for name in asked if name not in by_name]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"must be of {', '.join(by_name)}, with commas, not {', '.join(unknown)}"
        )
    if "equivalence" in asked and "baseline" not in asked:
        raise argparse.ArgumentTypeError("has equivalence without baseline, which writes its file")
    return tuple(run for run in RUNS if run.name in asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.equality", description=__doc__)
    parser.add_argument("old", type=Path, metavar="OLD_CHECKOUT")
    parser.add_argument("new", type=Path, metavar="NEW_CHECKOUT")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep stores, reports and logs")
    parser.add_argument(
        "--runs",
        type=_runs,
        default=RUNS,
        metavar="NAMES",
        help=f"only these runs, with commas, of {', '.join(run.name for run in RUNS)}",
    )
    parser.add_argument(
        "--sae-tokens", type=int, dest="tokens", metavar="N", help="budget of texts"
    )
    parser.add_argument("--sae-items", type=int, dest="items", metavar="N", help="items of a task")
    parser.add_argument(
        "--sums-tolerance",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="how far position sums may lie apart, as a share of the SAE's largest (0)",
    )
    parser.add_argument(
        "--ignore-columns",
        type=lambda text: tuple(name.strip() for name in text.split(",")),
        default=(),
        metavar="NAMES",
        help="stored columns that are not compared",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
