"""The summary at the terminal: as wide as it is, in colour only where there is any."""
