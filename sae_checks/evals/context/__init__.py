"""The context evaluation: figures per token of texts, by position."""
