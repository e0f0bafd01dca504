"""`python -m sae_checks`: the commands of `sae_checks.cli`."""

from sae_checks.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
