"""Search: a query over candidates, ranked and grouped by document; what the doors ask."""
