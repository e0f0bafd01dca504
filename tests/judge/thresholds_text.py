"""A thresholds file that says all there is to say, and the checks that it is of."""

from __future__ import annotations

from sae_checks.judge.thresholds_file import CheckRules

CHECKS = {
    "delta_ce": CheckRules("nats"),
    "delta_ce_growth": CheckRules("times", ("floor",)),
    "l0": CheckRules("features"),
    "depth_trend": CheckRules("correlation"),
    "accuracy_drop": CheckRules("points"),
}

EXAMPLE = """\
[gate]
confidence = 0.9
claims_error = 0.03
ranges_error = 0.02
tasks = 5
undecided_claims = "pass"
undecided_ranges = "fail"
known_failures_strict = true

[checks.delta_ce]
max = 0.30
margin = 0.05
unit = "nats"
source = "a paper"

[[checks.delta_ce.override]]
release = "gpt2-small-*"
layer = [9, 10, 11]
max = 0.4
margin = 0.1
reason = "late layers"

[[checks.delta_ce.override]]
positions = "1:3"
report_only = true

[checks.delta_ce_growth]
max = 2
margin = 0.2
floor = 0.02
unit = "times"

[checks.depth_trend]
report_only = true
unit = "correlation"

[checks.accuracy_drop]
max = 5
margin = 3
unit = "points"

[[checks.accuracy_drop.override]]
task = "ioi*"
max = 2

[[known_failure]]
check = "delta_ce_growth"
release = "tales"
sae = "blocks.0.*"
positions = "64:255"
reason = "trained at 64 tokens"

[[known_failure]]
check = "accuracy_drop"
release = "tales"
task = "cbt-*"
reason = "long prompts"
"""

HEAD = '[checks.delta_ce]\nmax = 0.3\nmargin = 0.1\nunit = "nats"\n'  # four lines
