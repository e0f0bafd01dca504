"""A machine as the gate meets it: its caches, and a hub that answers or does not."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugin.gate_run import GateRun, run_gate

# Four texts that go past the training context, and a dozen items of each task.
BUDGET = ("--sae-context=256", "--sae-tokens=1024", "--sae-items=12")


@dataclass(frozen=True)
class Machine:
    """Runs the gate with caches of its own below a folder."""

    folder: Path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def run(self, endpoint: str, *arguments: str, **environment: str) -> GateRun:
        """One run of the bundled checks, with the hub at `endpoint`."""
        variables = {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(self.folder / "huggingface"),
            "NO_PROXY": "127.0.0.1",
            "OMP_NUM_THREADS": "1",  # the models are too small to share out
        }
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN"):
                patch.delenv(name, raising=False)
            for name, value in (variables | environment).items():
                patch.setenv(name, value)
            # What fails is told in the JUnit file; pytest looks all reports through for each.
            told = ("-rN", "--tb=no")
            return run_gate(self.folder, f"--sae-store={self.store}", *told, *arguments)


def unanswered_url() -> str:
    """An address at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"
