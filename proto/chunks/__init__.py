"""Messages with a large chunk of bytes, to and from the wire with as few copies of it as gRPC lets us have.

What protobuf would do is done here by hand for one field, and by protobuf for all others. Services and clients read and
write the same bytes as with `overscan.v1` alone.
"""

from overscan.chunks._download import DownloadBuffer, DownloadChunk, read_download_chunk, write_download
from overscan.chunks._upload import UploadBuffer, UploadChunk, read_upload_chunk

CHUNK_BYTES = 1 << 20
"""Most bytes of data in one message."""

__all__ = [
    "CHUNK_BYTES",
    "DownloadBuffer",
    "DownloadChunk",
    "UploadBuffer",
    "UploadChunk",
    "read_download_chunk",
    "read_upload_chunk",
    "write_download",
]
