"""Which ids came before, of more documents than there is room to keep the ids of."""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b

_DIGEST, _PLACE = 16, 8  # bytes of an id's hash, and of where it stood
_BUCKETS = 4096  # a bucket is searched through, so one should hold little


class SeenIds:
    """Ids with the place where each first stood, in 24 bytes an id.

    What is kept of an id is a hash of 128 bits: that two of a thousand million ids have the same is
    less likely than 1 in 10^20.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[int, bytearray] = defaultdict(bytearray)

    def place_of(self, doc_id: str) -> int | None:
        """Where an id stood; None for one that was not seen."""
        bucket, digest = self._find(doc_id)
        at = bucket.find(digest)
        return None if at < 0 else int.from_bytes(bucket[at + _DIGEST : at + _DIGEST + _PLACE])

    def add(self, doc_id: str, place: int) -> None:
        """Keep an id that was not seen before."""
        bucket, digest = self._find(doc_id)
        bucket += digest + place.to_bytes(_PLACE)

    def _find(self, doc_id: str) -> tuple[bytearray, bytes]:
        digest = blake2b(doc_id.encode(), digest_size=_DIGEST).digest()
        return self._buckets[int.from_bytes(digest[:2]) % _BUCKETS], digest
