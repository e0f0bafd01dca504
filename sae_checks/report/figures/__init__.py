"""The figures of a run: a file for each, all made of its tables and verdicts, drawn in two places.

A figure is data, no drawing (`figure.py`): the page draws it with Plotly (`report/page/assets`),
`--sae-figures` with matplotlib (`static.py`), and its table is what both write as CSV.
"""
