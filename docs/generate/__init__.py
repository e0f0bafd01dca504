"""Makes what the docs say from what the code says: `python -m docs.generate`.

Pages are written by hand, but for the parts between `<!-- generated: NAME -->` and
`<!-- end -->`, and the pictures of the study. The tests hold all of them to be up to date.
"""
