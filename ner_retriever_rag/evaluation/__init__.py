"""Evaluation of retrieval by type: tasks, metrics, systems, reports, and the layer probe."""
