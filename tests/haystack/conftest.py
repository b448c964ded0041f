"""Haystack, where it is installed, without its telemetry."""

import os

import pytest

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
pytest.importorskip("haystack", reason="needs the extra [haystack]")
