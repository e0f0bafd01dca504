"""The default limits on the published figures of gpt2-small-res-jb.

Source: Anders & Bloom (2024), "Examining Language Model Performance with Reconstructed Activations
using Sparse Autoencoders", published table of gpt2-small-res-jb by context position: 12 layers,
training context 128, means over 100 texts at each position, here averaged over ranges (0-based).
The published means are judged as if they were exact.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from sae_checks.evals.context.table import ContextTable
from sae_checks.judge.coverage import Coverage
from sae_checks.judge.estimate import Estimate
from sae_checks.judge.statistics import difference_of_shares
from sae_checks.judge.thresholds_file import CheckRules, read_thresholds
from sae_checks.judge.verdict import judge
from sae_checks.records import ModelLoading, PositionRange, SaeRef
from sae_checks.records.ranges import position_ranges
from sae_checks.session.suite import BUNDLED_THRESHOLDS, bundled_checks
from tests.places import cell_on_texts, place

CHECKS = {name: CheckRules(c.unit, c.parameters) for name, c in bundled_checks().items()}
THRESHOLDS = read_thresholds(BUNDLED_THRESHOLDS, CHECKS)
LAYERS = range(12)
RANGES = position_ranges(128, 1024)

# Rows: layers 0 to 11. Columns: 1:1 2:3 4:7 8:15 16:31 32:63 64:127.
DELTA_CE = """
    0.1024 -0.009034 0.0259 0.03471 0.01887 0.01885 0.02053
    0.07424 0.01576 0.0315 0.01359 0.02493 0.0161 0.01614
    0.01632 0.07795 0.05358 0.04082 0.09447 0.06014 0.07419
    0.01218 0.05077 0.07512 0.0804 0.1368 0.1347 0.1731
    0.04848 0.09134 0.1203 0.08649 0.1244 0.1172 0.1433
    0.05341 0.08545 0.09557 0.1202 0.1638 0.1382 0.1527
    0.05913 0.07166 0.1023 0.1371 0.1568 0.1338 0.1519
    0.04185 0.1114 0.1671 0.1656 0.151 0.1428 0.1695
    0.08273 0.1064 0.1199 0.1764 0.1481 0.1399 0.1584
    0.1281 0.1392 0.1438 0.2023 0.1491 0.1448 0.165
    0.1515 0.2317 0.2447 0.2351 0.1906 0.1981 0.209
    0.1645 0.2516 0.2374 0.2731 0.2342 0.2501 0.2357
"""
L0 = """
    10.67 18.23 16.41 17.6 16.13 11.98 11.81
    10.28 15.94 16.53 16.71 17.14 13.81 15.16
    12.15 18.99 20.96 21.74 21.16 17.59 18.94
    13.72 26.96 29.31 28.8 28.22 25.17 26.48
    13.61 31.14 35.58 35.23 35.44 32.77 34.23
    14.18 37.8 44.02 45.63 46.03 43.26 45.9
    15.8 41.41 49.45 51.11 52.12 50.42 53.07
    18.42 46.26 55.6 57.05 59.19 57.48 61.06
    20.47 49.03 58.74 63.15 66.19 65.99 70
    20.96 50.94 61.56 67.33 72.12 71.96 76.34
    16.5 37.62 45.43 50.62 54.68 55.01 58.64
    22.49 42.84 49.51 54.18 58.29 60.02 63.83
"""

# Columns: growth at 128:159 160:191 192:255 256:511 512:1022 over the mean at 1:127; of ΔCE with
# the floor of 0.02 nats, which raises layer 1's mean of 0.018.
GROWTH = {
    "delta_ce_growth": """
    1.051 39.92 212.5 308.4 330.4
    5.721 51.35 175 204.2 274.6
    6.005 26 58.26 101.9 150
    2.789 7.669 20.73 42.55 76.47
    2.277 6.743 19.66 32.09 68.53
    1.658 3.868 12.88 18.06 38.53
    1.53 2.172 9.078 14.66 25.58
    1.639 1.853 5.536 9.065 16.48
    1.575 1.592 3.301 6.46 8.942
    1.311 1.519 2.572 4.378 6.122
    1.178 1.255 1.569 2.857 3.813
    1.101 1.098 1.432 2.127 2.242
""",
    "l0_growth": """
    10.83 46.49 76.94 120.7 146.4
    1.026 1.754 7.358 30.57 89.29
    1.19 1.513 4.96 144.6 349.9
    1.053 1.184 2.01 58.74 248.9
    1.061 1.181 2.024 16.42 108.4
    1.102 1.14 1.688 6.906 50.47
    1.09 1.108 1.445 4.999 30.77
    1.112 1.114 1.321 4.225 23.73
    1.121 1.111 1.252 3.66 15.25
    1.132 1.131 1.259 3.291 11.86
    1.16 1.154 1.216 2.848 9.282
    1.148 1.142 1.259 2.916 5.618
""",
    "l1_growth": """
    1.697 4.62 10.79 16.85 21.8
    1.326 2.221 4.492 11.84 27.03
    1.342 2.29 5.745 73.3 278.6
    1.177 1.607 3.187 33.77 267.3
    1.136 1.498 2.882 11.58 104.3
    1.092 1.304 2.16 6.241 51.43
    1.068 1.178 1.752 4.792 31.51
    1.072 1.178 1.57 3.889 24.37
    1.076 1.155 1.433 3.484 15.62
    1.079 1.157 1.409 3.1 12.17
    1.078 1.107 1.251 2.613 8.437
    1.082 1.093 1.254 2.649 4.917
""",
    "mse_growth": """
    5.011 95.4 775.1 1504 2144
    2.006 9.287 45.29 401.6 1643
    1.974 9.808 134.1 27639 292497
    1.16 2.659 35.85 5709 179080
    1.127 2.386 24.54 362.9 17541
    1.054 1.589 9.654 92.43 2447
    1.04 1.27 5.215 45.93 673.1
    1.044 1.232 2.834 21.11 358.5
    1.046 1.161 1.902 15.34 137.1
    1.051 1.17 1.868 10.36 84.17
    1.063 1.135 1.387 5.694 38.43
    1.075 1.14 1.683 8.299 16.21
""",
    "norm_growth": """
    0.9723 0.9673 0.9667 0.9625 0.9666
    0.9626 0.964 0.9652 0.9595 0.9597
    0.9865 0.9878 0.9876 0.9878 0.9902
    0.9882 0.9907 0.9897 0.9884 0.9822
    0.9897 0.9915 0.9901 0.9883 0.9848
    0.9865 0.989 0.9865 0.9848 0.9786
    0.9896 0.9913 0.9904 0.9892 0.9844
    0.9884 0.99 0.9882 0.99 0.9869
    0.9921 0.994 0.9922 0.9965 0.9982
    0.9894 0.9884 0.9863 0.9857 0.9868
    0.9884 0.9864 0.9849 0.9827 0.9849
    0.9739 0.9693 0.9681 0.9668 0.9705
""",
}

# Layers that fail at each of those ranges.
FAILING = {
    "delta_ce_growth": [range(1, 5), range(7), range(10), LAYERS, LAYERS],
    "l0_growth": [range(1), range(1), range(5), LAYERS, LAYERS],
    "l1_growth": [range(0), range(3), range(6), LAYERS, LAYERS],
    "mse_growth": [range(2), range(5), range(8), LAYERS, LAYERS],
    "norm_growth": [range(0)] * 5,
}

# Mean ΔCE in windows of 16 positions: 1:15 16:31 32:47 ... 240:255.
WINDOWS = """
    0.031 0.019 0.019 0.019 0.024 0.020 0.016 0.022 0.031 0.013 0.242 1.446 3.529 4.449 4.896 5.096
    0.023 0.025 0.017 0.015 0.022 0.014 0.016 0.013 0.043 0.186 0.442 1.612 3.065 3.651 3.734 3.554
    0.048 0.094 0.068 0.052 0.073 0.062 0.092 0.069 0.209 0.633 1.381 2.261 3.357 3.945 4.416 4.610
    0.070 0.137 0.156 0.114 0.098 0.160 0.220 0.215 0.283 0.535 1.027 1.223 1.975 2.920 3.463 3.805
    0.094 0.124 0.135 0.100 0.102 0.128 0.165 0.178 0.193 0.392 0.740 0.993 1.368 2.259 2.990 3.485
    0.105 0.164 0.142 0.135 0.115 0.138 0.175 0.183 0.230 0.250 0.404 0.716 1.031 1.566 2.217 2.646
    0.114 0.157 0.151 0.116 0.110 0.140 0.170 0.187 0.214 0.225 0.239 0.384 0.428 0.973 1.673 2.135
    0.151 0.151 0.158 0.127 0.135 0.152 0.177 0.214 0.242 0.277 0.257 0.329 0.388 0.624 1.062 1.429
    0.146 0.148 0.150 0.130 0.141 0.155 0.169 0.168 0.241 0.234 0.225 0.256 0.278 0.365 0.554 0.796
    0.173 0.149 0.158 0.132 0.143 0.163 0.180 0.174 0.209 0.208 0.215 0.268 0.295 0.328 0.427 0.584
    0.232 0.191 0.204 0.192 0.191 0.213 0.214 0.218 0.237 0.249 0.235 0.283 0.292 0.266 0.325 0.413
    0.253 0.234 0.244 0.256 0.223 0.238 0.251 0.230 0.251 0.280 0.263 0.266 0.316 0.295 0.364 0.406
"""


# On tasks, 1000 items each: items that only the clean model answers right, those that only the
# spliced one does, mean Δ ln p, Spearman's correlation of Δ ln p and mean norm; layers 0 to 11.
TASKS = {
    "lambada": """
    22 12 0.007 -0.019
    35 17 -0.090 -0.046
    65 23 -0.425 0.010
    79 24 -0.667 -0.014
    85 22 -0.702 -0.014
    102 8 -0.913 -0.033
    105 17 -0.915 -0.013
    101 17 -0.947 -0.048
    111 14 -1.003 -0.017
    133 15 -1.220 0.050
    143 9 -1.613 0.062
    168 8 -1.871 0.013
""",
    "cbt": """
    419 1 -7.762 -0.220
    416 1 -5.923 -0.081
    419 0 -11.239 -0.501
    418 1 -10.901 -0.625
    417 0 -8.235 -0.546
    397 4 -5.473 -0.303
    380 9 -3.965 -0.077
    335 25 -3.179 -0.064
    268 33 -2.381 0.003
    239 36 -2.075 -0.023
    210 34 -1.743 0.043
    176 33 -1.413 0.093
""",
}
# Layers that fail, of accuracy_drop, delta_ln_p and norm_correlation_delta_ln_p.
FAILING_TASKS = {
    "lambada": [range(3, 12), range(3, 12), range(0)],
    "cbt": [LAYERS, LAYERS, range(0)],
}
# Mean over pairs of layers of Spearman's correlation of Δ ln p over items.
AGREEMENT = {"lambada": 0.3874, "cbt": 0.4687}


def rows(text: str) -> list[list[float]]:
    return [[float(number) for number in line.split()] for line in text.strip().splitlines()]


def sae(layer: int) -> SaeRef:
    hook = f"blocks.{layer}.hook_resid_pre"
    loading = ModelLoading("gpt2-small")
    return SaeRef(hook, hook, layer, "hook_resid_pre", 128, 768, 24576, "standard", loading, "", "")


def holds(check: str, layer: int, positions: PositionRange | None, value: float) -> bool:
    ref = sae(layer)
    release = "gpt2-small-res-jb"
    limit = THRESHOLDS.limit(check, place(release, ref.sae_id, layer, ref.site, positions))
    point = Estimate(value, value, value, 0.0, 100, 100)
    return judge(point, limit).holds


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("check", "figures"), [("delta_ce", DELTA_CE), ("l0", L0)])
def test_the_study_passes_in_context(check, figures, layer) -> None:
    figures = rows(figures)[layer]
    for positions, value in zip(RANGES.in_context, figures, strict=True):
        assert holds(check, layer, positions, value), f"{positions}: {value}"


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("check", "figures"), [("delta_ce_evenness", DELTA_CE), ("l0_evenness", L0)]
)
def test_the_study_is_even_in_context(check, figures, layer) -> None:
    """Of the ranges from 4:7 up, none stands out as `source` says: by at most 1.35 times."""
    means = np.array(rows(figures)[layer])
    tokens = np.array([len(range(r.first, r.last + 1)) for r in RANGES.in_context])
    floor = dict(THRESHOLDS.checks[check].limit.parameters).get("floor", 0.0)
    largest = means[2:].max() / max(means @ tokens / tokens.sum(), floor)
    assert largest < 1.355
    assert holds(check, layer, None, largest)


@pytest.mark.parametrize("check", GROWTH)
def test_the_study_fails_past_its_context(check) -> None:
    growth = rows(GROWTH[check])
    for column, positions in enumerate(RANGES.past_context):
        failing = [
            layer for layer in LAYERS if not holds(check, layer, positions, growth[layer][column])
        ]
        assert failing == list(FAILING[check][column]), str(positions)


def usable_context(windows: list[float], layer: int) -> Estimate:
    """As measured on two equal texts that have the windows' mean at each of their positions."""
    delta = np.tile(np.repeat(windows, 16), (2, 1))
    delta[:, 0] = delta[:, -1] = math.nan
    columns = {"norm": np.ones_like(delta), "ce_clean": delta * 0, "ce_sae": delta}
    table = ContextTable.of(sae(layer), columns, np.zeros(delta.shape, dtype=bool))
    every = PositionRange(1, delta.shape[1] - 2)
    cell = cell_on_texts("gpt2-small-res-jb", table, "sae", every, "usable_context", THRESHOLDS)
    return cell.usable_context(cell.limit("delta_ce").max, int(cell.parameter("window")))


def test_the_usable_context_of_early_layers_fails() -> None:
    usable = [usable_context(rows(WINDOWS)[layer], layer).value for layer in LAYERS]
    assert usable == [
        1.375, 1.25, 1.125, 1.125, 1.125, 1.25, 1.375, 1.5, 1.625, 1.75, 1.875, 1.75
    ]  # fmt: skip
    failing = [layer for layer in LAYERS if not holds("usable_context", layer, None, usable[layer])]
    assert failing == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("task", TASKS)
def test_the_study_on_tasks(task) -> None:
    table = np.array(rows(TASKS[task]))
    drops = 100 * (table[:, 0] - table[:, 1]) / 1000
    checks = ("accuracy_drop", "delta_ln_p", "norm_correlation_delta_ln_p")
    for check, values, failing in zip(
        checks, (drops, table[:, 2], table[:, 3]), FAILING_TASKS[task], strict=True
    ):
        found = [layer for layer in LAYERS if not holds(check, layer, None, values[layer])]
        assert found == list(failing), check
    assert holds("layer_agreement", 0, None, AGREEMENT[task])


def test_which_layers_accuracy_decides_on_a_thousand_items() -> None:
    """Its interval is a point or two wide each way: near the limit, layers stay undecided."""
    status = []
    for only_clean, only_sae, *_ in rows(TASKS["lambada"]):
        drop = difference_of_shares(int(only_clean), int(only_sae), 1000, Coverage(0.95))
        status.append("pass" if drop.high <= 0.05 else "fail" if drop.low > 0.05 else "undecided")
    assert status == ["pass"] * 2 + ["undecided"] * 3 + ["fail"] * 7


def test_the_head_room_that_the_limits_state() -> None:
    """The sentences in `source` carry these figures."""
    figures = np.array(rows(DELTA_CE))
    assert figures[:, 3:].max() == figures[11, 3] == 0.2731
    assert figures[:, :2].max() == figures[11, 1] == 0.2516
    features = np.array(rows(L0))
    assert (features.min(), features.max()) == (10.28, 76.34)


@pytest.mark.parametrize("check", CHECKS)
def test_every_limit_says_where_it_comes_from(check) -> None:
    assert set(THRESHOLDS.checks) == set(CHECKS)
    assert THRESHOLDS.checks[check].limit.source
    assert all(override.reason for override in THRESHOLDS.checks[check].overrides)


@pytest.mark.parametrize("check", CHECKS)
def test_every_limit_has_a_margin(check) -> None:
    """And a margin never reaches as far as what the limit is there to catch: half of it at most."""
    limit = THRESHOLDS.checks[check].limit
    assert (limit.margin > 0) is not limit.report_only
    for end in (limit.min, limit.max):
        if end is not None and not limit.report_only:
            assert limit.margin <= 0.6 * abs(end)


def test_the_bundled_release_has_room() -> None:
    """A small model's SAEs may have an L0 of 2 and a ΔCE of 0.05 nats in every range."""
    for positions in position_ranges(64, 256).in_context:
        for check, value in [("l0", 2), ("l0", 40), ("delta_ce", 0.05), ("delta_ce", -0.01)]:
            assert holds(check, 0, positions, value)
