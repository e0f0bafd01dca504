"""The one loop over a data set: a clean pass per batch for all, a resumed one per intervention.

Every evaluation that asked listens to the same passes. Final hidden states are kept, not logits,
and of a few interventions at a time, so that memory does not grow with the number of SAEs. What
arrives at an SAE downstream waits for its turn, so that each SAE is read once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from sae_checks.load.language_model import CleanPass, Edit, LanguageModel, ModelPass, ResumedPass
from sae_checks.load.residual_stream import carried
from sae_checks.measure.dataset import Batch
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.splice import reconstruct, replaced
from sae_checks.records import Intervention, SaeRef

# Interventions whose final hidden states are held at once, to be unembedded with the clean ones.
HELD_PASSES = 16
# What arrives at SAEs downstream waits in so many bytes at most. Where more would wait, the SAE
# that most waits for is read before its turn, once more than it has to be.
WAITING_BYTES = 512 * 2**20


def listen(
    model: LanguageModel,
    saes: SaeSource,
    batches: Iterable[Batch],
    listeners: Sequence[Listener],
    progress: Callable[[int], None] = lambda units_done: None,
) -> None:
    """Let evaluations listen to the passes over some units.

    Args:
        model: with the hook points of all SAEs bound.
        saes: where SAEs come from.
        batches: the units.
        listeners: those that asked.
        progress: told after every intervention how many units it has seen more.
    """
    interventions = _in_order(model, [i for each in listeners for i in each.interventions])
    hook_points = _read_on_the_clean_pass(listeners, interventions)
    for batch in batches:
        clean = model.clean(batch.tokens, hook_points)
        for listener in listeners:
            listener.begin(batch, clean)
        loop = _Loop(model, saes, batch, clean, listeners)
        for some in _groups(interventions):
            for intervention in some:
                loop.intervene(intervention)
                progress(batch.count)
            for listener in listeners:
                listener.unembed([each for each in some if each in listener.interventions])
        loop.see_downstream(list(loop.waiting))  # whose own turn came before, or never does


def _read_on_the_clean_pass(
    listeners: Sequence[Listener], interventions: Sequence[Intervention]
) -> list[str]:
    """The hook points that have to be seen on the model as it is."""
    pairs = [(each, i) for each in listeners for i in each.interventions]
    spliced = [sae for each in interventions for sae in each.saes]
    observed = [sae for each, i in pairs for sae in each.observed(i)]
    found = {at for sae in spliced for at in (sae.hook_point, sae.writes)}
    found |= {sae.hook_point for sae in observed if sae.is_transcoder}
    found |= {sae.hook_point for each, i in pairs for sae in each.carried(i)}
    return sorted(found)


def _in_order(model: LanguageModel, asked: Iterable[Intervention]) -> list[Intervention]:
    """Each once, by where the first of its SAEs writes.

    Whatever waits for an SAE downstream is then there when its own turn comes.
    """
    return sorted(
        dict.fromkeys(asked), key=lambda each: min(model.depth(sae.writes) for sae in each.saes)
    )


def _groups(interventions: Sequence[Intervention]) -> Iterator[Sequence[Intervention]]:
    for start in range(0, len(interventions), HELD_PASSES):
        yield interventions[start : start + HELD_PASSES]


@dataclass(frozen=True)
class _Arriving:
    """What arrives at an SAE: where it reads (B, T, d_in), and where it writes (B, T, d_out)."""

    seen: Seen
    x: Tensor
    written: Tensor
    batch: Batch

    @property
    def size_in_bytes(self) -> int:
        """Of its tensors."""
        return self.x.nbytes + (0 if self.written is self.x else self.written.nbytes)

    def first(self, count: int | None) -> _Arriving:
        """Of so many first positions; of all without a number."""
        if count is None:
            return self
        x = self.x[:, :count].clone()
        written = x if self.written is self.x else self.written[:, :count].clone()
        return _Arriving(self.seen, x, written, self.batch.first(count))


@dataclass(frozen=True)
class _Loop:
    """One batch on its way through the loop."""

    model: LanguageModel
    saes: SaeSource
    batch: Batch
    clean: CleanPass
    listeners: Sequence[Listener]
    waiting: dict[SaeRef, list[tuple[_Arriving, Sequence[Listener]]]] = field(default_factory=dict)

    @torch.inference_mode()
    def intervene(self, intervention: Intervention) -> None:
        """Let the SAEs of an intervention be seen, and the model go on with what they make.

        The pass is resumed where the first of them writes; nothing before that changes.
        """
        asking = [each for each in self.listeners if intervention in each.interventions]
        first, *later = sorted(intervention.saes, key=lambda sae: self.model.depth(sae.writes))
        if any(each.prefixes for each in asking):
            self._one_after_the_other(intervention, [first, *later], asking)
            return
        x, written = self.clean.taps[first.hook_point], self.clean.taps[first.writes]
        seen = Seen(intervention, first)
        reconstruction = self._see(_Arriving(seen, x, written, self.batch), asking)
        self.see_downstream([first])  # while it is loaded
        splicing = [each for each in asking if each.splices]
        if reconstruction is None or not splicing:
            return
        replacement = replaced(self.batch, written, reconstruction)
        observed = list(dict.fromkeys(o for each in splicing for o in each.observed(intervention)))
        begins = self.model.depth(first.writes)
        read = {sae.hook_point for sae in (*later, *observed) if sae.is_transcoder}
        tapped = frozenset(at for at in read if self.model.depth(at) >= begins)
        spliced = _Spliced(self.clean.taps, tapped)
        edits: dict[str, Edit] = {
            sae.writes: partial(self._edit, Seen(intervention, sae), splicing, spliced)
            for sae in later
        }
        taps = [*tapped, *(sae.writes for sae in observed)]
        resumed = self.model.resume_with(
            self.clean, first.writes, replacement, edits, taps, spliced.arrived
        )
        for listener in splicing:
            listener.resumed(intervention, resumed.final)
        for sae in observed:
            self._observe(Seen(intervention, sae), replacement, resumed, spliced, splicing)

    def _one_after_the_other(
        self, intervention: Intervention, saes: Sequence[SaeRef], asking: Sequence[Listener]
    ) -> None:
        """Splice SAEs in one by one, each pass resumed from the one before.

        What arrives at an SAE in the pass before, in which no later one is spliced in, is what
        those before it left: a pass and an encoding per SAE give all prefixes and the whole.
        """
        assert not any(each.observed(intervention) for each in asking), "no pass has them all"
        if tuple(saes) != intervention.saes:
            raise ValueError(
                f"{intervention.name} is not in the order of the model, which is "
                f"{'+'.join(sae.sae_id for sae in saes)}"
            )
        depth = self.model.depth
        before: ModelPass = self.clean
        arrived, left = dict(self.clean.taps), dict[str, Tensor]()
        for index, sae in enumerate(saes):
            block, following = depth(sae.writes)[0], saes[index + 1 :]
            written = before.taps[sae.writes]
            x = {**arrived, **left}[sae.hook_point] if sae.is_transcoder else written
            seen = Seen(intervention, sae)
            reconstruction = self._see(_Arriving(seen, x, written, self.batch), asking)
            assert reconstruction is not None, "who asks for prefixes has SAEs spliced in"
            replacement = replaced(self.batch, written, reconstruction)
            read = {each.hook_point for each in following if each.is_transcoder}
            taps = {each for each in read if depth(each)[0] >= block}
            taps |= {each.writes for each in following[:1]}
            before = self.model.resume_with(
                before,
                sae.writes,
                replacement,
                # The block at hand is run again as a whole.
                {at: partial(_instead, each) for at, each in left.items() if depth(at)[0] == block},
                sorted(taps),
            )
            arrived |= before.taps
            left[sae.writes] = replacement
            for listener in asking:
                listener.prefix(seen, before.final)
        for listener in asking:
            listener.resumed(intervention, before.final)

    def _observe(
        self,
        seen: Seen,
        replacement: Tensor,
        resumed: ResumedPass,
        spliced: _Spliced,
        splicing: Sequence[Listener],
    ) -> None:
        """Let what arrives at an SAE downstream wait for it, as far as listeners want to see it."""
        sae, intervention = seen.sae, seen.intervention
        written = resumed.taps[sae.writes]
        x = spliced.read(sae.hook_point) if sae.is_transcoder else written
        arriving = _Arriving(seen, x, written, self.batch)
        wanting = [each for each in splicing if sae in each.observed(intervention)]
        for count in dict.fromkeys(each.observed_positions for each in wanting):
            some = [each for each in wanting if each.observed_positions == count]
            self._wait(arriving.first(count), some)
            some = [each for each in some if sae in each.carried(intervention)]
            if some:
                (one,) = intervention.saes
                x = carried(self.model, self.clean, one.hook_point, replacement, sae.hook_point)
                direct = _Arriving(seen._replace(direct=True), x, x, self.batch)
                self._wait(direct.first(count), some)

    def _wait(self, arriving: _Arriving, asking: Sequence[Listener]) -> None:
        self.waiting.setdefault(arriving.seen.sae, []).append((arriving, asking))
        waiting = {s: sum(a.size_in_bytes for a, _ in of) for s, of in self.waiting.items()}
        if sum(waiting.values()) > WAITING_BYTES:
            self.see_downstream([max(waiting, key=lambda sae: waiting[sae])])

    @torch.inference_mode()
    def see_downstream(self, saes: Iterable[SaeRef]) -> None:
        """Show what waits for some SAEs."""
        for sae in saes:
            for arriving, asking in self.waiting.pop(sae, ()):
                self._see(arriving, asking)

    def _see(self, arriving: _Arriving, asking: Sequence[Listener]) -> Tensor | None:
        """Show listeners what arrives at an SAE, and what it makes of it.

        Gives what it puts where it writes, (B, T, d_out).
        """
        seen, x, written = arriving.seen, arriving.x, arriving.written
        for listener in asking:
            if seen.sae.is_transcoder:
                listener.inputs(seen, x)
            listener.activations(seen, written)
        encoding = [each for each in asking if each.encodes or each.splices]
        if not encoding:
            return None
        shown = [partial(each.features, seen) for each in encoding]
        sae = self.saes.get(seen.sae)
        reconstruction = reconstruct(sae, x, arriving.batch, shown, written)
        for listener in encoding:
            listener.reconstruction(seen, written, reconstruction)
        return reconstruction

    def _edit(
        self, seen: Seen, asking: Sequence[Listener], spliced: _Spliced, written: Tensor
    ) -> Tensor:
        """What an SAE puts in the place of what the ones before it left, (B, T, d_out)."""
        x = spliced.read(seen.sae.hook_point) if seen.sae.is_transcoder else written
        reconstruction = self._see(_Arriving(seen, x, written, self.batch), asking)
        if reconstruction is None:
            return written
        left = replaced(self.batch, written, reconstruction)
        if seen.sae.writes in spliced.tapped:
            spliced.left[seen.sae.writes] = left
        return left


def _instead(replacement: Tensor, x: Tensor) -> Tensor:
    return replacement


@dataclass(frozen=True)
class _Spliced:
    """What transcoders read while SAEs are spliced in.

    Attributes:
        clean: what hook points see without them.
        tapped: those where transcoders read that a resumed pass goes by.
        arrived: what arrives there in that pass, so far.
        left: what an SAE that writes there put in its place, so far.
    """

    clean: Mapping[str, Tensor]
    tapped: frozenset[str]
    arrived: dict[str, Tensor] = field(default_factory=dict)
    left: dict[str, Tensor] = field(default_factory=dict)

    def read(self, hook_point: str) -> Tensor:
        """(B, T, d_in) what the modules behind a hook point read, and a transcoder there."""
        if hook_point not in self.tapped:
            return self.clean[hook_point]
        return self.left[hook_point] if hook_point in self.left else self.arrived[hook_point]
