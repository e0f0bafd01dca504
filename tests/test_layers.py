"""Which package imports which, and that nothing heavy comes with what needs none of it.

Imports are read from the sources, those for types and those within functions too.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_origin

import pytest

import sae_checks

ROOT = Path(sae_checks.__path__[0])

# A package may import what stands to its right, and what that may import, and itself.
NEXT = {
    "__main__": ("cli",),
    "plugin": ("faults",),
    "cli": ("faults",),
    "faults": ("report",),
    "report": ("session",),
    "session": ("baseline", "checking"),
    "baseline": ("evals",),
    "checking": ("evals",),
    "evals": ("measure", "judge"),
    "measure": ("load", "store"),
    "load": ("resolve",),
    "resolve": ("records",),
    "store": ("records",),
    "judge": ("records",),
    "options": ("records",),  # and the literal types of `judge`
    "records": (),
    "demo": (),
    "errors": (),
    "wording": (),
    "third_party": (),
}
# Every other package may import these; the demo is no more to the package than a release.
LEAVES = ("errors", "options", "wording", "third_party")
BUNDLED = {"demo": ("resolve", "load")}
# Reports know what a run gives them, the tables in it, and nothing else of the package.
OF_TABLES = (
    *("evals.activity.table", "evals.context.table", "evals.context.tokens"),
    *("evals.propagation.table", "evals.stack.tables", "evals.tasks.table"),
)
OF_REPORTS = (
    *("session.heaviest", "session.result", "session.words"),
    "resolve.model_order",  # in which order rows stand
    *("records", "judge", "errors", "wording", "report", *OF_TABLES),
)
# The names that an author of checks needs: `sae_checks` itself looks them up where they are.
PUBLIC = ("checking", "evals", "judge")

# torch is imported where models are run, and nowhere else.
WITH_TORCH = ("load", "measure", "faults", "demo")
MEASURING = (
    "ablation",
    "directions",
    "error_direction",
    "measuring",
    "recorder",
    "scores",
    "tally",
    "written",
)  # modules of evaluations
HEAVY = ("torch", "sae_lens", "transformer_lens", "transformers", "datasets")
LIGHT_PACKAGES = (
    *("baseline", "cli", "judge", "options", "plugin"),
    *("records", "report", "resolve", "session", "store"),
)
LIGHT_MODULES = (
    *("checking", "errors", "third_party", "wording"),
    *("evals.collect", "evals.kind", "evals.registry", "evals.selector"),
)


@dataclass(frozen=True)
class Import:
    """One import of a module: of which module, and of which name in it, if any."""

    importer: str  # "report.summary", without the package; "" for the package itself
    module: str  # "sae_checks.judge.check", "torch"
    name: str | None
    line: int

    @property
    def package(self) -> str:
        return self.importer.partition(".")[0]

    @property
    def target(self) -> str | None:
        """What of this package is imported: "judge.check"; None of other packages."""
        whole = self.module if self.name is None else f"{self.module}.{self.name}"
        top, _, rest = (whole if self.module == "sae_checks" else self.module).partition(".")
        return rest if top == "sae_checks" else None

    @property
    def of(self) -> str | None:
        """The package, or module, of ours that is imported."""
        return None if self.target is None else self.target.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.importer or 'sae_checks'}:{self.line} imports {self.target or self.module}"


def all_imports(root: Path) -> Iterator[Import]:
    """Every import of every module below a folder, wherever in the module it stands."""
    for path in sorted(root.rglob("*.py")):
        importer = ".".join(path.relative_to(root).with_suffix("").parts)
        importer = importer.removesuffix("__init__").removesuffix(".")
        yield from imports_of(importer, path.read_text(encoding="utf-8"))


@cache  # copies of the package differ in one module
def imports_of(importer: str, source: str) -> tuple[Import, ...]:
    """The imports of one module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [Import(importer, each.name, None, node.lineno) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer}:{node.lineno} is a relative import"
            module = node.module or ""
            found += [Import(importer, module, each.name, node.lineno) for each in node.names]
    return tuple(found)


def allowed(package: str) -> set[str]:
    """The packages that one may import by the chain."""
    found = {package}
    for following in NEXT[package]:
        found |= allowed(following)
    return found


def is_allowed(each: Import) -> bool:
    """Whether an import keeps to the directions."""
    package, of, target = each.package, each.of, each.target
    if of is None or target is None:
        return True
    if package == "":
        return of in PUBLIC
    if package == "report":
        return any(target == known or target.startswith(f"{known}.") for known in OF_REPORTS)
    if package == "options" and of == "judge":
        imported = getattr(importlib.import_module(each.module), each.name or "", None)
        return get_origin(imported) is Literal
    if of in LEAVES:
        return package not in LEAVES or package == of or package == "options"
    return of in allowed(package) or package in BUNDLED.get(of, ())


def may_import(each: Import) -> bool:
    """Whether a module may import torch, or pytest, if that is what it imports."""
    top, package = each.module.partition(".")[0], each.package
    if top == "torch":
        of_evaluation = package == "evals" and each.importer.rpartition(".")[2] in MEASURING
        return package in WITH_TORCH or of_evaluation
    return package == "plugin" if top in ("pytest", "_pytest") else True


def offences(root: Path) -> list[str]:
    """The imports below a folder that go against the directions."""
    return [str(i) for i in all_imports(root) if not (is_allowed(i) and may_import(i))]


def circles(root: Path) -> list[tuple[str, ...]]:
    """Packages that import each other, directly or by way of others: one way round of each."""
    edges: dict[str, set[str]] = {}
    for each in all_imports(root):
        if each.package and each.of is not None and each.of != each.package:
            edges.setdefault(each.package, set()).add(each.of)
    found = set()

    def walk(path: tuple[str, ...]) -> None:
        for following in sorted(edges.get(path[-1], ())):
            if following == path[0]:
                found.add(path)
            elif following > path[0] and following not in path:
                walk((*path, following))

    for package in sorted(edges):
        walk((package,))
    return sorted(found)


def test_every_package_has_its_place():
    parts = {path.stem for path in ROOT.iterdir() if path.suffix == ".py"}
    parts |= {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    assert parts - {"__init__"} == NEXT.keys()


def test_imports_keep_to_the_directions():
    assert offences(ROOT) == []


def test_there_are_no_circles_between_packages():
    assert circles(ROOT) == []


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The package's sources, to add an import to."""
    copy = tmp_path / "sae_checks"
    sources = shutil.ignore_patterns("__pycache__", "*.safetensors", "*.html", "*.js")
    shutil.copytree(ROOT, copy, ignore=sources)
    return copy


FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
IN_A_FUNCTION = "def function():\n    "


@pytest.mark.parametrize(
    ("module", "before", "statement", "imported"),
    [
        ("judge.verdict", "", "from sae_checks.evals.registry import kind_named", "evals.registry"),
        ("store.store", "", "import sae_checks.measure.plan", "measure.plan"),
        ("load.documents", FOR_TYPES, "from sae_checks.store import Store", "store"),
        ("session.session", IN_A_FUNCTION, "from sae_checks import report", "report"),
        ("measure.run", IN_A_FUNCTION, "import sae_checks.evals.kind as kind", "evals.kind"),
        ("report.summary", FOR_TYPES, "from sae_checks.session.gate import Gate", "session.gate"),
        ("report.words", "", "from sae_checks.options import Options", "options"),
        ("report.words", "", "from sae_checks.evals.kind import kind_of", "evals.kind"),
        ("options.record", "", "from sae_checks.judge.thresholds import Limit", "judge.thresholds"),
        ("options.record", "", "from sae_checks.resolve import find", "resolve"),
        ("wording", "", "from sae_checks.errors import UserError", "errors"),
        ("demo.stories", "", "from sae_checks.records import SaeRef", "records"),
        ("judge.check", "", "from sae_checks.demo import stories", "demo"),
        ("faults.trial", "", "from sae_checks.plugin import item", "plugin"),
        ("report.plan", IN_A_FUNCTION, "import torch", "torch"),
        ("evals.tasks.cells", "", "from torch import Tensor", "torch"),
        ("session.gate", "", "import pytest", "pytest"),
    ],
)
def test_one_import_against_the_direction_is_found(copied, module, before, statement, imported):
    line = append(copied, module, f"{before}{statement}") + before.count("\n")
    assert offences(copied) == [f"{module}:{line} imports {imported}"]


def test_a_circle_is_found(copied):
    append(copied, "load.documents", "import sae_checks.store.files")
    assert circles(copied) == []  # the store does not import what loads
    append(copied, "store.files", "import sae_checks.load.texts")
    assert circles(copied) == [("load", "store")]


def append(root: Path, module: str, statements: str) -> int:
    """Add statements to a module; the number of their first line."""
    path = root.joinpath(*module.split(".")).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    path.write_text(f"{source}\n{statements}\n", encoding="utf-8")
    return source.count("\n") + 2


IMPORT_EACH = """
import importlib, json, sys

names, heavy = sys.argv[1].split(","), set(sys.argv[2].split(","))
brought = {}
for name in names:
    before = heavy & sys.modules.keys()
    importlib.import_module(name)
    brought[name] = sorted((heavy & sys.modules.keys()) - before)
json.dump(brought, sys.stdout)
"""


def brought_by(names: list[str], path: Path | None = None) -> dict[str, list[str]]:
    """The heavy libraries that each module brings, in one process that imports them in turn."""
    environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
    command = [sys.executable, "-c", IMPORT_EACH, ",".join(names), ",".join(HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    brought: dict[str, list[str]] = json.loads(done.stdout)
    return brought


def light_modules() -> list[str]:
    below = [
        name
        for package in LIGHT_PACKAGES
        for _, name, _ in pkgutil.walk_packages(
            [f"{sae_checks.__path__[0]}/{package}"], f"sae_checks.{package}."
        )
    ]
    return ["sae_checks", *below, *(f"sae_checks.{name}" for name in LIGHT_MODULES)]


def test_light_modules_bring_nothing_heavy():
    names = light_modules()
    assert {"sae_checks.judge.statistics", "sae_checks.store.store"} <= set(names)
    assert brought_by(names) == {name: [] for name in names}


def test_the_test_of_heavy_modules_can_fail(tmp_path: Path):
    (tmp_path / "torch.py").write_text("", encoding="utf-8")
    (tmp_path / "offender.py").write_text("import torch\n", encoding="utf-8")
    names = ["sae_checks.records", "offender"]
    assert brought_by(names, tmp_path) == {"sae_checks.records": [], "offender": ["torch"]}
