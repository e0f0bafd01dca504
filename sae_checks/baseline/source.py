"""From `--sae-baseline` to a baseline: a file in a repository, or a measurement stored before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

from sae_checks.baseline.comparison import Cells, Source, make_baseline
from sae_checks.baseline.file import read_baseline
from sae_checks.baseline.identity import (
    Baseline,
    BaselineSae,
    Identity,
    key_of,
    pairing_terms,
    weights_digest,
)
from sae_checks.baseline.measured_before import Asked, find_measured, refuse_own
from sae_checks.baseline.paired import Terms
from sae_checks.errors import BaselineError
from sae_checks.judge.check import Check
from sae_checks.judge.thresholds import Thresholds
from sae_checks.options import Options, given
from sae_checks.records import Measurement
from sae_checks.records.place import CellKey, CellRef
from sae_checks.store.files import MANIFEST

FOLDER = "baselines"  # where names are looked for, seen from where pytest was started


def baseline_file(name: str) -> Path:
    """The file that a name or a path of `--sae-baseline` stands for, whether or not it is there."""
    if name.endswith(".json"):
        return Path(name)
    # A folder that happens to be called as the baseline is does not hide it.
    return Path(FOLDER) / f"{Path(name).name if Path(name).is_dir() else name}.json"


def find_baseline(
    options: Options, asked: Asked, stored: Callable[[Path], StoredBaseline]
) -> Source:
    """The baseline that is asked for.

    Args:
        options: of the run; `baseline` names it.
        asked: what the run measures, and where to; for releases that were measured before.
        stored: the baseline that a stored measurement makes, by its folder.

    Raises:
        BaselineError: there is none of that name, or it is the very measurement that the run makes.
    """
    name = options.baseline
    assert name is not None, "asked for only where there is one"
    path = Path(name)
    if path.is_dir() and (path / MANIFEST).is_file():
        refuse_own(name, path, asked)
        return stored(path)
    file = baseline_file(name)
    if file.is_file():
        return FileBaseline(name, read_baseline(file), str(file))
    if name.endswith(".json"):
        raise BaselineError(
            f"--sae-baseline {name}: there is no such file; write it with --sae-baseline-update"
        )
    return stored(find_measured(options.store, name, asked, file))


@dataclass(frozen=True)
class FileBaseline:
    """A baseline as a file has it."""

    name: str
    baseline: Baseline
    path: str = ""

    @property
    def identity(self) -> Identity:
        """What it is."""
        made = self.baseline
        return _identity(made.release, f"file {self.path or self.name}", made.saes, made.written)

    @property
    def saes(self) -> Sequence[BaselineSae]:
        """Its SAEs."""
        return self.baseline.saes

    @property
    def pairing_terms(self) -> dict[str, object]:
        """What the candidate must agree with."""
        return dict(self.baseline.pairing_terms)

    def keys(self, check: Check) -> Sequence[CellKey]:
        """The cells of a check that it has."""
        return [key for key in sorted(self.baseline.cells) if key.check == check.name]

    def terms(self, key: CellKey) -> Terms | None:
        """On which a cell was judged; None where it is not there."""
        cell = self.baseline.cells.get(key)
        return None if cell is None else cell.terms

    def values(self, thresholds: Thresholds, checks: Sequence[Check]) -> Cells:
        """Their values, as they were when it was written."""
        return self.baseline.cells


class StoredBaseline:
    """A stored measurement, judged as the run is.

    Its tables and its manifest are read when it is made: what a run stores later does not change
    it.

    Args:
        folder: of the measurement.
        measurement: as it is stored.
        cells: the cells of a check on it.

    Raises:
        BaselineError: it stopped where verdicts were clear, at other texts than the run's.
    """

    def __init__(
        self, folder: Path, measurement: Measurement, cells: Callable[[Check], Sequence[CellRef]]
    ) -> None:
        self.name = measurement.release.name
        self._folder, self._measurement, self._cells = folder, measurement, cells
        if not measurement.complete:
            raise BaselineError(
                f"the baseline {folder} was measured only until its verdicts were clear, so that "
                "texts are missing to compare on; measure it with --sae-fixed"
            )

    @property
    def identity(self) -> Identity:
        """What it is; when it was measured is not recorded."""
        return _identity(self.name, f"measurement {self._folder}", self.saes)

    @property
    def saes(self) -> Sequence[BaselineSae]:
        """Its SAEs."""
        saes = self._measurement.release.saes
        return [BaselineSae(sae.sae_id, sae.hooks, sae.weights_key) for sae in saes]

    @cached_property
    def pairing_terms(self) -> dict[str, object]:
        """What the candidate must agree with."""
        return pairing_terms(self._measurement)

    def keys(self, check: Check) -> Sequence[CellKey]:
        """The cells of a check that it has."""
        found = (key_of(check, ref) for ref in self._cells(check))
        return [key for key in found if key is not None]

    def terms(self, key: CellKey) -> Terms | None:
        """None: its cells are judged as the run's are."""
        return None

    def values(self, thresholds: Thresholds, checks: Sequence[Check]) -> Cells:
        """Their values, with this run's definitions of what is judged."""
        cells = [(check, ref) for check in checks for ref in self._cells(check)]
        return make_baseline(self._measurement, thresholds, cells).cells


def _identity(
    release: str, origin: str, saes: Sequence[BaselineSae], written: str = ""
) -> Identity:
    digest = weights_digest((sae.sae_id, sae.weights_key) for sae in saes)
    return Identity(release, origin, len(saes), digest, written)


@dataclass(frozen=True)
class WrittenBaseline:
    """A baseline that was written: its file, how many cells and SAEs it has, and its bytes."""

    file: Path
    cells: int
    saes: int
    size: int


def write_from(
    name: str,
    measurement: Measurement,
    thresholds: Thresholds,
    cells: Sequence[tuple[Check, CellRef]],
) -> WrittenBaseline:
    """Write the baseline that a run makes, to the file that a name or a path stands for."""
    from sae_checks.baseline.file import write_baseline

    file = baseline_file(name)
    baseline = make_baseline(measurement, thresholds, cells)
    write_baseline(file, replace(baseline, written=date.today().isoformat()))
    return WrittenBaseline(file, len(baseline.cells), len(baseline.saes), file.stat().st_size)


def refuse_baseline_options(options: Options) -> None:
    """Refuse what makes no sense together, before anything is looked up.

    Raises:
        BaselineError: an option that needs --sae-baseline stands alone, or names no file to write.
    """
    named = [each for each in given(options, "update", "compare") if each.target != "baseline"]
    if options.baseline is None and named:
        raise BaselineError(f"{named[0].name} needs --sae-baseline, which names the baseline")
    if options.baseline_force and not options.baseline_update:
        raise BaselineError(
            "--sae-baseline-force changes how a run ends that writes a baseline; it needs "
            "--sae-baseline-update"
        )
    comparing = [each for each in named if each.stage == "compare"]
    if options.baseline_update and comparing:
        raise BaselineError(
            f"{comparing[0].name} says how to compare, but --sae-baseline-update writes the "
            "baseline and compares nothing; leave one of the two out"
        )
    if options.baseline_update and Path(str(options.baseline)).is_dir():
        raise BaselineError(
            f"--sae-baseline {options.baseline} is a folder; --sae-baseline-update writes a file: "
            "name one that ends in .json, or give a name, for baselines/NAME.json"
        )
