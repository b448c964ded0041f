"""Ranking: from candidates' similarities to scores, on arrays only."""
