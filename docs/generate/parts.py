"""Every part that a page may ask for, by name."""

from __future__ import annotations

from pathlib import Path

from docs.generate.limits import checks_by_topic, limits_of, overview
from docs.generate.options import options
from docs.generate.study import study_parts

DOCS = Path(__file__).resolve().parent.parent


def parts() -> dict[str, str]:
    """The checks of each topic with their limits, options, and the study's verdicts."""
    made = {f"checks of {topic}": limits_of(checks) for topic, checks in checks_by_topic().items()}
    fixed = {"topics": overview(), "options": options()}
    return made | fixed | study_parts()
