"""Candidate generation: which mentions a search ranks, from a table, a server or several shards."""
