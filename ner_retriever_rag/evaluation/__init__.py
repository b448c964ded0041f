"""Measuring retrieval by type: tasks, metrics, systems side by side, reports, the layer probe."""
