"""SAEs that are loaded when their turn comes: how many at once, and what is read ahead."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from sae_checks.errors import SaeError
from sae_checks.measure.loaded import SaeSource
from sae_checks.records import SaeRef
from tests.builders import sae_ref

REFS = [sae_ref(f"blocks.{layer}.hook_resid_pre") for layer in range(4)]
A, B, C, D = REFS
BYTES = 100


class MadeSae:
    """All that a source asks of an SAE."""

    size_in_bytes = BYTES

    def __init__(self, ref: SaeRef) -> None:
        self.ref = ref


class Reader:
    """Reads made-up SAEs.

    Attributes:
        read: the SAEs read, and whether in the background.
        most: how many were loaded at once, seen whenever one more was.
        broken: the SAEs that cannot be read.
    """

    def __init__(self, hold: Callable[[SaeRef], None] = lambda ref: None) -> None:
        self.read: list[tuple[SaeRef, bool]] = []
        self.most = 0
        self.broken: set[str] = set()
        self._hold = hold
        self._alive: list[weakref.ref[MadeSae]] = []

    def __call__(self, ref: SaeRef) -> Any:
        self.read.append((ref, threading.current_thread() is not threading.main_thread()))
        self._hold(ref)
        if ref.sae_id in self.broken:
            raise SaeError(f"SAE {ref.sae_id!r} cannot be loaded")
        sae = MadeSae(ref)
        self._alive.append(weakref.ref(sae))
        self.most = max(self.most, len(self.alive()))
        return sae

    def alive(self) -> list[SaeRef]:
        return [sae.ref for each in self._alive if (sae := each()) is not None]


@contextmanager
def source_of(reader: Reader, kept_bytes: int = 0) -> Iterator[SaeSource]:
    source = SaeSource(reader, kept_bytes)
    try:
        yield source
    finally:
        source.close()


def ask(source: SaeSource, refs: Sequence[SaeRef]) -> None:
    for ref in refs:
        assert source.get(ref).ref is ref


def test_two_are_loaded_at_most_in_whatever_order_they_are_asked_for():
    reader = Reader()
    with source_of(reader) as source:
        ask(source, [*REFS, *REFS, *REFS])  # in turn, as in every batch
        ask(source, [A, C, B, D, A, B, A, D])  # as others ask for them, or some drop out
    assert reader.most <= 2
    gc.collect()
    assert reader.alive() == []


def test_small_ones_stay_and_are_read_once():
    reader = Reader()
    with source_of(reader, kept_bytes=2 * BYTES + 1) as source:
        ask(source, [*REFS, *REFS])
        assert reader.alive()[:2] == [A, B]
        ask(source, [A, B, A])
    read = [ref for ref, _ in reader.read]
    assert (read.count(A), read.count(B)) == (1, 1)
    assert reader.most <= 4


def test_what_is_asked_for_again_at_once_is_not_read_again():
    reader = Reader()
    with source_of(reader) as source:
        ask(source, [A, A, A, B, B])
    assert [ref for ref, _ in reader.read] == [A, B]


def test_the_one_that_came_next_the_last_time_is_read_beside_the_one_in_use():
    reader, being_read = Reader(), threading.Event()
    with source_of(reader) as source:
        ask(source, [A, B, A])
        reader._hold = lambda ref: being_read.set()
        source.get(B)
        assert being_read.wait(timeout=10)  # A, which nobody has asked for yet
        ask(source, [A])
    assert reader.read[:2] == [(A, False), (B, False)]
    assert (A, True) in reader.read


def test_a_wrong_guess_is_let_go_of():
    """A was followed by B, which is read beside it, and now is followed by C."""
    reader = Reader()
    with source_of(reader) as source:
        ask(source, [A, B, C, A])
        deadline = time.monotonic() + 10
        while reader.alive() != [A, B]:
            assert time.monotonic() < deadline
        assert source.get(C).ref is C
        assert B not in reader.alive()
    assert reader.most == 2


def test_what_goes_wrong_in_the_background_is_raised_where_it_is_asked_for():
    reader = Reader()
    with source_of(reader) as source:
        ask(source, [A, B])
        reader.broken = {B.sae_id}
        source.get(A)  # reads B beside it
        with pytest.raises(SaeError) as raised:
            source.get(B)
        assert str(raised.value) == "SAE 'blocks.1.hook_resid_pre' cannot be loaded"
        assert reader.read[-1] == (B, True)
        reader.broken = set()
        ask(source, [B, A])


def test_a_failure_in_the_background_that_nobody_asks_for_is_nobody_s():
    reader = Reader()
    with source_of(reader) as source:
        ask(source, [A, B])
        reader.broken = {B.sae_id}
        ask(source, [A, C, D])


def test_closing_waits_for_what_is_being_read():
    """Reading changes which warnings are told: none may go on when those of the run are back."""
    begun, go_on = threading.Event(), threading.Event()
    reader = Reader()
    source = SaeSource(reader, kept_bytes=0)
    ask(source, [A, B])

    def hold(ref: SaeRef) -> None:
        if ref is B:
            begun.set()
            go_on.wait(timeout=10)

    reader._hold = hold
    source.get(A)
    assert begun.wait(timeout=10)
    closing = threading.Thread(target=source.close)
    closing.start()
    closing.join(timeout=0.2)
    assert closing.is_alive()
    go_on.set()
    closing.join(timeout=10)
    assert not closing.is_alive()
    assert reader.alive() == []


def test_those_that_are_loaded_already_are_given_out_and_no_others():
    sae: Any = MadeSae(A)
    source = SaeSource.of([sae])
    assert source.get(A) is sae
    with pytest.raises(KeyError) as raised:
        source.get(B)
    assert raised.value.args == ("blocks.1.hook_resid_pre is not among the SAEs that were loaded",)
