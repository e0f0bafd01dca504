"""Texts on a page in Chromium: tokens with what each lost, and texts of those who mean harm."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from urllib.parse import quote

import numpy as np
import pytest

from sae_checks.records import TEXTS, Manifest
from sae_checks.report.page import write_comparison, write_page
from sae_checks.report.page.cells import cell_id
from sae_checks.session.result import RunResult
from tests import stored
from tests.report.judged import TASK, judged, made_up
from tests.report.page.browser import Browser, follow, text_of
from tests.report.results import release_result

SAE = "blocks.0.hook_resid_pre"
HOSTILE = (
    "</script><script>window.harmed = 1</script><img src=x onerror='window.harmed = 2'>"
    "\u202egnp.exe\u2066 \x1b[31m\x00\u2028{{ 7 * 7 }} & <!-- ' \" `"
)
INERT = r"\u202egnp.exe\u2066 \x1b[31m\x00\u2028{{ 7 * 7 }} & <!-- ' " + '" `'


def test_the_tokens_of_the_worst_document_are_shown_with_what_each_lost(opened, result):
    (one,) = [
        o
        for o in result.outcomes
        if o.check.name == "delta_ce_growth" and o.cell["sae"] == SAE and o.cell.family == "claim"
    ]
    follow(opened, f"#cell={quote(cell_id(one))}")
    name = text_of(opened, "#cell .heavy strong")
    row = int(name.split()[1])
    (table,) = [
        t for k, t in result.measurement.tables.items() if k[:3] == ("context", "texts", SAE)
    ]
    delta = table.columns["ce_sae"][row] - table.columns["ce_clean"][row]
    shown = opened.run(
        "return [...document.querySelector('#cell .heavy .tokens').querySelectorAll('.token')]"
        ".map((each) => [each.textContent, each.title, each.dataset.sign])"
    )
    # The cell's positions, each at the token that is predicted there.
    first, last = stored.TRAINING_CONTEXT, stored.CONTEXT - 2
    assert [word for word, _, _ in shown] == [f" w{p + 1}" for p in range(first, last + 1)]
    for position, (_, title, sign) in enumerate(shown, start=first):
        said = re.fullmatch(rf"predicted at position {position}: ΔCE \+(\S+) nats", title)
        assert said is not None
        assert float(said[1]) == pytest.approx(delta[position], rel=1e-2)
        assert sign == "up"
    largest = text_of(opened, "#cell .heavy .tokens + p")
    assert (
        f"[w{1 + int(np.nanargmax(np.where(np.arange(len(delta)) >= first, delta, np.nan)))}]"
        in (largest)
    )


def test_the_tokens_of_the_worst_item_are_shown_with_what_each_lost(opened, result):
    one = next(
        o
        for o in result.outcomes
        if o.check.name == "delta_ln_p" and o.cell["sae"] == SAE and o.cell.task == TASK
    )
    follow(opened, f"#cell={quote(cell_id(one))}")
    (table,) = [t for k, t in result.measurement.tables.items() if k[:3] == ("tasks", TASK, SAE)]
    (item,) = map(int, set(re.findall(r"\d+", text_of(opened, "#cell .heavy strong"))))
    prompt, delta = table.prompt_tokens[item], table.derived()["delta_ln_p"][item]
    shown = opened.run(
        "return [...document.querySelector('#cell .heavy .tokens').querySelectorAll('[title]')]"
        ".map((each) => [each.textContent, each.title])"
    )
    expected = [[f" w{p}", f"position {p}: ΔCE +{p / 1_000:.3g} nats"] for p in range(2, prompt)]
    assert shown[: prompt - 2] == expected
    assert [word for word, _ in shown[prompt - 1 :]] == [f" w{p}" for p in range(prompt, 20)]
    (said,) = re.findall(r"\(the answer: Δ ln p (\S+) nats\)", text_of(opened, "#cell .heavy li"))
    assert float(said) == pytest.approx(delta, rel=1e-2)
    assert shown[prompt - 1][1].startswith("ΔCE ")


def test_tokens_without_words_say_so(session, tmp_path):
    told = made_up(tmp_path / "store", layers=1)
    folder = told.facts.stored[0]
    shutil.rmtree(folder / "words")
    path = tmp_path / "page.html"
    write_page(judged(folder), path)
    one = next(o for o in told.outcomes if o.check.name == "delta_ce_growth")
    session.open(path, f"#cell={quote(cell_id(one))}")
    assert "The words of these tokens are not there, or cannot be read" in text_of(
        session, "#cell .heavy"
    )
    assert session.console() == []


def test_hostile_tokens_are_shown_and_do_nothing(session, tmp_path):
    path = tmp_path / "hostile.html"
    result = made_up(tmp_path / "store", layers=1, word=HOSTILE)
    write_page(result, path)
    one = next(o for o in result.outcomes if o.check.name == "delta_ce_growth")
    session.open(path, f"#cell={quote(cell_id(one))}")
    assert INERT in text_of(session, "#cell .heavy .tokens")
    task = next(o for o in result.outcomes if o.cell.task == TASK and o.cell.sae and o.verdict)
    follow(session, f"#cell={quote(cell_id(task))}")
    assert_unharmed(session)


def with_hostile_texts(result: RunResult) -> RunResult:
    """The same, its documents, items, release and reasons made by somebody who means harm."""
    measurement = result.measurement
    assert measurement is not None
    content = measurement.manifest.as_json()
    manifest = Manifest.from_json(content)
    datasets = []
    for entry in manifest.datasets:
        many = {str(number): HOSTILE for number in range(stored.TEXTS)}
        more = {"openings": many} if entry.ref.name == TEXTS else {"endings": [HOSTILE] * 60}
        datasets.append(replace(entry, description={**entry.description, **more, "x": HOSTILE}))
    manifest = replace(manifest, datasets=tuple(datasets))
    release = replace(result.facts.release, name=HOSTILE, notes=(HOSTILE,))
    return replace(
        result,
        measurement=replace(measurement, manifest=manifest),
        facts=replace(result.facts, release=release, corpus=HOSTILE, notes=(HOSTILE,)),
    )


def test_hostile_texts_are_shown_and_do_nothing(session, result, tmp_path):
    path = tmp_path / "hostile.html"
    write_page(with_hostile_texts(result), path)
    one = next(o for o in result.outcomes if o.check.name == "delta_ce_growth")
    session.open(path, f"#cell={quote(cell_id(one))}")
    assert INERT in text_of(session, "#cell .heavy q")
    assert INERT in text_of(session, "h1")
    assert_unharmed(session)


def test_hostile_ids_of_saes_are_shown_and_do_nothing(session, tmp_path):
    refs = [replace(stored.sae_ref(layer, 128), sae_id=f"{HOSTILE}{layer}") for layer in range(2)]
    hostile = release_result(refs=refs, name=HOSTILE, broken={("delta_ce_growth", 0): 90.0})
    path = tmp_path / "hostile.html"
    write_page(hostile, path)
    session.open(path)
    assert INERT in text_of(session, "#map tbody th")
    session.run("document.querySelector('#map .field').click()")
    session.wait("return document.getElementById('cell').open")
    session.draw_all()
    assert_unharmed(session)


def assert_unharmed(browser: Browser) -> None:
    assert browser.run("return window.harmed") is None
    assert browser.run("return document.querySelectorAll('img[src=x]').length") == 0
    # The policy would complain of a script that was planted, had it been let through.
    assert browser.console() == []
    unseen = browser.run(
        "return /[\\u0000-\\u0008\\u001b\\u202a-\\u202e\\u2066-\\u2069]/.test("
        "document.querySelector('main').textContent + document.querySelector('#cell').textContent)"
    )
    assert not unseen


def test_a_comparison_draws_every_release(session, result, tmp_path):
    assert result.measurement is not None
    path = tmp_path / "compared.html"
    write_comparison([result.measurement, result.measurement], path)
    session.open(path)
    session.draw_all()
    names = session.run(
        "return document.querySelector('#figure-compared-layers .panel').data"
        ".filter((t) => t.name).map((t) => t.name)"
    )
    assert names == ["made-up", "made-up (2)"]
    assert session.console() == []
