"""The one loop over a data set: a clean pass per batch for all, a resumed one per intervention.

Every evaluation that asked listens to the same passes. Final hidden states are kept, not logits,
and of a few interventions at a time, so that memory does not grow with the number of SAEs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

import torch
from torch import Tensor

from sae_checks.load.language_model import CleanPass, Edit, LanguageModel, ModelPass
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
    hook_points = sorted({sae.hook_point for each in interventions for sae in each.saes})
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
        """Let the SAEs of an intervention be seen, and the model go on with what they make."""
        asking = [each for each in self.listeners if intervention in each.interventions]
        first, *later = sorted(intervention.saes, key=lambda sae: self.model.depth(sae.hook_point))
        if any(each.prefixes for each in asking):
            self._one_after_the_other(intervention, [first, *later], asking)
            return
        x = self.clean.taps[first.hook_point]
        reconstruction = self._see(Seen(intervention, first), x, asking)
        splicing = [each for each in asking if each.splices]
        if reconstruction is None or not splicing:
            return
        edits: dict[str, Edit] = {
            sae.hook_point: partial(self._edit, Seen(intervention, sae), splicing) for sae in later
        }
        observed = list(dict.fromkeys(o for each in splicing for o in each.observed(intervention)))
        resumed = self.model.resume_with(
            self.clean,
            first.hook_point,
            replaced(self.batch, x, reconstruction),
            edits,
            [sae.hook_point for sae in observed],
        )
        for listener in splicing:
            listener.resumed(intervention, resumed.final)
        for sae in observed:
            wanting = [each for each in splicing if sae in each.observed(intervention)]
            self._see(Seen(intervention, sae), resumed.taps[sae.hook_point], wanting)

    def _one_after_the_other(
        self, intervention: Intervention, saes: Sequence[SaeRef], asking: Sequence[Listener]
    ) -> None:
        """Splice SAEs in one by one, each pass resumed from the one before.

        What arrives at an SAE in the pass before, in which no later one is spliced in, is what
        those before it left: a pass and an encoding per SAE give all prefixes and the whole.
        """
        assert not any(each.observed(intervention) for each in asking), "no pass has them all"
        depth = self.model.depth
        before: ModelPass = self.clean
        spliced: dict[str, Tensor] = {}  # of the block at hand, which is run again as a whole
        for sae, following in zip_longest(saes, saes[1:]):
            seen, x = Seen(intervention, sae), before.taps[sae.hook_point]
            reconstruction = self._see(seen, x, asking)
            assert reconstruction is not None, "who asks for prefixes has SAEs spliced in"
            block = depth(sae.hook_point)[0]
            spliced = {h: tensor for h, tensor in spliced.items() if depth(h)[0] == block}
            replacement = replaced(self.batch, x, reconstruction)
            before = self.model.resume_with(
                before,
                sae.hook_point,
                replacement,
                {hook_point: partial(_instead, tensor) for hook_point, tensor in spliced.items()},
                [] if following is None else [following.hook_point],
            )
            spliced[sae.hook_point] = replacement
            for listener in asking:
                listener.prefix(seen, before.final)
        for listener in asking:
            listener.resumed(intervention, before.final)

    def _see(self, seen: Seen, x: Tensor, asking: Sequence[Listener]) -> Tensor | None:
        """Show listeners what arrives at an SAE and what it makes of it, (B, T, d)."""
        for listener in asking:
            listener.activations(seen, x)
        encoding = [each for each in asking if each.encodes or each.splices]
        if not encoding:
            return None
        shown = [partial(each.features, seen) for each in encoding]
        reconstruction = reconstruct(self.saes.get(seen.sae), x, self.batch, shown)
        for listener in encoding:
            listener.reconstruction(seen, x, reconstruction)
        return reconstruction

    def _edit(self, seen: Seen, asking: Sequence[Listener], x: Tensor) -> Tensor:
        """What an SAE puts in the place of what the ones before it left, (B, T, d)."""
        reconstruction = self._see(seen, x, asking)
        return x if reconstruction is None else replaced(self.batch, x, reconstruction)


def _instead(replacement: Tensor, x: Tensor) -> Tensor:
    return replacement
