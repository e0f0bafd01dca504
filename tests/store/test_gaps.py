"""A table that was stopped within a block is gone on with, and judged by nobody before that."""

from __future__ import annotations

import re

import numpy as np
import pytest

from sae_checks.errors import StoreError
from tests import stored
from tests.store.grown import store_in
from tests.stored import read, sae_ref, sae_table, text_ref


def test_a_table_with_gaps_is_not_read_as_a_measurement(tmp_path):
    """The shortest items of a block come first: those that are there are no sample."""
    folder = stored.write_measurement(tmp_path)
    store, ref = store_in(tmp_path), text_ref(sae_ref(1))
    assert store.folder == folder
    table = sae_table(1)
    units = np.arange(table.texts)
    units[-1] += 5
    store.write(ref, table, units)
    message = (
        f"{folder} was being measured when its run was stopped: {sae_ref(1).sae_id} lacks units of "
        "texts; run it again without --sae-measurements"
    )
    with pytest.raises(StoreError, match=f"^{re.escape(message)}$"):
        read(folder)
