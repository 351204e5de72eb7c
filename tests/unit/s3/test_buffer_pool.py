"""Buffers go from one upload to the next, and no more memory is kept than one upload uses."""

from __future__ import annotations

from pg_archiver.s3.buffer_pool import MOST_SPARE, BufferPool


def test_a_buffer_that_was_given_is_taken_again() -> None:
    pool = BufferPool(8)
    buffer = pool.take()
    assert len(buffer) == 8
    pool.give(buffer)
    assert pool.take() is buffer
    assert pool.take() is not buffer


def test_a_buffer_of_another_size_is_not_kept() -> None:
    pool = BufferPool(8)
    for size in (0, 7, 16):
        pool.give(bytearray(size))
    assert len(pool.take()) == 8


def test_no_more_is_kept_than_one_upload_uses() -> None:
    pool = BufferPool(8)
    given = [bytearray(8) for _ in range(MOST_SPARE + 1)]
    for buffer in given:
        pool.give(buffer)
    taken = [pool.take() for _ in given]
    assert sum(any(one is other for other in given) for one in taken) == MOST_SPARE
