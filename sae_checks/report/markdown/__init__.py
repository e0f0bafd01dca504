"""A run's report in Markdown, as for a pull request: the verdict first, the rest folded."""
