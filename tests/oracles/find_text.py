"""Prints the files that hold a text, also inside what is packed: gzip and zstd streams anywhere in a file, ZIP members.

usage: find_text.py TEXT FOLDER...

It knows no format on purpose: a stream that begins with the magic number of gzip or zstd is unpacked wherever it lies.
"""

import io
import pathlib
import sys
import zipfile
import zlib

import pyarrow

LIMIT = 256 << 20


def gunzipped(data):
    unpack = zlib.decompressobj(31)
    try:
        return unpack.decompress(data, LIMIT)
    except zlib.error:
        return b""


def content_size(data):
    """What the head of a zstd frame says of its content (RFC 8878, 3.1.1.1); None where it says nothing."""
    descriptor = data[4]
    single, dictionary = descriptor >> 5 & 1, [0, 1, 2, 4][descriptor & 3]
    length = [single, 2, 4, 8][descriptor >> 6]
    at = 5 + (not single) + dictionary
    number = int.from_bytes(data[at : at + length], "little")
    return None if length == 0 else number + (256 if length == 2 else 0)


def unzstd(data):
    stream, parts, size = pyarrow.CompressedInputStream(pyarrow.BufferReader(data), "zstd"), [], 0
    try:
        # One byte too many would be looked for in what follows the frame, and all be lost.
        if len(data) > 18 and (known := content_size(data)) is not None:
            return stream.read(min(known, LIMIT))
        while size < LIMIT and (part := stream.read(1 << 16)):
            parts.append(part)
            size += len(part)
    except OSError:
        pass  # The stream has ended and something else follows.
    return b"".join(parts)


STREAMS = [(b"\x1f\x8b\x08", gunzipped), (b"\x28\xb5\x2f\xfd", unzstd)]


def holds(text, data, depth=0):
    if text in data or text.decode().encode("utf-16-le") in data:
        return True
    if depth == 3:
        return False
    for magic, unpack in STREAMS:
        at = data.find(magic)
        while at >= 0:
            if holds(text, unpack(data[at:]), depth + 1):
                return True
            at = data.find(magic, at + 1)
    if data[:2] == b"PK" and zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(holds(text, archive.read(name), depth + 1) for name in archive.namelist())
    return False


text = sys.argv[1].encode()
for folder in sys.argv[2:]:
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if text in str(path).encode() or path.is_file() and holds(text, path.read_bytes()):
            print(path)
