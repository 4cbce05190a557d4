"""Numbers that depend on the seed and on what is built, and on nothing else."""

from __future__ import annotations

from hashlib import blake2b
from random import Random
from struct import Struct
from typing import Any, Final

from mltask_fixtures.contract import mint_node_id

NODES: Final = 3
"""The nodes of the one small cluster that all payloads of a factory come from."""
_PAIRS: Final = Struct(">QQ").iter_unpack
_STATE: Final = (1 << 128) - 1
_MULTIPLIER: Final = 0x2360ED051FC65DA44385DF649FCCF645


class Draws:
    """The numbers of payloads: two of 64 bits each, a pure function of (key, what, n).

    They are drawn whether they are needed or not, so what one rule takes or leaves changes no other field. One digest
    has the numbers of four neighbours, and the last digest is kept.
    """

    __slots__ = ("_keyed", "_last")

    def __init__(self, key: bytes, what: str) -> None:
        """Take the factory's key, and what is built."""
        self._keyed = blake2b(f"{what}:".encode(), key=key)
        self._last: tuple[int, list[tuple[int, int]]] = -1, []

    def numbers(self, n: int) -> tuple[int, int]:
        """Draw the two numbers of payload n."""
        block, drawn = self._last
        if block != n >> 2:
            block, keyed = n >> 2, self._keyed.copy()
            keyed.update(b"%d" % block)
            drawn = list(_PAIRS(keyed.digest()))
            self._last = block, drawn
        return drawn[n & 3]


class TextRandom(Random):
    """Randomness for the words of one text: seeding it costs next to nothing, as each text is seeded anew.

    The generator is a linear congruential one of 128 bits of which the upper half is used; that is plenty for words.
    """

    _state = 0

    def seed(self, a: Any = None, version: int = 2) -> None:  # noqa: ARG002 - the signature of random.Random
        """Begin again at a number."""
        self._state = int(a or 0) * _MULTIPLIER + 1 & _STATE

    def getrandbits(self, k: int, /) -> int:
        """Give k random bits."""
        bits = 0
        for _ in range(0, k, 64):
            self._state = self._state * _MULTIPLIER + 1 & _STATE
            bits = bits << 64 | self._state >> 64
        return bits >> -k % 64

    def random(self) -> float:
        """Give a number from 0 up to, not including, 1."""
        self._state = self._state * _MULTIPLIER + 1 & _STATE
        return (self._state >> 75) * 2**-53


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
