"""Tags and the other settings of objects, as S3 is told: whatever the policy file lets through, S3 takes."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pg_archiver.policies.object_settings import ObjectSettings


@given(st.dictionaries(st.text(max_size=140), st.text(max_size=300), max_size=12))
def test_what_is_taken_comes_back_from_the_header_and_what_is_not_names_the_tag(tags: dict[str, str]) -> None:
    try:
        taken = ObjectSettings(tags=tags)
    except ValidationError as refusal:
        told = str(refusal)
        assert re.search(r"tag '|tag \"|\d+ tags\. S3 allows 10", told)
        return
    header = taken.object_parameters.get("Tagging", "")
    assert header.isascii()
    assert dict(parse_qsl(header, keep_blank_values=True, strict_parsing=bool(header))) == tags


@given(
    st.dictionaries(
        st.from_regex(re.compile(r"[A-Za-z0-9 _.:/=+\-@]{1,128}"), fullmatch=True).filter(
            lambda name: not name.lower().startswith("aws:")
        ),
        st.from_regex(re.compile(r"[A-Za-z0-9 _.:/=+\-@]{0,256}"), fullmatch=True),
        max_size=10,
    )
)
def test_all_that_s3_allows_is_taken(tags: dict[str, str]) -> None:
    assert ObjectSettings(tags=tags).tags == tags


@pytest.mark.parametrize("length", [(129, 0), (1, 257)])
@pytest.mark.parametrize("sign", ["a", "\N{MATHEMATICAL SCRIPT CAPITAL A}"], ids=["one unit", "two units"])
def test_lengths_are_counted_as_s3_counts_them(length: tuple[int, int], sign: str) -> None:
    units = len(sign.encode("utf-16-le")) // 2
    name, value = (sign * -(-count // units) for count in length)
    with pytest.raises(ValidationError, match="1 to 128 characters, a value 256 at most"):
        ObjectSettings(tags={name: value})
    fitting = {sign * (128 // units): sign * (256 // units)}
    assert ObjectSettings(tags=fitting).tags == fitting


def test_without_settings_nothing_is_said() -> None:
    assert ObjectSettings().object_parameters == {}


def test_a_key_of_kms_and_sse_s3_are_told_apart() -> None:
    assert ObjectSettings(kms_key_id="k").object_parameters == {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "k",
    }
    assert ObjectSettings(encryption="AES256").object_parameters == {"ServerSideEncryption": "AES256"}
