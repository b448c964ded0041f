"""SIGKILL at random moments; set NER_KILLS=100 for many."""

import json
import os

import pytest

KILLS = int(os.environ.get("NER_KILLS", "12"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_index_survives_kills_at_random_moments(start, tmp_path):
    process = start(
        "import sys, kill_writes; kill_writes.main(sys.argv[1], int(sys.argv[2]), 20)",
        tmp_path,
        KILLS,
    )
    out, err = process.communicate(timeout=120 + 60 * KILLS)
    assert process.returncode == 0, err
    report = json.loads(out)
    assert report["bad"] == [], err
    assert report["killed"] >= KILLS // 3, report
