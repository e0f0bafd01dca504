"""What an adaptive run took of its budget, counted."""

from __future__ import annotations

from dataclasses import replace

from sae_checks.records import Manifest, Measurement, Release, by_key
from sae_checks.report.budget import budget_lines
from sae_checks.session.budget import passes
from sae_checks.session.result import Passes, total
from tests import stored
from tests.report.results import run_result


def measurement(texts: list[int], tasks: dict[str, list[int]], manifest: Manifest) -> Measurement:
    """SAEs with so many texts, and with so many items of each task."""
    saes = tuple(stored.sae_ref(layer) for layer in range(3))
    tables = [replace(stored.sae_table(layer, texts=n)) for layer, n in enumerate(texts)]
    items = {
        name: [stored.task_table(layer, name, n) for layer, n in enumerate(counts)]
        for name, counts in tasks.items()
    }
    return Measurement(
        Release("made-up", "folder", stored.LOADING, saes),
        stored.CONTEXT,
        by_key([*tables, *(each for made in items.values() for each in made)]),
        manifest=manifest,
    )


def whole(texts: int | None = None, **items: int | None) -> Manifest:
    """What is recorded of the whole budget: of how many texts, and items of tasks."""
    said = {name: {} if count is None else {"items": count} for name, count in items.items()}
    return stored.manifest(None if texts is None else {"texts": texts}, **said)


def test_texts_and_tasks_are_counted_apart():
    """Three SAEs of 100 texts, two of 40 items."""
    made = measurement([16, 32, 100], {"ioi": [10, 40]}, whole(100, ioi=40))
    found = passes(made)
    assert found == {"": Passes(148, 300, 100), "ioi": Passes(50, 80, 40)}
    assert total(found) == (198, 380)


def test_only_what_was_measured_is_counted():
    """A task that could not be measured, and no texts at all: no check asked about any."""
    made = measurement([], {"ioi": [10]}, whole(ioi=40, cbt=None))
    assert passes(made) == {"ioi": Passes(10, 40, 40)}
    assert passes(measurement([], {}, Manifest())) == {}
    assert total({}) == (0, 0)


def test_where_nobody_wrote_the_budget_down_the_longest_table_is_all_there_is():
    made = measurement([16, 32], {"ioi": [10, 20]}, whole(ioi=None))
    assert passes(made) == {"": Passes(48, 64, 32), "ioi": Passes(30, 40, 20)}


def lines(made: Measurement | None, *, adaptive: bool = True) -> list[str]:
    result = run_result(
        measurement=made, adaptive=adaptive, passes={} if made is None else passes(made)
    )
    return budget_lines(result)


def test_the_line_of_the_summary():
    made = measurement([16, 32, 100], {"ioi": [10, 40]}, whole(1_000, ioi=40))
    assert lines(made) == [
        "decided with 6% of the budget: 198 of 3,080 passes of an SAE over a text or an item "
        "(--sae-fixed measures all)"
    ]
    # Of a run that measured all it was asked to there is nothing to tell.
    assert lines(made, adaptive=False) == []
    assert lines(None) == []
    assert lines(measurement([], {}, Manifest())) == []
