"""Text that nobody trusts: in JSON, in scripts, in markup."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sae_checks.report.page.safe import json_for_script, jsonable, shown, without_folders


def test_what_is_not_seen_is_written_out():
    assert shown("a\x1b[31m\u202eb\u2028\x00\tc") == r"a\x1b[31m\u202eb\u2028\x00\x09c"
    assert shown("a\nb ΔCE ‖x‖ 中") == "a\nb ΔCE ‖x‖ 中"
    assert shown("\U000e0001") == r"\U000e0001"


def test_no_sign_can_end_a_script():
    written = json_for_script({"</script>": "<!-- & >"})
    assert written == r'{"\u003c/script\u003e":"\u003c!-- \u0026 \u003e"}'


@given(st.text())
def test_json_in_a_script_is_what_is_shown(text):
    written = json_for_script([text])
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == [shown(text)]


def test_numbers_are_short_and_undefined_ones_null():
    assert jsonable([1 / 3, math.nan, math.inf, 2.0, 7, True, None]) == [
        *(0.33333, None, None, 2, 7, True, None)
    ]
    assert jsonable(np.array([1.23456789, np.nan])) == [1.2346, None]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_short_number_is_near(value):
    assert jsonable(value) == pytest.approx(value, rel=1e-4)


def test_what_is_no_data_is_refused():
    with pytest.raises(TypeError, match="a page cannot hold object"):
        jsonable(object())


def test_a_page_does_not_tell_where_files_lie(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    said = f"limits {tmp_path}/thresholds.toml, tables {tmp_path.parent}/.cache/x, in {tmp_path}"
    assert without_folders(said) == "limits thresholds.toml, tables ~/.cache/x, in ."
