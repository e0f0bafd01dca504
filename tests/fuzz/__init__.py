"""Damaged inputs of every kind, read as the gate reads them."""
