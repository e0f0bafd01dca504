"""Judge: from tables and limits to verdicts; pure functions on numpy arrays, no torch, no pytest.

`estimate` is a value with its interval, `statistics` makes one from sums per text, `thresholds`
holds the limits, `verdict` compares the two.
"""
