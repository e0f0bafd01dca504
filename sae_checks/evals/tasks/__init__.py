"""The tasks evaluation: figures per item of tasks whose answers are known."""
