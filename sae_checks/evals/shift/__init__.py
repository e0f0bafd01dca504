"""A second corpus: what the context evaluation measures there, against the first one."""
