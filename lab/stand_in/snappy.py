"""Snappy's raw format (google/snappy, format_description.txt), in which upstream keeps the blocks of a recording.

What is packed here is not smaller: literals alone, which every reader of the format takes. Reading knows all of it.
"""

from __future__ import annotations

LITERAL = 1 << 16


class NotSnappyError(Exception):
    """What was to be unpacked is not in the format."""


def pack(data: bytes) -> bytes:
    """Return data in the format."""
    out, size = bytearray(), len(data)
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    for at in range(0, len(data), LITERAL):
        piece = data[at : at + LITERAL]
        out += bytes((61 << 2,)) + (len(piece) - 1).to_bytes(2, "little") + piece
    return bytes(out)


def unpack(packed: bytes) -> bytes:
    """Return what was packed. Raises NotSnappyError."""
    try:
        return _unpack(packed)
    except (IndexError, ValueError):
        raise NotSnappyError("ends too early") from None


def _unpack(packed: bytes) -> bytes:
    size, at, shift = 0, 0, 0
    while True:
        byte = packed[at]
        size |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    out = bytearray()
    while at < len(packed):
        tag, rest = packed[at] & 3, packed[at] >> 2
        at += 1
        if tag == 0:
            extra = max(0, rest - 59)
            length = (int.from_bytes(packed[at : at + extra], "little") if extra else rest) + 1
            at += extra
            out += packed[at : at + length]
            at += length
            continue
        width = {1: 1, 2: 2, 3: 4}[tag]
        offset = int.from_bytes(packed[at : at + width], "little") | ((rest >> 3) << 8 if tag == 1 else 0)
        length = (rest & 7) + 4 if tag == 1 else rest + 1
        at += width
        if not 0 < offset <= len(out):
            raise NotSnappyError("points before its beginning")
        for _ in range(length):
            out.append(out[-offset])
    if at != len(packed) or len(out) != size:
        raise NotSnappyError("is not as long as it says")
    return bytes(out)
