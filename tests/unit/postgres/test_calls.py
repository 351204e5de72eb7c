"""What is kept of what a call says: so many bytes, and never half a character."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pg_archiver.postgres.calls import cut


@given(st.text(), st.integers(20, 100))
def test_a_text_is_cut_to_so_many_bytes_and_says_so(text: str, most: int) -> None:
    kept = cut(text, most)
    assert len(kept.encode()) <= most
    plain = text.replace("\x00", "")
    if len(plain.encode("utf-8", "replace")) <= most:
        assert kept == plain.encode("utf-8", "replace").decode()
    else:
        assert kept.endswith("… (cut)")
        assert plain.encode("utf-8", "replace").decode().startswith(kept.removesuffix(" … (cut)"))


def test_what_postgres_cannot_hold_is_left_out() -> None:
    assert cut("a\x00b\ud800", 20) == "ab?"
