"""Gathers one SAE's measurements, batch by batch, into its table."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sae_checks.evals.context.columns import WITHOUT_LAST_POSITION
from sae_checks.evals.context.table import (
    ERROR_PROJECTION,
    INPUT_NORM,
    POSITION_SUMS,
    ContextTable,
    PositionSums,
)
from sae_checks.evals.context.written import WrittenRecorder
from sae_checks.load.texts import Texts
from sae_checks.measure import metrics
from sae_checks.measure.calibration import Calibration, measured_tokens
from sae_checks.measure.plan import Plan
from sae_checks.records import SaeRef
from sae_checks.records.octaves import OFFSET_PROJECTION


class Recorder:
    """The columns of one SAE under way: (texts, C) each, NaN where there is nothing to measure.

    Args:
        ref: the SAE.
        texts: those under way.
        plan: which columns are needed.
        calibration: of the hook point where it writes.
        read: of the one where a transcoder reads; None for SAEs, which read where they write.
        error_direction: (d_out,) along its mean error, where the projection on it is recorded.
        written: adds up what its features write, where that is recorded.
    """

    def __init__(
        self,
        ref: SaeRef,
        texts: Texts,
        plan: Plan,
        calibration: Calibration,
        read: Calibration | None = None,
        error_direction: Tensor | None = None,
        written: WrittenRecorder | None = None,
    ) -> None:
        self._ref, self._texts, self._plan, self._calibration = ref, texts, plan, calibration
        self._read, self._error_direction, self._written = read, error_direction, written
        shape = texts.tokens.shape
        columns = [*plan.in_rows, *([INPUT_NORM] if read is not None else [])]
        self._columns = {name: np.full(shape, np.nan) for name in columns}
        self._massive = np.zeros(shape, dtype=np.bool_)
        # For ordinary and massive tokens: how many at each position, and Σ(x − c) over them.
        self._counts = torch.zeros(2, shape[1], dtype=torch.float64)
        self._sums = (
            torch.zeros(2, shape[1], ref.d_out, dtype=torch.float64) if self._sums_wanted else None
        )

    @property
    def _sums_wanted(self) -> bool:
        return POSITION_SUMS in self._plan

    def inputs(self, rows: slice, x: Tensor) -> None:
        """Record how large the activations (B, T, d_in) are that a transcoder reads."""
        if self._read is not None:
            self._norms(INPUT_NORM, rows, x, self._read)

    def activations(self, rows: slice, x: Tensor) -> None:
        """Record what the activations (B, T, d_out) of some texts are like, SAE aside."""
        keep = measured_tokens(self._texts, rows)  # (B, T)
        if self._written is not None:
            self._written.begin(x)
        massive = self._norms("norm", rows, x, self._calibration)
        if "squared_distance" in self._plan:
            self._write(
                "squared_distance",
                rows,
                metrics.squared_distance(x, self._calibration.mean).cpu(),
                keep,
            )
        for column in self._plan.per_token("activation"):
            self._write(column.name, rows, metrics.of_column(column)(x).cpu(), keep)
        if OFFSET_PROJECTION in self._columns:
            self._write(OFFSET_PROJECTION, rows, self._calibration.along_offset(x).cpu(), keep)
        if self._sums is not None:
            centred = x.double() - self._calibration.mean.double()  # (B, T, d)
            for index, tokens in enumerate((keep & ~massive, massive)):
                weights = tokens.to(x.device).double()  # (B, T)
                self._counts[index] += weights.sum(0).cpu()
                self._sums[index] += torch.einsum("btd,bt->td", centred, weights).cpu()

    def _norms(self, name: str, rows: slice, x: Tensor, calibration: Calibration) -> Tensor:
        """Record norms; (B, T) which tokens are massive, here or by what was read before."""
        keep = measured_tokens(self._texts, rows)
        # In the tables a norm of NaN means "not measured"; an activation that is NaN was measured,
        # and has to be found broken rather than left out.
        norms = metrics.norm(x).cpu().nan_to_num(nan=torch.inf, posinf=torch.inf)
        self._massive[rows] |= (
            keep & norms.isfinite() & (norms > calibration.massive_norm)
        ).numpy()
        self._write(name, rows, norms, keep)
        return torch.from_numpy(self._massive[rows])

    def features(self, rows: slice, piece: tuple[slice, slice], features: Tensor) -> None:
        """Record what feature activations (b, t, d_sae) are like, of a piece of the batch."""
        texts, positions = piece
        keep = measured_tokens(self._texts, rows)[piece].numpy()
        for column in self._plan.per_token("features"):
            values = metrics.of_column(column)(features).double().cpu().numpy()
            self._columns[column.name][rows][texts, positions] = np.where(keep, values, np.nan)
        if self._written is not None:
            self._written.features(piece, features)

    def reconstruction(self, rows: slice, x: Tensor, reconstruction: Tensor) -> None:
        """Record what becomes of activations in their reconstructions, both (B, T, d)."""
        keep = measured_tokens(self._texts, rows)
        for column in self._plan.per_token("reconstruction"):
            values = metrics.of_column(column)(x, reconstruction)
            self._write(column.name, rows, values.cpu(), keep)
        if "reconstruction_squared_distance" in self._plan:
            distance = metrics.squared_distance(reconstruction, self._calibration.mean)
            self._write("reconstruction_squared_distance", rows, distance.cpu(), keep)
        if self._error_direction is not None:
            along = (x.float() - reconstruction.float()) @ self._error_direction
            self._write(ERROR_PROJECTION, rows, along.cpu(), keep)
        if self._written is not None:
            for name, values in self._written.columns(x, reconstruction).items():
                self._write(name, rows, values.cpu(), keep)

    def losses(
        self, rows: slice, text: Tensor, position: Tensor, columns: dict[str, Tensor]
    ) -> None:
        """Record losses (N,) of the tokens at (text of the batch, position), each index (N,)."""
        place = (text.cpu().numpy(), position.cpu().numpy())
        for name in WITHOUT_LAST_POSITION & columns.keys() & self._columns.keys():
            self._columns[name][rows][place] = columns[name].double().cpu().numpy()

    def table(self) -> ContextTable:
        """All that was recorded."""
        measured = measured_tokens(self._texts, slice(None)).numpy()
        return ContextTable.of(
            self._ref,
            self._columns,
            self._massive,
            self._position_sums(),
            documents=np.where(measured, self._texts.documents, np.int32(-1)),
        )

    def _write(self, name: str, rows: slice, values: Tensor, keep: Tensor) -> None:
        if name in self._columns:
            self._columns[name][rows] = torch.where(keep, values.double(), torch.nan).numpy()

    def _position_sums(self) -> PositionSums | None:
        if self._sums is None:
            return None
        counts, sums = self._counts.numpy(), self._sums.numpy()
        return PositionSums(counts[0], sums[0], counts[1], sums[1])
