"""A database acts for its archive as long as it finds in S3 what its own ledger knows, and itself as it was."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dev.processes import LOCALHOST, free_port
from dev.s3 import RcloneS3
from pg_archiver.errors import OwnedElsewhere, SettingError, StorageInterrupted, Superseded
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.objects.object_keys import owner_key
from pg_archiver.postgres.session import Session
from pg_archiver.s3.bucket import Bucket
from tests.support.concurrency import at_once
from tests.support.owners import claim, confirm, forged, key_of, noted, refused_claim, refused_confirm, run, twin_of
from tests.support.place import EVENTS, Place

FIX = "start the run with the parameter adopt and a reason. If it is a copy, give it another 'prefix'"


def test_the_first_claim_notes_a_number_and_a_token_in_the_ledger_and_in_s3(place_on_both: Place) -> None:
    place = place_on_both
    claim(place, "run 1")
    assert place.keys() == [f"client={place.order.client}/_owner/00000001"]
    marker = json.loads(place.read(key_of(place, 1)))
    ((number, token, run_id, host, port, oid, adopted, read_back),) = noted(
        place, "number, token, run_id, host, port, database_oid, adopted, confirmed_at >= noted_at"
    )
    assert (number, run_id, adopted, read_back) == (1, "run 1", None, True)
    assert (host, port) == ("127.0.0.1", str(place.server.port))
    assert oid == place.sql("SELECT oid FROM pg_database WHERE datname = current_database()")[0][0]
    assert place.sql("SELECT system_identifier FROM archiver.owners") == place.sql(
        "SELECT system_identifier::text FROM pg_control_system()"
    )
    assert marker.pop("noted_at").endswith("Z")
    assert marker == {"format": 1, "client": place.order.client, "number": 1, "token": token, "run_id": "run 1"}
    confirm(place, "run 1")


def test_one_run_claims_once_and_the_next_run_goes_on(place_on_both: Place) -> None:
    for run_id in ("run 1", "run 1", "run 2", "run 2", "run 1"):
        claim(place_on_both, run_id)
    assert noted(place_on_both) == [(1, "run 1", None), (2, "run 2", None)]
    assert len(place_on_both.keys()) == 2


def test_two_runs_of_one_database_side_by_side_both_go_on(place_on_both: Place) -> None:
    claim(place_on_both, "run 1")
    claim(place_on_both, "backfill")
    for run_id in ("run 1", "backfill", "run 1"):
        confirm(place_on_both, run_id)


def test_a_run_that_begins_while_another_looks_hinders_it_not(place: Place) -> None:
    """Its number is in S3 when the other has read of the ledger what it had to know to ask S3."""
    claim(place, "run 1")
    client = place.s3.client()
    client.meta.events.register_first("before-call.s3.ListObjectsV2", lambda **_: claim(place, "backfill"))
    with run(place, "run 1", Bucket(client, place.bucket)) as ownership:
        ownership.confirm()
    assert len(place.keys()) == 2


def test_each_client_and_each_prefix_is_an_archive_of_its_own(place: Place) -> None:
    claim(place, "run 1")
    for other in (place.ordered(prefix="a/b"), place.ordered(client="a/b é%")):
        claim(other, "run 1")
        confirm(other, "run 1")
    assert "a/b/client=" in place.keys()[0]
    assert key_of(place.ordered(client="a/b é%"), 1) == "client=a%2Fb%20%C3%A9%25/_owner/00000001"
    assert len(place.keys()) == 3


def test_claims_of_one_run_at_once_are_one_and_those_of_two_runs_two(place_on_both: Place) -> None:
    for done in at_once([partial(claim, place_on_both, run_id) for run_id in ("run 1", "run 1", "run 2", "run 2")]):
        done.result()
    assert sorted(run_id for _, run_id, _ in noted(place_on_both)) == ["run 1", "run 2"]
    for run_id in ("run 1", "run 2"):
        confirm(place_on_both, run_id)


@pytest.mark.parametrize("state", ["noted", "written"])
def test_a_claim_that_died_half_way_hinders_nobody(place_on_both: Place, state: str) -> None:
    claim(place_on_both, "run 1")
    claim(place_on_both, "run 2")
    place_on_both.sql("UPDATE archiver.owners SET confirmed_at = NULL WHERE number = 2")
    if state == "noted":
        place_on_both.remove(key_of(place_on_both, 2))
    confirm(place_on_both, "run 1")
    assert "has not noted" in refused_confirm(place_on_both, "run 2")
    claim(place_on_both, "run 2")
    assert [number for number, _, _ in noted(place_on_both)] == [1, 2, 3]
    for run_id in ("run 1", "run 2"):
        confirm(place_on_both, run_id)


def test_a_first_claim_that_died_before_its_object_was_written_hinders_nobody(place: Place) -> None:
    claim(place, "run 1")
    place.sql("UPDATE archiver.owners SET confirmed_at = NULL")
    place.remove(key_of(place, 1))
    claim(place, "run 2")
    confirm(place, "run 2")


def test_a_run_that_has_never_claimed_deletes_nothing(place: Place) -> None:
    claim(place, "run 1")
    said = refused_confirm(place, "an older version's run")
    assert "run an older version's run has not noted in the ledger" in said
    assert "clear its task plan, or start another run" in said
    place.sql("DROP SCHEMA archiver CASCADE")
    assert "has not noted in the ledger" in refused_confirm(place, "run 1")


def test_anothers_token_under_our_number_refuses(place_on_both: Place) -> None:
    place = place_on_both
    claim(place, "run 1")
    place.write(key_of(place, 1), forged(place, 1))
    for said in (refused_claim(place, "run 2"), refused_confirm(place, "run 1"), refused_claim(place, "run 1")):
        assert "marker 1 in S3 has the token of another database" in said
        assert f"s3://{place.bucket}/{key_of(place, 1)} was written by run run x at 2026-01-02 03:04 UTC" in said
        assert FIX in said
    assert noted(place) == [(1, "run 1", None)]
    assert len(place.keys()) == 1


def test_a_newer_number_that_the_ledger_does_not_know_refuses(place_on_both: Place) -> None:
    place = place_on_both
    claim(place, "run 1")
    place.write(key_of(place, 4), forged(place, 4))
    for said in (refused_claim(place, "run 2"), refused_confirm(place, "run 1"), refused_claim(place, "run 1")):
        assert "S3 has marker 4, which is not in the ledger of this database (ends at 1)" in said
        assert "was written by run run x at 2026-01-02 03:04 UTC" in said
    assert "So nothing was archived or deleted. Fix: if this database" in refused_claim(place, "run 2")
    assert "So nothing more was deleted. Fix: if this database" in refused_confirm(place, "run 1")
    claim(place, "run 3", "it acts now")
    assert noted(place)[-1] == (5, "run 3", "it acts now")
    confirm(place, "run 3")


@pytest.mark.parametrize("content", [b"", b"{", b"x" * 100_000, b'{"format": 2}'], ids=["empty", "cut", "long", "new"])
def test_a_marker_that_cannot_be_understood_is_unknown(place: Place, content: bytes) -> None:
    claim(place, "run 1")
    place.write(key_of(place, 1), content)
    for said in (refused_claim(place, "run 2"), refused_confirm(place, "run 1")):
        assert "marker 1 is unknown: s3://" in said
        assert "is not a marker that this version can read" in said
    claim(place, "run 2", "looked at by hand")
    confirm(place, "run 2")


def test_a_marker_that_is_still_being_written_is_looked_at_once_more(place: Place) -> None:
    claim(place, "run 1")
    whole = place.read(key_of(place, 1))
    shown = [whole[:20], whole]
    client = place.s3.client()
    client.meta.events.register(
        "before-call.s3.GetObject", lambda **_: place.write(key_of(place, 1), shown.pop(0)) if shown else None
    )
    with run(place, "run 1", Bucket(client, place.bucket)) as ownership:
        ownership.confirm()
    assert not shown


@pytest.mark.parametrize("change", [{"client": "other"}, {"number": 7}])
def test_a_marker_of_another_place_is_unknown(place: Place, change: dict[str, Any]) -> None:
    claim(place, "run 1")
    token = noted(place, "token")[0][0]
    place.write(key_of(place, 1), forged(place, 1, token=token, **change))
    assert "marker 1 is unknown" in refused_claim(place, "run 2")


def test_what_is_no_marker_among_the_markers_refuses_until_it_is_gone(place: Place) -> None:
    claim(place, "run 1")
    stray = key_of(place, 1).removesuffix("00000001") + "readme"
    place.write(stray, b"hello")
    with run(place, "run 2") as ownership:
        for ask in (ownership.claim, ownership.find_hindrance):
            with pytest.raises(OwnedElsewhere, match="readme lies where the markers of this archive's owners are"):
                ask("a reason helps nothing here")
    place.remove(stray)
    claim(place, "run 2")


def test_the_mark_of_a_folder_made_in_the_console_is_nothing(moto_place: Place) -> None:
    moto_place.write(key_of(moto_place, 1).removesuffix("00000001"), b"")
    claim(moto_place, "run 1")
    confirm(moto_place, "run 1")


def test_an_s3_that_cannot_be_asked_is_not_an_empty_one(place: Place, tmp_path: Path) -> None:
    claim(place, "run 1")
    stopped = RcloneS3(tmp_path)
    stopped.endpoint_url = f"http://{LOCALHOST}:{free_port()}"
    with run(place, "run 1", Bucket(stopped.client(), place.bucket)) as ownership:
        for ask in (ownership.claim, ownership.confirm, ownership.reconfirm, ownership.find_hindrance):
            with pytest.raises(StorageInterrupted):
                ask()


def test_a_marker_that_somebody_deleted_refuses(place_on_both: Place) -> None:
    place = place_on_both
    claim(place, "run 1")
    claim(place, "run 2")
    place.remove(key_of(place, 2))
    assert "marker 2 is not in S3, though it was" in refused_confirm(place, "run 2")
    assert "marker 2 is not in S3, though it was" in refused_claim(place, "run 3")
    confirm(place, "run 1")
    place.remove(key_of(place, 1))
    for said in (refused_claim(place, "run 3"), refused_confirm(place, "run 1")):
        assert "the bucket lost objects, or it is another bucket of the same name" in said
    claim(place, "run 3", "the bucket was emptied by hand")
    assert noted(place)[-1] == (3, "run 3", "the bucket was emptied by hand")
    confirm(place, "run 3")


def test_a_lost_ledger_refuses(place_on_both: Place) -> None:
    place = place_on_both
    claim(place, "run 1")
    place.sql("DROP SCHEMA archiver CASCADE")
    said = refused_claim(place, "run 2")
    assert "S3 has marker 1, which is not in the ledger of this database (knows of none)" in said
    claim(place, "run 2", "the ledger was lost with the old server")
    assert noted(place) == [(2, "run 2", "the ledger was lost with the old server")]
    confirm(place, "run 2")


def test_a_connection_that_was_given_another_host_refuses(place: Place) -> None:
    claim(place, "run 1")
    for said in (
        refused_claim(place, "run 2", host="localhost"),
        refused_confirm(place, "run 1", host="localhost"),
    ):
        assert "the host of the connection was '127.0.0.1' and is 'localhost' now" in said
    claim(place, "run 2", "the address is another now", host="localhost")
    confirm(place, "run 2", host="localhost")
    assert "was 'localhost' and is '127.0.0.1' now" in refused_claim(place, "run 3")


def test_a_list_of_hosts_stays_one_whichever_of_them_answers(place: Place) -> None:
    hosts = ("127.0.0.1,localhost", f"{place.server.port},{place.server.port}")
    several = {"host": hosts[0], "port": hosts[1], "load_balance_hosts": "random"}
    for number in range(4):
        claim(place, f"run {number}", hosts=hosts, **several)
    assert set(noted(place, "host, port")) == {hosts}
    said = refused_claim(place, "run 5")
    assert f"the port of the connection was '{hosts[1]}' and is '{place.server.port}' now" in said


def test_an_address_stands_for_a_host_that_is_not_set(place: Place) -> None:
    claim(place, "run 1", host="", hostaddr="127.0.0.1")
    assert noted(place, "host") == [("127.0.0.1",)]


def test_a_database_that_was_dumped_and_loaded_again_refuses_by_its_oid(place: Place) -> None:
    claim(place, "run 1")
    before = noted(place, "database_oid")[0][0]
    environment = place.server.tool_environment(place.database)
    dump = subprocess.run([place.server.tool("pg_dump")], env=environment, check=True, capture_output=True).stdout
    with place.server.connect() as admin:
        admin.execute(f'DROP DATABASE "{place.database}" WITH (FORCE)'.encode())
    place.server.create_database(place.database)
    psql: list[str | Path] = [place.server.tool("psql"), "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--quiet"]
    subprocess.run(psql, env=environment, input=dump, check=True, capture_output=True)
    said = refused_claim(place, "run 2")
    assert f"the oid of the database was {before} and is " in said
    claim(place, "run 2", "moved by dump and restore")
    confirm(place, "run 2")


def test_an_identifier_that_may_not_be_asked_for_any_more_refuses(place: Place) -> None:
    place.sql(EVENTS)
    claim(place, "run 1")
    role = place.as_role("worker", "USAGE, CREATE ON SCHEMA archiver", "SELECT, INSERT, UPDATE ON archiver.owners")
    role.sql("GRANT SELECT ON ALL TABLES IN SCHEMA archiver TO PUBLIC")
    claim(role, "run 2")
    place.sql("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC")
    for said in (refused_claim(role, "run 3"), refused_confirm(role, "run 2")):
        assert "and this role may no longer ask for it" in said
        assert "grant it EXECUTE on function pg_catalog.pg_control_system()" in said
    claim(role, "run 3", "it is the same server")
    assert noted(place, "system_identifier IS NULL")[-1] == (True,)
    claim(role, "run 4")
    place.sql("GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO PUBLIC")
    claim(role, "run 5")
    assert noted(place, "system_identifier IS NULL")[-1] == (False,)


def test_a_reason_is_kept_even_where_nothing_hindered_and_counts_once_a_run(place: Place) -> None:
    claim(place, "run 1", "  to be on the safe side  ")
    claim(place, "run 1", "  to be on the safe side  ")
    assert noted(place) == [(1, "run 1", "to be on the safe side")]
    place.write(key_of(place, 2), forged(place, 2))
    said = refused_claim(place, "run 1", "to be on the safe side")
    assert "This run adopted the archive before, as number 1, and cannot do so twice" in said


@pytest.mark.parametrize("reason", ["", " ", "\n\t"])
def test_a_reason_of_white_space_is_none(place: Place, reason: str) -> None:
    with run(place, "run 1") as ownership:
        for ask in (ownership.claim, ownership.find_hindrance):
            with pytest.raises(SettingError, match="parameter adopt is empty"):
                ask(reason)
    assert (noted(place), place.keys()) == ([], [])


@pytest.mark.parametrize("ledger", ["none", "of an older version", "of this one"])
def test_a_dry_run_tells_without_writing_anything(place: Place, ledger: str) -> None:
    if ledger != "none":
        claim(place, "run 0")
        place.remove(key_of(place, 1))
    if ledger == "of an older version":
        place.sql("DROP TABLE archiver.owners")
    if ledger == "of this one":
        place.sql("DELETE FROM archiver.owners")

    def asked(adopt: str | None = None) -> str | None:
        dsn = {**place.server.dsn(place.database), "options": "-c default_transaction_read_only=on"}
        with Session.connect(lambda: psycopg.connect(**dsn), place.database, "test", writes=False) as session:
            return Ownership(session, place.store, place.order).find_hindrance(adopt)

    assert asked() is None
    place.write(key_of(place, 1), forged(place, 1))
    said = asked()
    assert said is not None
    assert "S3 has marker 1, which is not in the ledger of this database (knows of none)" in said
    assert "So a run that is no dry run would archive and delete nothing. Fix: if this database" in said
    assert asked("a person says so") is None
    assert place.keys() == [key_of(place, 1)]
    assert place.has_ledger() == (ledger != "none")


def test_between_batches_s3_is_asked_only_when_its_last_answer_is_old(place: Place) -> None:
    client = place.s3.client()
    calls: Counter[str] = Counter()
    client.meta.events.register("before-call.s3", lambda model, **_: calls.update([model.name]))
    listed: list[str] = []
    client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: listed.append(params["StartAfter"])
    )
    bucket = Bucket(client, place.bucket)
    for number in range(1, 4):
        claim(place, f"run {number}")
    with run(place, "run 3", bucket) as ownership:
        ownership.reconfirm()
        assert calls == {"ListObjectsV2": 1, "GetObject": 1}
        assert listed == [key_of(place, 2)]
        ownership.reconfirm()
        assert calls.total() == 2
        place.write(key_of(place, 4), forged(place, 4))
        ownership.reconfirm()
        assert calls.total() == 2
    with run(place, "run 3", bucket, timedelta(0)) as ownership:
        for _ in range(2):
            with pytest.raises(OwnedElsewhere, match="S3 has marker 4"):
                ownership.reconfirm()


def test_an_answer_that_refused_is_asked_for_again(place: Place) -> None:
    claim(place, "run 1")
    place.write(key_of(place, 2), forged(place, 2))
    with run(place, "run 1") as ownership:
        for _ in range(2):
            with pytest.raises(OwnedElsewhere, match="S3 has marker 2"):
                ownership.reconfirm()


def test_a_claim_whose_number_was_taken_by_one_without_the_lock_may_be_tried_again(place: Place) -> None:
    claim(place, "run 1")
    client = place.s3.client()

    def overtaken(**_: Any) -> None:
        with suppress(psycopg.errors.UniqueViolation):
            place.sql(
                "INSERT INTO archiver.owners SELECT client, bucket, prefix, 2, 'x', 'run x', host, port,"
                " system_identifier, database_oid FROM archiver.owners WHERE number = 1"
            )

    client.meta.events.register("before-call.s3.GetObject", overtaken)
    with run(place, "run 2", Bucket(client, place.bucket)) as ownership:
        # What was there when the ledger was read makes it number 3; so the number is taken after that.
        place.sql("DELETE FROM archiver.owners WHERE number = 2")
        with pytest.raises(Superseded, match="another claim noted number 2 at the same moment"):
            ownership.claim()
        ownership.claim()
    assert [number for number, _, _ in noted(place)] == [1, 2, 3]


def test_a_write_that_was_sent_twice_because_its_answer_was_lost_is_ours(moto_place: Place) -> None:
    place = moto_place
    client = place.s3.client()
    sent: list[str] = []

    def write_first(params: dict[str, Any], **_: Any) -> None:
        if not sent:
            sent.append(params["url_path"])
            place.write(
                key_of(place, 1), params["body"] if isinstance(params["body"], bytes) else params["body"].read()
            )

    client.meta.events.register("before-call.s3.PutObject", write_first)
    with run(place, "run 1", Bucket(client, place.bucket)) as ownership:
        ownership.claim()
        ownership.confirm()
    assert sent


@pytest.mark.parametrize("attempt", range(3))
def test_of_two_databases_that_write_at_the_same_moment_one_goes_on(place_on_both: Place, attempt: int) -> None:
    """Both found the number free. Some servers then refuse the second write, others let it replace the first."""
    both = threading.Barrier(2)
    with twin_of(place_on_both, "twin") as twin:
        pair = (place_on_both, twin)
        done = at_once([partial(_may_claim, one, both) for one in pair])
        claimed = [one for one, result in zip(pair, done, strict=True) if result.result()]
        passed = [one for one in claimed if _may_delete(one)]
        assert len(passed) <= 1
        if place_on_both.s3.name == "moto":  # rclone may mix what two write; then neither goes on
            assert passed == claimed
            assert passed
        for one in pair:
            with run(one, "run 2") as ownership:
                assert (ownership.find_hindrance() is None) == (one in passed)


def test_a_write_that_replaces_the_other_after_it_was_confirmed_stops_its_deletes(place: Place) -> None:
    def begin(**_: Any) -> None:
        claim(place, "run 1")
        confirm(place, "run 1")

    with twin_of(place, "late") as late:
        client = place.s3.client()
        client.meta.events.register("before-call.s3.PutObject", begin)
        with run(late, "run 1", Bucket(client, place.bucket)) as ownership:
            ownership.claim()
            ownership.confirm()
    assert "marker 1 in S3 has the token of another database" in refused_confirm(place, "run 1")


def _may_claim(place: Place, both: threading.Barrier) -> bool:
    def wait(**_: Any) -> None:
        both.wait(30)

    client = place.s3.client()
    client.meta.events.register("before-call.s3.PutObject", wait)
    with run(place, "run 1", Bucket(client, place.bucket)) as ownership:
        try:
            try:
                ownership.claim()
            except StorageInterrupted:  # what rclone may answer while two write the same file; Airflow tries again
                claim(place, "run 1")
        except OwnedElsewhere:
            return False
    return True


def _may_delete(place: Place) -> bool:
    try:
        confirm(place, "run 1")
    except OwnedElsewhere:
        return False
    return True


def test_the_key_of_a_marker_sorts_by_its_number() -> None:
    keys = [owner_key("", "c", number) for number in (1, 9, 10, 999, 1000, 99_999_999)]
    assert keys == sorted(keys)
