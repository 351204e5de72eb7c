"""Messages of an etcd become events, each once, and are removed there."""

from __future__ import annotations

import pytest

from pg_archiver.errors import DatabaseRefused, SettingError
from pg_archiver.events import etcd_client
from pg_archiver.events.channels import EtcdSource, receive_channel
from pg_archiver.events.etcd_client import EtcdClient
from pg_archiver.ledger.locks import channel_lock
from tests.support.etcd_place import CHANNEL, EndsBeforeRemoving, Fed, SourceLostError
from tests.support.events import open_lane


def test_each_key_is_an_event_of_each_binding_and_goes(fed: Fed) -> None:
    fed.events.add_job("other")
    fed.events.open_channel(topic="", channel=CHANNEL, job="other")
    fed.etcd.put("/q/test/b", '{"n": 1}')
    fed.etcd.put("/q/test/a", '{"n": 2}')
    received = fed.receive()
    assert (received.messages, received.events, received.removed, received.left) == (2, 4, 2, 0)
    first, second = ({"key": "/q/test/b"}, {"n": 1}), ({"key": "/q/test/a"}, {"n": 2})
    assert fed.noted() == [first, first, second, second]
    assert fed.events.operations() == ["S"] * 4
    assert fed.etcd.list() == []
    assert fed.known() == 0


def test_the_next_reading_finds_nothing(fed: Fed) -> None:
    fed.etcd.put("/q/test/a")
    fed.receive()
    assert fed.receive().messages == 0
    assert len(fed.noted()) == 1


def test_what_lies_beside_the_prefix_stays(fed: Fed) -> None:
    beside = ["/q/test", "/q/test.old/a", "/q/test0", "/q/tesu/", "/Q/test/a", "q/test/a"]
    for key in beside:
        fed.etcd.put(key)
    received = fed.receive()
    assert (received.messages, received.removed, received.why_left) == (0, 0, "")
    assert sorted(fed.etcd.list()) == sorted(key.encode() for key in beside)


def test_a_reading_of_another_prefix_takes_nothing(fed: Fed) -> None:
    fed.etcd.put("/q/test/a")
    assert fed.receive(prefix="/q/other/").messages == 0
    assert fed.etcd.list() == [b"/q/test/a"]


def test_a_prefix_that_would_take_others_keys_is_refused(fed: Fed) -> None:
    for prefix in ("", "/", "/q/test", "a" * 1001 + "/"):
        with fed.client() as client, pytest.raises(SettingError, match="the prefix of a channel"):
            EtcdSource(client, prefix)


def test_what_ended_between_commit_and_removal_is_only_removed(fed: Fed) -> None:
    revision = fed.etcd.put("/q/test/a", "7")
    with pytest.raises(SourceLostError):
        fed.receive(EndsBeforeRemoving(etcd_client.EtcdServer(fed.etcd.server.url)))
    assert (len(fed.noted()), fed.etcd.list(), fed.known()) == (1, [b"/q/test/a"], 1)
    again = fed.receive()
    assert (again.messages, again.events, again.removed) == (0, 0, 1)
    assert (len(fed.noted()), fed.etcd.list(), fed.known()) == (1, [], 0)
    assert fed.etcd.put("/q/test/a", "7") > revision
    assert fed.receive().messages == 1


def test_a_value_that_is_put_meanwhile_stays_and_is_a_message_of_its_own(fed: Fed) -> None:
    class Overtaken(EtcdClient):
        def remove(self, keys):  # type: ignore[no-untyped-def]
            fed.etcd.put("/q/test/a", "2")
            return super().remove(keys)

    fed.etcd.put("/q/test/a", "1")
    fed.etcd.put("/q/test/b", "1")
    received = fed.receive(Overtaken(etcd_client.EtcdServer(fed.etcd.server.url)))
    assert (received.messages, received.removed) == (2, 1)
    assert fed.etcd.list() == [b"/q/test/a"]
    assert fed.receive().messages == 1
    assert [payload for _, payload in fed.noted()] == [1, 1, 2]
    assert (fed.etcd.list(), fed.known()) == ([], 0)


def test_a_key_that_is_put_anew_after_a_break_is_a_message_and_the_old_one_is_forgotten(fed: Fed) -> None:
    fed.etcd.put("/q/test/a", "1")
    with pytest.raises(SourceLostError):
        fed.receive(EndsBeforeRemoving(etcd_client.EtcdServer(fed.etcd.server.url)))
    fed.etcd.put("/q/test/a", "1")
    assert fed.receive().messages == 1
    assert (len(fed.noted()), fed.known()) == (2, 0)


def test_a_channel_without_a_binding_leaves_keys_where_they_are(fed: Fed) -> None:
    fed.etcd.put("/q/test/a")
    received = fed.receive(channel="/q/nobody")
    assert (received.messages, received.removed, received.left) == (0, 0, 1)
    assert "no binding of channel /q/nobody takes messages now" in str(received)
    assert fed.etcd.list() == [b"/q/test/a"]


@pytest.mark.parametrize(
    "switch",
    [
        "UPDATE archiver.bindings SET enabled = false",
        "UPDATE archiver.bindings SET suspended_at = now()",
        "UPDATE archiver.bindings SET removed_at = now()",
        "UPDATE archiver.capture SET enabled = false",
    ],
)
def test_where_nothing_is_noted_now_keys_stay(fed: Fed, switch: str) -> None:
    fed.etcd.put("/q/test/a")
    fed.events.place.sql(switch)
    assert fed.receive().left == 1
    assert (fed.etcd.list(), fed.noted(), fed.known()) == ([b"/q/test/a"], [], 0)


def test_many_pages_are_taken_in_the_order_in_which_they_were_put(fed: Fed) -> None:
    names = [f"/q/test/{number}" for number in range(1203, 0, -1)]
    fed.etcd.put_many(names)
    fed.etcd.put("/q/test/0")
    received = fed.receive()
    assert (received.messages, received.removed, fed.etcd.list()) == (1204, 1204, [])
    keys = [key["key"] for (key,) in fed.noted("key")]
    assert len(set(keys)) == 1204
    # Those of one transaction of etcd have one revision, and come by their keys.
    assert set(keys[:100]) == set(names[:100])
    assert keys[-1] == "/q/test/0"


def test_whoever_reads_at_the_same_time_leaves_it_to_the_first(fed: Fed) -> None:
    fed.etcd.put("/q/test/a")
    with open_lane(fed.events.place) as other, other.own.advisory_lock(channel_lock(CHANNEL), "the channel"):
        received = fed.receive()
    assert "another run reads them" in str(received)
    assert (fed.etcd.list(), fed.noted()) == ([b"/q/test/a"], [])
    assert fed.receive().messages == 1


def test_a_database_without_a_queue_is_refused(fed: Fed) -> None:
    fed.etcd.put("/q/test/a")
    fed.events.place.sql("DROP TABLE archiver.events CASCADE")
    with fed.client() as client, pytest.raises(DatabaseRefused, match="has no queue of events"):
        receive_channel(fed.events.session, EtcdSource(client, "/q/test/"), CHANNEL)
    assert fed.etcd.list() == [b"/q/test/a"]


def test_a_reading_that_is_told_to_stop_leaves_the_rest(fed: Fed) -> None:
    fed.etcd.put("/q/test/a")
    fed.events.session.stop.request()
    try:
        received = fed.receive()
    finally:
        fed.events.session.stop.forget()
    assert (received.messages, received.left, received.why_left) == (0, 1, "the task was told to stop")


def test_a_message_has_its_place_in_the_topic_that_it_names(fed: Fed) -> None:
    fed.events.open_channel(topic=".who", channel="/q/topics")
    fed.etcd.put("/q/test/a", '{"who": "x"}')
    fed.etcd.put("/q/test/b", "no object")
    fed.receive(channel="/q/topics")
    assert [topic for (topic,) in fed.noted("topic")] == [["x"], [None]]
