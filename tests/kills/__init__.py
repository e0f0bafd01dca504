"""Shows that a run of the gate may be killed at any moment, and loses nothing by it.

    python -m tests.kills --out RESULT.md [--moments N] [--seed N]

Runs of the bundled demo are killed (SIGKILL), at random moments and within writes, and started
again: tables and JUnit of the second run must equal those of an undisturbed one, to the bit.
"""
