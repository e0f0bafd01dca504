"""The records that pass from stage to stage: what a release is, and what was measured on it.

Everything here is frozen data, and imports neither torch nor pytest, so that judging and reporting
start in a moment.
"""

from sae_checks.records.arrays import BoolArray, FloatArray, IntArray
from sae_checks.records.dataset import CorpusRef, DatasetRef, TableRef
from sae_checks.records.declared import Declared, DeclaredFigure
from sae_checks.records.manifest import DatasetEntry, Manifest, SaeEntry
from sae_checks.records.measurement import Measurement, by_key
from sae_checks.records.release import (
    FEATURE_WINDOW,
    AnswerScoring,
    ModelLoading,
    PositionRange,
    Release,
    SaeRef,
    Source,
    TaskRef,
)
from sae_checks.records.table import (
    GROUPS,
    SHIFT,
    TEXT_DATASETS,
    TEXTS,
    Intervention,
    SideTable,
    Table,
    TableKey,
    dealt_out,
)

__all__ = [
    "FEATURE_WINDOW",
    "GROUPS",
    "SHIFT",
    "TEXTS",
    "TEXT_DATASETS",
    "AnswerScoring",
    "BoolArray",
    "CorpusRef",
    "DatasetEntry",
    "DatasetRef",
    "Declared",
    "DeclaredFigure",
    "FloatArray",
    "IntArray",
    "Intervention",
    "Manifest",
    "Measurement",
    "ModelLoading",
    "PositionRange",
    "Release",
    "SaeEntry",
    "SaeRef",
    "SideTable",
    "Source",
    "Table",
    "TableKey",
    "TableRef",
    "TaskRef",
    "by_key",
    "dealt_out",
]
