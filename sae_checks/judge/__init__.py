"""Judge: from tables and limits to verdicts; pure functions on numpy arrays, no torch, no pytest.

`cells` is what checks ask for estimates, `statistics` makes them, `thresholds` holds the limits,
`verdict` compares the two.
"""
