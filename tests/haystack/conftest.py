"""Skip these tests if Haystack is not installed; turn its telemetry off."""

import os

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
pytest.importorskip("haystack", reason="needs the extra [haystack]")
