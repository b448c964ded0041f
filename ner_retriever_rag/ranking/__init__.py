"""Candidates in, scores out: numbers only."""
