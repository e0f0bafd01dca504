"""The suite that a release is gated with: one file per family of claims, a few lines per check."""
