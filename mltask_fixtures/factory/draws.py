"""Numbers that depend on the seed and on what is built, and on nothing else."""

from __future__ import annotations

from hashlib import blake2b
from random import Random
from typing import Any, Final

from mltask_fixtures.contract import mint_node_id

NODES: Final = 3
"""The nodes of the one small cluster that all payloads of a factory come from."""
_STATE: Final = (1 << 128) - 1
_MULTIPLIER: Final = 0x2360ED051FC65DA44385DF649FCCF645


class Draws:
    """The numbers of one payload: a pure function of (key, what, n).

    They are drawn in a fixed order and whether they are needed or not, so what one rule takes or leaves changes no
    other field.
    """

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes, what: str, size: int = blake2b.MAX_DIGEST_SIZE) -> None:
        """Take the factory's key, what is built, and how many bytes its choices need."""
        self._keyed = blake2b(f"{what}:".encode(), key=key, digest_size=size)

    def number(self, n: int) -> int:
        """Draw one number of that size; every choice of payload n is a digit of it."""
        keyed = self._keyed.copy()
        keyed.update(b"%d" % n)
        return int.from_bytes(keyed.digest(), "big")


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
