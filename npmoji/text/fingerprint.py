"""Numbers that stand for strings, the same everywhere: FarmHash's 64-bit fingerprint, and SipHash-2-4 with a key. They
are what TensorFlow puts strings into buckets by.

    bucket(b"word", 10)              the fingerprint modulo 10
    bucket(b"word", 10, (3, 4))      the same of the keyed hash

Both are written down from their definitions: FarmHash's `Fingerprint64` (version 1.1, the variant without seeds), and
Aumasson and Bernstein, *SipHash: a fast short-input PRF*, 2012.
"""

from __future__ import annotations

from functools import lru_cache

ALL = (1 << 64) - 1  # numbers are modulo 2 to the 64
K0, K1, K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F
REMEMBERED = 1 << 16  # strings whose bucket is kept: those of texts come again and again


@lru_cache(REMEMBERED)
def bucket(data: bytes, buckets: int, key: tuple[int, int] | None = None) -> int:
    """The number of the bucket that a string goes into.

    >>> bucket(b"word", 1)
    0
    """
    return (fingerprint64(data) if key is None else siphash(data, key)) % buckets


def fingerprint64(data: bytes) -> int:
    """FarmHash's fingerprint.

    >>> hex(fingerprint64(b""))
    '0x9ae16a3b2f90404f'
    """
    size = len(data)
    if size > 64:
        return _long(data)
    if size > 32:
        return _of_33_to_64(data, size, K2 + 2 * size)
    if size > 16:
        return _of_17_to_32(data, size, K2 + 2 * size)
    return _of_0_to_16(data, size, K2 + 2 * size)


def _word(data: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(data[at : at + size], "little")


def _turned(x: int, by: int) -> int:
    x &= ALL
    return (x >> by | x << (64 - by)) & ALL


def _shifted(x: int) -> int:
    return x ^ x >> 47


def _mixed(u: int, v: int, by: int) -> int:
    """Two numbers as one."""
    a = _shifted((u ^ v) * by & ALL)
    return _shifted((v ^ a) * by & ALL) * by & ALL


def _of_0_to_16(data: bytes, size: int, by: int) -> int:
    if size >= 8:
        a, b = (_word(data, 0) + K2) & ALL, _word(data, size - 8)
        c, d = _turned(b, 37) * by + a & ALL, (_turned(a, 25) + b) * by & ALL
        return _mixed(c, d, by)
    if size >= 4:
        return _mixed(size + (_word(data, 0, 4) << 3), _word(data, size - 4, 4), by)
    if size:
        y, z = data[0] + (data[size >> 1] << 8), size + (data[-1] << 2)
        return _shifted((y * K2 ^ z * K0) & ALL) * K2 & ALL
    return K2


def _of_17_to_32(data: bytes, size: int, by: int) -> int:
    a, b = _word(data, 0) * K1, _word(data, 8)
    c, d = _word(data, size - 8) * by, _word(data, size - 16) * K2
    u, v = _turned(a + b, 43) + _turned(c, 30) + d, a + _turned(b + K2, 18) + c
    return _mixed(u & ALL, v & ALL, by)


def _of_33_to_64(data: bytes, size: int, by: int) -> int:
    a, b = _word(data, 0) * K2, _word(data, 8)
    c, d = _word(data, size - 8) * by, _word(data, size - 16) * K2
    y = _turned(a + b, 43) + _turned(c, 30) + d & ALL
    z = _mixed(y, a + _turned(b + K2, 18) + c & ALL, by)
    e, f = _word(data, 16) * by, _word(data, 24)
    g, h = (y + _word(data, size - 32)) * by, (z + _word(data, size - 24)) * by
    return _mixed(_turned(e + f, 43) + _turned(g, 30) + h & ALL, e + _turned(f + a, 18) + g & ALL, by)


def _long(data: bytes) -> int:
    """That of more than 64 bytes: block by block of 64, the last one overlapping with that before it."""
    x = 81
    y = x * K1 + 113 & ALL
    z = _shifted(y * K2 + 113 & ALL) * K2 & ALL
    x = x * K2 + _word(data, 0)
    state = x, y, z, (0, 0), (0, 0)
    over = (len(data) - 1) & 63
    for at in range(0, len(data) - 1 - over, 64):
        state = _block(data, at, state, K1, 1)
    x, y, z, v, w = state
    by = K1 + ((z & 0xFF) << 1)
    first = w[0] + over
    v = v[0] + first, v[1]
    w = first + v[0], w[1]
    x, y, z, v, w = _block(data, len(data) - 64, (x, y, z, v, w), by, 9)
    left = _mixed(v[0], w[0], by) + _shifted(y) * K0 + z
    return _mixed(left & ALL, _mixed(v[1], w[1], by) + x & ALL, by)


def _block(data: bytes, at: int, state: tuple, by: int, times: int) -> tuple:
    x, y, z, v, w = state
    x = _turned(x + y + v[0] + _word(data, at + 8), 37) * by ^ w[1] * times
    y = _turned(y + v[1] + _word(data, at + 48), 42) * by + v[0] * times + _word(data, at + 40)
    z = _turned(z + w[0], 33) * by
    v = _of_32(data, at, v[1] * by, x + w[0])
    w = _of_32(data, at + 32, z + w[1], y + _word(data, at + 16))
    return z & ALL, y & ALL, x & ALL, v, w


def _of_32(data: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(data, at + 8 * i) for i in range(4))
    a += w
    b = _turned(b + a + z, 21)
    c, a = a, a + x + y
    return a + z & ALL, b + _turned(a, 44) + c & ALL


def siphash(data: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 with the two halves of its key.

    >>> hex(siphash(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)))  # the example of its authors
    '0xa129ca6149be45e5'
    """
    k0, k1 = (half & ALL for half in key)
    state = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]
    whole = len(data) & ~7
    for at in range(0, whole, 8):
        state = _sip(state, _word(data, at), 2)
    state = _sip(state, _word(data, whole) | (len(data) & 0xFF) << 56, 2)
    state[2] ^= 0xFF
    a, b, c, d = _sip(state, 0, 4)
    return a ^ b ^ c ^ d


def _sip(state: list[int], word: int, rounds: int) -> list[int]:
    a, b, c, d = state
    d ^= word
    for _ in range(rounds):
        a, c = a + b & ALL, c + d & ALL
        b, d, a = _turned(b, 51) ^ a, _turned(d, 48) ^ c, _turned(a, 32)
        a, c = a + d & ALL, c + b & ALL
        d, b, c = _turned(d, 43) ^ a, _turned(b, 47) ^ c, _turned(c, 32)
    return [a ^ word, b, c, d]
