"""Numbers as people read them."""

from __future__ import annotations

import pytest

from pg_archiver.domain.sizes import say_given_back
from pg_archiver.domain.wording import say_count


@pytest.mark.parametrize(
    ("number", "noun", "plural", "words"),
    [
        (0, "row", "", "0 rows"),
        (1, "row", "", "1 row"),
        (1, "index", "indexes", "1 index"),
        (2, "index", "indexes", "2 indexes"),
        (1234567, "row", "", "1,234,567 rows"),
    ],
)
def test_a_count_has_its_noun_in_the_right_number(number: int, noun: str, plural: str, words: str) -> None:
    assert say_count(number, noun, plural) == words


def test_a_table_that_grew_gave_nothing_back() -> None:
    assert say_given_back(49_200) == "49.2 kB given back"
    assert say_given_back(-49_200) == "the table grew by 49.2 kB meanwhile"
    assert say_given_back(0) == "nothing given back"
