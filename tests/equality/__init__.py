"""Shows that two checkouts of the project give equal results on the bundled demo.

    python -m tests.equality OLD_CHECKOUT NEW_CHECKOUT

For a change that must change no figure: both checkouts measure and judge the demo, and every stored
column, every test case, every property and every message of theirs is compared.
"""
