"""A pytest process of its own that need not import torch, transformers and sae_lens again.

Those take five seconds, and measuring the demo on a few texts takes one. A server that has
imported them is forked for each run; the process then is pytest's as `python -m pytest` starts it,
with its own arguments, folder, output and exit code. Nothing of sae_checks or of pytest is imported
before, but for what those import. Where the environment is another one than the server's, which
libraries read when they are imported, a run has to start from the beginning; so it has to where a
folder of PYTHONPATH holds another module of an imported one's name.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import runpy
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

IMPORTED = (
    "sae_lens",
    "transformers",
    "transformers.models.gpt2.modeling_gpt2",
    "datasets",
    "pyarrow.parquet",
    "scipy.special",
    "rich.progress",
)
# Some of them have pytest plugins, whose assertions pytest then cannot rewrite: nobody needs it to.
AS_IMPORTED = ("-W", "ignore:Module already imported so cannot be rewritten")


def is_as_at_first(environment: Mapping[str, str]) -> bool:
    """Whether what is imported in this environment is what the server has imported in its own."""
    names = {"torch", *(name.partition(".")[0] for name in IMPORTED)}
    replaces = any(
        path.stem in names
        for folder in _paths(environment)
        if folder not in PATHS_AT_FIRST
        for path in Path(folder).iterdir()
    )
    return not replaces and _lasting(environment) == AT_FIRST


def _lasting(environment: Mapping[str, str]) -> dict[str, str]:
    """But for the test that runs, which pytest tells, and a folder that torch sets for its own."""
    passing = ("PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR", "PYTHONPATH")
    return {name: value for name, value in environment.items() if name not in passing}


def _paths(environment: Mapping[str, str]) -> list[str]:
    return [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]


AT_FIRST, PATHS_AT_FIRST = _lasting(os.environ), _paths(os.environ)


def run_preloaded(
    arguments: Sequence[str], cwd: Path, environment: Mapping[str, str], timeout: float
) -> tuple[int, str]:
    """Exit code and output of `python -m pytest`; TimeoutError past so many seconds."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(list(IMPORTED))
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "stdout", Path(folder) / "stderr"
        process = server.Process(
            target=_pytest, args=([*AS_IMPORTED, *arguments], cwd, dict(environment), told)
        )
        process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise TimeoutError(f"pytest {' '.join(arguments)} ran for more than {timeout:g} s")
        output = "".join(path.read_text(encoding="utf-8") for path in told)
        return process.exitcode, output


def _pytest(
    arguments: list[str], cwd: Path, environment: dict[str, str], told: tuple[Path, Path]
) -> None:
    """Become the process that `python -m pytest` would be; in the forked process."""
    gc.freeze()  # pytest collects garbage five times at its end: not among what was imported
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, path in enumerate(told, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), descriptor)
    first = _paths(environment)
    sys.path[:] = [str(cwd), *first, *(path for path in sys.path if path not in first)]
    sys.argv = ["pytest", *arguments]
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)
