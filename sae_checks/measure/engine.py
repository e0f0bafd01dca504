"""The one loop over a data set: a clean pass per batch for all, a resumed one per intervention.

Every evaluation that asked listens to the same passes. Final hidden states are kept, not logits,
and of a few interventions at a time, so that memory does not grow with the number of SAEs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from sae_checks.load.language_model import CleanPass, Edit, LanguageModel
from sae_checks.measure.dataset import Batch
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.splice import reconstruct, replaced
from sae_checks.records import Intervention

# Interventions whose final hidden states are held at once, to be unembedded with the clean ones.
HELD_PASSES = 16


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
    interventions = list(dict.fromkeys(i for each in listeners for i in each.interventions))
    spliced = [sae for each in interventions for sae in each.saes]
    hook_points = {at for sae in spliced for at in (sae.hook_point, sae.writes)}
    observed = [o for each in listeners for i in each.interventions for o in each.observed(i)]
    hook_points |= {sae.hook_point for sae in observed if sae.is_transcoder}
    for batch in batches:
        clean = model.clean(batch.tokens, sorted(hook_points))
        for listener in listeners:
            listener.begin(batch, clean)
        loop = _Loop(model, saes, batch, clean, listeners)
        for some in _groups(interventions):
            for intervention in some:
                loop.intervene(intervention)
                progress(batch.count)
            for listener in listeners:
                listener.unembed([each for each in some if each in listener.interventions])


def _groups(interventions: Sequence[Intervention]) -> Iterator[Sequence[Intervention]]:
    for start in range(0, len(interventions), HELD_PASSES):
        yield interventions[start : start + HELD_PASSES]


@dataclass(frozen=True)
class _Loop:
    """One batch on its way through the loop."""

    model: LanguageModel
    saes: SaeSource
    batch: Batch
    clean: CleanPass
    listeners: Sequence[Listener]

    @torch.inference_mode()
    def intervene(self, intervention: Intervention) -> None:
        """Let the SAEs of an intervention be seen, and the model go on with what they make.

        The pass is resumed where the first of them writes; nothing before that changes.
        """
        asking = [each for each in self.listeners if intervention in each.interventions]
        first, *later = sorted(intervention.saes, key=lambda sae: self.model.depth(sae.writes))
        x, written = self.clean.taps[first.hook_point], self.clean.taps[first.writes]
        reconstruction = self._see(Seen(intervention, first), x, written, asking)
        splicing = [each for each in asking if each.splices]
        if reconstruction is None or not splicing:
            return
        observed = list(dict.fromkeys(o for each in splicing for o in each.observed(intervention)))
        begins = self.model.depth(first.writes)
        read = {sae.hook_point for sae in (*later, *observed) if sae.is_transcoder}
        tapped = frozenset(at for at in read if self.model.depth(at) >= begins)
        spliced = _Spliced(self.clean.taps, tapped)
        edits: dict[str, Edit] = {
            sae.writes: partial(self._edit, Seen(intervention, sae), splicing, spliced)
            for sae in later
        }
        resumed = self.model.resume_with(
            self.clean,
            first.writes,
            replaced(self.batch, written, reconstruction),
            edits,
            [*tapped, *(sae.writes for sae in observed)],
            spliced.arrived,
        )
        for listener in splicing:
            listener.resumed(intervention, resumed.final)
        for sae in observed:
            wanting = [each for each in splicing if sae in each.observed(intervention)]
            written = resumed.taps[sae.writes]
            x = spliced.read(sae.hook_point) if sae.is_transcoder else written
            self._see(Seen(intervention, sae), x, written, wanting)

    def _see(
        self, seen: Seen, x: Tensor, written: Tensor, asking: Sequence[Listener]
    ) -> Tensor | None:
        """Show listeners what arrives where an SAE reads (B, T, d_in) and writes (B, T, d_out).

        Gives what it puts there, (B, T, d_out).
        """
        for listener in asking:
            if seen.sae.is_transcoder:
                listener.inputs(seen, x)
            listener.activations(seen, written)
        encoding = [each for each in asking if each.encodes or each.splices]
        if not encoding:
            return None
        shown = [partial(each.features, seen) for each in encoding]
        reconstruction = reconstruct(self.saes.get(seen.sae), x, self.batch, shown, written)
        for listener in encoding:
            listener.reconstruction(seen, written, reconstruction)
        return reconstruction

    def _edit(
        self, seen: Seen, asking: Sequence[Listener], spliced: _Spliced, written: Tensor
    ) -> Tensor:
        """What an SAE puts in the place of what the ones before it left, (B, T, d_out)."""
        x = spliced.read(seen.sae.hook_point) if seen.sae.is_transcoder else written
        reconstruction = self._see(seen, x, written, asking)
        if reconstruction is None:
            return written
        left = replaced(self.batch, written, reconstruction)
        if seen.sae.writes in spliced.tapped:
            spliced.left[seen.sae.writes] = left
        return left


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
