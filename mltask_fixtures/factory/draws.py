"""Numbers that depend on the seed and on what is built, and on nothing else."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from mltask_fixtures.contract import mint_node_id

NODES: Final = 3
"""The nodes of the one small cluster that all payloads of a factory come from."""


class Draws:
    """The numbers of one payload: a pure function of (key, what, n).

    They are drawn in a fixed order and whether they are needed or not, so what one rule takes or leaves changes no
    other field.
    """

    __slots__ = ("_rest",)

    def __init__(self, key: bytes, what: str, n: int) -> None:
        """Take the factory's key, what is built, and its running number."""
        self._rest = int.from_bytes(blake2b(f"{what}:{n}".encode(), key=key).digest(), "big")

    def below(self, bound: int) -> int:
        """Draw a whole number from 0 up to, not including, `bound`; 512 bits are there to be spent."""
        self._rest, drawn = divmod(self._rest, bound)
        return drawn


def key_of(seed: int | str) -> bytes:
    """Turn a seed into the 64 bytes that key every draw; `1` and `"1"` are the same seed.

    Example:
        >>> key_of(1) == key_of("1")
        True
    """
    return blake2b(str(seed).encode("utf-8", "surrogatepass")).digest()


def cluster_of(key: bytes) -> tuple[tuple[str, bytes], ...]:
    """Give the nodes of the factory's cluster: node id, and the six bytes in the document ids that it mints."""
    nodes = []
    for number in range(NODES):
        raw = blake2b(b"node:%d" % number, key=key).digest()
        nodes.append((mint_node_id(raw[:16]), raw[16:22]))
    return tuple(nodes)
