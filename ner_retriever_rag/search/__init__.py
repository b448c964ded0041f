"""Search: scores candidates for a query, ranks them and groups them by document."""
