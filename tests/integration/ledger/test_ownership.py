"""A database acts for its archive as long as it finds in S3 what its own ledger knows, and itself as it was."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import psycopg
import pytest

from pg_archiver.errors import SettingError
from pg_archiver.ledger.ownership import Ownership
from pg_archiver.postgres.session import Session
from tests.support.owners import claim, confirm, forged, key_of, noted, refused_claim, refused_confirm, run
from tests.support.place import EVENTS, Place


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


def test_each_client_and_each_prefix_is_an_archive_of_its_own(place: Place) -> None:
    claim(place, "run 1")
    for other in (place.ordered(prefix="a/b"), place.ordered(client="a/b é%")):
        claim(other, "run 1")
        confirm(other, "run 1")
    assert "a/b/client=" in place.keys()[0]
    assert key_of(place.ordered(client="a/b é%"), 1) == "client=a%2Fb%20%C3%A9%25/_owner/00000001"
    assert len(place.keys()) == 3


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


@pytest.mark.parametrize("known", ["none", "of an older version", "of this one"])
def test_a_dry_run_tells_without_writing_anything(place: Place, known: str) -> None:
    if known != "none":
        claim(place, "run 0")
        place.remove(key_of(place, 1))
    if known == "of an older version":
        place.sql("DROP TABLE archiver.owners")
    if known == "of this one":
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
    assert place.has_ledger() == (known != "none")
