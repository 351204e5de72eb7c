"""The IAM policy in the docs allows what the archiver asks of S3, each action for a call that is made, and no more."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path

import pytest

from pg_archiver.airflow import free_space
from pg_archiver.policies.object_settings import ObjectSettings
from pg_archiver.s3 import bucket, uploads
from pg_archiver.s3.bucket import Bucket
from pg_archiver.s3.part_sizes import PartSizes
from pg_archiver.verify.verify_archive import verify
from tests.support.place import Place, hours_ago
from tests.support.restores import events, restored

POLICY = json.loads((Path(__file__).parents[3] / "docs" / "iam-policy.json").read_text(encoding="utf-8"))
# What S3 wants for each call, by its own reference ("Actions, resources, and condition keys for Amazon S3").
NEEDED = {
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
}
# What it wants besides where a setting of the policy file adds a header to the calls that write.
NEEDED_BY_SETTING = {"acl": "s3:PutObjectAcl", "tags": "s3:PutObjectTagging"}


def allowed(service: str) -> set[str]:
    found: set[str] = set()
    for statement in POLICY["Statement"]:
        actions = statement["Action"]
        found |= {actions} if isinstance(actions, str) else set(actions)
    return {action for action in found if action.startswith(f"{service}:")}


def test_the_policy_allows_the_calls_that_are_made_and_no_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    small = Bucket(place.client, place.bucket, parts=PartSizes(first=1 << 16))
    monkeypatch.setattr(Place, "store", property(lambda _: small))
    made: set[str] = set()
    place.client.meta.events.register("before-call.s3.*", lambda model, **_: made.add(model.name))
    events(place, rows=25)
    place.sql(
        "INSERT INTO analytics.events (triggered_at, name) SELECT %s, string_agg(md5(n::text), '')"
        " FROM generate_series(1, %s) n",
        hours_ago(60),
        10_000,
    )
    place.archive()
    restored(place)
    with place.session() as session:
        assert verify(session, place.store, place.order).problems == []
    assert made == set(NEEDED), "all of them were made, so each action is needed"
    assert {NEEDED[call] for call in made} == allowed("s3") - set(NEEDED_BY_SETTING.values())


def test_settings_that_need_a_right_have_a_statement_of_their_own() -> None:
    for setting, right in NEEDED_BY_SETTING.items():
        assert setting in ObjectSettings.model_fields
        (statement,) = [one for one in POLICY["Statement"] if one["Action"] == right]
        assert statement["Sid"] == f"OnlyWith{setting.capitalize()}"


def test_no_other_call_is_in_the_code() -> None:
    code = "".join(inspect.getsource(module) for module in (bucket, uploads))
    called = set(re.findall(r"(?:client|lean)\.(\w+)\(", code))
    snakes = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for name in NEEDED} - {"list_objects_v2"}
    assert called == snakes | {"get_paginator"}


def test_the_disk_of_an_rds_instance_may_be_asked_for_and_nothing_else_of_cloudwatch() -> None:
    code = Path(free_space.__file__).read_text(encoding="utf-8")
    assert re.findall(r'client_type="(\w+)"\)\.conn\.(\w+)\(', code) == [("cloudwatch", "get_metric_statistics")]
    assert allowed("cloudwatch") == {"cloudwatch:GetMetricStatistics"}


def test_nothing_may_be_deleted_and_objects_may_be_encrypted() -> None:
    assert not [action for action in allowed("s3") if "Delete" in action or "*" in action]
    assert allowed("kms") == {"kms:GenerateDataKey", "kms:Decrypt"}
    assert {statement["Effect"] for statement in POLICY["Statement"]} == {"Allow"}
