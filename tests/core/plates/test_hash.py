"""Content hashes, and remembering them."""

from __future__ import annotations

import hashlib
import os
import time

import pytest

from overscan.core.errors import UnreadableImageError
from overscan.core.plates import HashMemo, content_hash


def test_hash_is_blake2b_of_the_bytes(tmp_path):
    data = os.urandom((3 << 20) + 17)
    (tmp_path / "a").write_bytes(data)
    assert content_hash(tmp_path / "a") == hashlib.blake2b(data, digest_size=16).hexdigest()
    assert len(content_hash(tmp_path / "a")) == 32
    with pytest.raises(UnreadableImageError):
        content_hash(tmp_path / "none")


def test_memo_reads_a_settled_file_once(tmp_path, monkeypatch):
    from overscan.core.plates import _hash

    read = []

    def counted(path):
        read.append(path)
        return content_hash(path)

    path, memo = tmp_path / "a", HashMemo(database=tmp_path / "memo.sqlite", digest=counted)
    path.write_bytes(b"one")
    assert memo.hash(path) == memo.hash(path) == content_hash(path)
    assert len(read) == 2, "a file that was just written may still change within one tick of the clock"
    old = time.time() - 60
    os.utime(path, (old, old))
    assert memo.hash(path) == content_hash(path)
    assert len(read) == 3, "a time that was set back says nothing"
    monkeypatch.setattr(_hash, "_SETTLED_SECONDS", -60.0)  # as if all of it were long ago
    assert memo.hash(path) == memo.hash(path) == content_hash(path)
    assert len(read) == 4
    assert HashMemo(database=tmp_path / "memo.sqlite", digest=counted).hash(path) == content_hash(path)
    assert len(read) == 4

    path.write_bytes(b"two")
    os.utime(path, (old, old))
    assert memo.hash(path) == content_hash(path), "same size, inode and time, which somebody has set back"
    replacement = tmp_path / "b"
    replacement.write_bytes(b"six")
    os.utime(replacement, (old, old))
    replacement.replace(path)
    assert memo.hash(path) == content_hash(path), "same size and time, another inode"
    with pytest.raises(UnreadableImageError):
        memo.hash(tmp_path / "none")


def test_a_memo_that_cannot_be_used_is_done_without(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"one")
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"no database" * 500)
    for database in (damaged, tmp_path / "no folder" / "memo.sqlite"):
        assert HashMemo(database=database).hash(path) == content_hash(path)
