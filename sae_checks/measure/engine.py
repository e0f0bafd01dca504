"""The one loop over a data set: a clean pass per batch for all, a resumed one per intervention.

Every evaluation that asked listens to the same passes. Final hidden states are kept, not logits,
and of a few interventions at a time, so that memory does not grow with the number of SAEs. What
arrives at an SAE downstream waits for its turn, so that each SAE is read once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from sae_checks.load.language_model import CleanPass, Edit, LanguageModel, ResumedPass
from sae_checks.load.residual_stream import carried
from sae_checks.measure.dataset import Batch
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.loaded import SaeSource
from sae_checks.measure.splice import reconstruct, replaced
from sae_checks.records import Intervention, SaeRef

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
    later = [sae for each in listeners for i in each.interventions for sae in each.carried(i)]
    hook_points = sorted({sae.hook_point for sae in (*spliced, *later)})
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


def _groups(interventions: Sequence[Intervention]) -> Iterator[Sequence[Intervention]]:
    for start in range(0, len(interventions), HELD_PASSES):
        yield interventions[start : start + HELD_PASSES]


@dataclass(frozen=True)
class _Waiting:
    """What arrives at an SAE downstream, (B, T, d), and who wants to see it."""

    seen: Seen
    x: Tensor
    batch: Batch
    asking: Sequence[Listener]


@dataclass(frozen=True)
class _Loop:
    """One batch on its way through the loop."""

    model: LanguageModel
    saes: SaeSource
    batch: Batch
    clean: CleanPass
    listeners: Sequence[Listener]
    waiting: dict[SaeRef, list[_Waiting]] = field(default_factory=dict)

    @torch.inference_mode()
    def intervene(self, intervention: Intervention) -> None:
        """Let the SAEs of an intervention be seen, and the model go on with what they make."""
        asking = [each for each in self.listeners if intervention in each.interventions]
        first, *later = sorted(intervention.saes, key=lambda sae: self.model.depth(sae.hook_point))
        x = self.clean.taps[first.hook_point]
        reconstruction = self._see(Seen(intervention, first), x, asking, self.batch)
        self.see_downstream([first])  # while it is loaded
        splicing = [each for each in asking if each.splices]
        if reconstruction is None or not splicing:
            return
        edits: dict[str, Edit] = {
            sae.hook_point: partial(self._edit, Seen(intervention, sae), splicing) for sae in later
        }
        observed = list(dict.fromkeys(o for each in splicing for o in each.observed(intervention)))
        replacement = replaced(self.batch, x, reconstruction)
        taps = [sae.hook_point for sae in observed]
        resumed = self.model.resume_with(self.clean, first.hook_point, replacement, edits, taps)
        for listener in splicing:
            listener.resumed(intervention, resumed.final)
        for sae in observed:
            self._observe(intervention, sae, replacement, resumed, splicing)

    def _observe(
        self,
        intervention: Intervention,
        sae: SaeRef,
        replacement: Tensor,
        resumed: ResumedPass,
        splicing: Sequence[Listener],
    ) -> None:
        """Let what arrives at an SAE downstream wait for it, as far as listeners want to see it."""
        wanting = [each for each in splicing if sae in each.observed(intervention)]
        for count in dict.fromkeys(each.observed_positions for each in wanting):
            some = [each for each in wanting if each.observed_positions == count]
            x = resumed.taps[sae.hook_point]
            self._wait(Seen(intervention, sae), x, count, some)
            some = [each for each in some if sae in each.carried(intervention)]
            if some:
                (spliced,) = intervention.saes
                x = carried(self.model, self.clean, spliced.hook_point, replacement, sae.hook_point)
                self._wait(Seen(intervention, sae, direct=True), x, count, some)

    def _wait(self, seen: Seen, x: Tensor, count: int | None, asking: Sequence[Listener]) -> None:
        batch = self.batch
        if count is not None:
            x, batch = x[:, :count].clone(), batch.first(count)
        self.waiting.setdefault(seen.sae, []).append(_Waiting(seen, x, batch, asking))

    @torch.inference_mode()
    def see_downstream(self, saes: Iterable[SaeRef]) -> None:
        """Show what waits for some SAEs."""
        for sae in saes:
            for each in self.waiting.pop(sae, ()):
                self._see(each.seen, each.x, each.asking, each.batch)

    def _see(
        self, seen: Seen, x: Tensor, asking: Sequence[Listener], batch: Batch
    ) -> Tensor | None:
        """Show listeners what arrives at an SAE and what it makes of it, (B, T, d)."""
        for listener in asking:
            listener.activations(seen, x)
        encoding = [each for each in asking if each.encodes or each.splices]
        if not encoding:
            return None
        shown = [partial(each.features, seen) for each in encoding]
        reconstruction = reconstruct(self.saes.get(seen.sae), x, batch, shown)
        for listener in encoding:
            listener.reconstruction(seen, x, reconstruction)
        return reconstruction

    def _edit(self, seen: Seen, asking: Sequence[Listener], x: Tensor) -> Tensor:
        """What an SAE puts in the place of what the ones before it left, (B, T, d)."""
        reconstruction = self._see(seen, x, asking, self.batch)
        return x if reconstruction is None else replaced(self.batch, x, reconstruction)
