"""Declared against measured: what a release says of its SAEs, beside what they do on texts.

Cut from the tables of the context evaluation; nothing is measured for it.
"""
