"""How the propagation evaluation measures: a later SAE on what the spliced model brings it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from sae_checks.evals.context.recorder import Recorder
from sae_checks.evals.propagation.columns import DIRECT, MEASURED_POSITIONS
from sae_checks.evals.propagation.pairs import both_residual
from sae_checks.evals.propagation.table import PropagationTable
from sae_checks.load.language_model import CleanPass
from sae_checks.load.texts import Texts
from sae_checks.measure.calibration import Calibration, calibrate, with_directions
from sae_checks.measure.dataset import Batch
from sae_checks.measure.evaluation import Measuring
from sae_checks.measure.listener import Listener, Seen
from sae_checks.measure.plan import Plan
from sae_checks.measure.texts import TextDataset
from sae_checks.records import TEXTS, IntArray, Intervention, SaeRef, Table
from sae_checks.records.octaves import OFFSET_PROJECTION


class PropagationMeasurer:
    """Learns what is usual at the later SAEs' hook points; one that listens per part of the texts.

    They are calibrated as the context evaluation does, on the clean model.
    """

    def __init__(self, measuring: Measuring) -> None:
        assert isinstance(measuring.dataset, TextDataset), "the propagation evaluation reads texts"
        self._measuring, self._dataset = measuring, measuring.dataset
        model, texts = measuring.model, self._dataset.texts
        hook_points = sorted({s.writes for saes in measuring.observed.values() for s in saes})
        batch_texts = self._dataset.batch_texts(model, measuring.settings)
        found = calibrate(model, texts, hook_points, batch_texts)
        if OFFSET_PROJECTION in measuring.plan:
            found = with_directions(model, texts, found, batch_texts)
        self._calibrations = found

    def listen(self, units: IntArray, interventions: Sequence[Intervention]) -> PropagationListener:
        """What listens to the passes over one part of the texts."""
        texts = _first(self._dataset.texts.rows(units), MEASURED_POSITIONS)
        observed = {each: self._measuring.still_observed(each) for each in interventions}
        return PropagationListener(observed, texts, self._measuring.plan, self._calibrations)


class PropagationListener(Listener):
    """Records what each SAE makes of the activations that an earlier one's splice leaves.

    Args:
        observed: by intervention, the later SAEs.
        texts: of the part, cut to the positions that are measured.
        plan: the columns.
        calibrations: by hook point of the later SAEs.
    """

    encodes = splices = True
    observed_positions = MEASURED_POSITIONS

    def __init__(
        self,
        observed: Mapping[Intervention, Sequence[SaeRef]],
        texts: Texts,
        plan: Plan,
        calibrations: Mapping[str, Calibration],
    ) -> None:
        self.interventions, self._observed = list(observed), observed
        self._direct = any(column.name in plan for column in DIRECT)
        whole = Plan(tuple(column for column in plan.columns if column not in DIRECT))
        direct = Plan(tuple(column for column in plan.columns if column in DIRECT))
        self._recorders: dict[Seen, Recorder] = {}
        for intervention, saes in observed.items():
            for sae in saes:
                for seen, some in (
                    (Seen(intervention, sae), whole),
                    (Seen(intervention, sae, direct=True), direct),
                ):
                    calibration = calibrations[sae.writes]
                    self._recorders[seen] = Recorder(sae, texts, some, calibration)

    def observed(self, intervention: Intervention) -> Sequence[SaeRef]:
        """The later SAEs."""
        return self._observed[intervention]

    def carried(self, intervention: Intervention) -> Sequence[SaeRef]:
        """Those to which the residual stream leads, where a check asks."""
        (spliced,) = intervention.saes
        later = self._observed[intervention] if self._direct else ()
        return [sae for sae in later if both_residual(spliced, sae)]

    def begin(self, batch: Batch, clean: CleanPass) -> None:
        """Remember which rows these are."""
        self._rows = batch.rows

    def activations(self, seen: Seen, x: Tensor) -> None:
        """Of a later SAE; those of the one spliced in are the context evaluation's."""
        if seen in self._recorders:
            self._recorders[seen].activations(self._rows, x)

    def features(self, seen: Seen, piece: tuple[Any, Any], features: Tensor) -> None:
        """Sparsity there."""
        if seen in self._recorders:
            self._recorders[seen].features(self._rows, piece, features)

    def reconstruction(self, seen: Seen, x: Tensor, reconstruction: Tensor) -> None:
        """The error there."""
        if seen in self._recorders:
            self._recorders[seen].reconstruction(self._rows, x, reconstruction)

    def tables(self) -> list[Table]:
        """One per pair."""
        return [self._table(seen) for seen in self._recorders if not seen.direct]

    def _table(self, seen: Seen) -> PropagationTable:
        whole = self._recorders[seen].table()
        direct = self._recorders[seen._replace(direct=True)].table()
        columns = {**whole.columns, **direct.columns}
        return PropagationTable(
            TEXTS, seen.intervention, columns, whole.labels, whole.side, observed=seen.sae
        )


def _first(texts: Texts, positions: int) -> Texts:
    """The same texts, cut after so many positions."""
    return replace(
        texts,
        tokens=texts.tokens[:, :positions],
        special=texts.special[:, :positions],
        documents=texts.documents[:, :positions],
    )
