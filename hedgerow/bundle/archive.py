"""The archive: a tar.gz in which every byte counts. The same files give the same bytes on the same machine.

A gzip file has bytes that mean nothing: a time, a system, the bits that fill up the last byte. Here the header is fixed
and carries the sum of all that follows it, as gzip's own comment (RFC 1952, 2.3.1), which every tool reads past. So a
change of any byte shows, also of one that no tool would miss. It is no protection against a person: the signature is.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import tarfile
import zlib
from collections.abc import Mapping

from hedgerow.bundle import BundleError, Files

LARGEST = 512 * 1024 * 1024
"""Bytes of a bundle when unpacked; a real one has a few million."""
NAME = re.compile(r"(?!.*(^|/)\.{1,2}(/|$))[\w.@+-]+(/[\w.@+-]+)*")
"""What a file in a bundle may be called: nothing that leads out of the folder it is unpacked in."""
FIXED = b"\x1f\x8b\x08\x10" + 4 * b"\0" + b"\x02\xff"
"""gzip, deflate, a comment and nothing else, no time, best compression, no system named."""


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the archive. Raises ValueError for a name that may not stand in one."""
    tar = _tar(files)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    rest = squeeze.compress(tar) + squeeze.flush() + _trailer(tar)
    return _head(rest) + rest


def unpack(content: bytes) -> Files:
    """Return the files of an archive that `pack` made. Raises BundleError when a single byte is another."""
    length = len(_head(b""))
    if content[: len(FIXED)] != FIXED:
        raise BundleError("this is no bundle of Hedgerow's, or its first bytes were changed")
    head, rest = content[:length], content[length:]
    if head != _head(rest):
        raise BundleError("the archive was changed or cut off: its own sum does not fit")
    loosen = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        tar = loosen.decompress(rest, LARGEST)
    except zlib.error as error:
        raise BundleError(f"the archive cannot be unpacked: {error}") from None
    if not loosen.eof or loosen.unused_data != _trailer(tar):
        raise BundleError("the archive does not end where it says, or is far too large")
    files = _files(tar)
    if _tar(files) != tar:
        raise BundleError("the archive holds something beside its files")
    return files


def _head(rest: bytes) -> bytes:
    return FIXED + f"SHA-256 of what follows: {hashlib.sha256(rest).hexdigest()}".encode() + b"\0"


def _trailer(tar: bytes) -> bytes:
    return struct.pack("<II", zlib.crc32(tar), len(tar) & 0xFFFFFFFF)


def _tar(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(files.items()):
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot stand in a bundle")
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _files(tar: bytes) -> Files:
    files: Files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(tar), mode="r:") as opened:
            for member in opened:
                stream = opened.extractfile(member) if member.isreg() and NAME.fullmatch(member.name) else None
                if stream is None or member.name in files:
                    raise BundleError(f"the archive holds {member.name!r}, which is no file of a bundle")
                files[member.name] = stream.read()
    except tarfile.TarError as error:
        raise BundleError(f"the archive cannot be unpacked: {error}") from None
    return files
