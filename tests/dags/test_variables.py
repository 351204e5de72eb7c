"""Variables as Airflow hands them to a task: what could not be read is never taken for what is not set.

The other side, Airflow's supervisor, is stood in for at the seam where a task's process talks to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from airflow.sdk.exceptions import ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    ErrorResponse,
    GetVariable,
    GetVariableKeys,
    VariableKeysResult,
    VariableResult,
)

from pg_archiver.airflow.variables import read_client_variables
from pg_archiver.errors import Interrupted, SettingError

N = "archive_keep_days__acme"


@dataclass
class Supervisor:
    """Answers as Airflow's does: Variables that are set, some of which cannot be decrypted, or an error for all."""

    variables: dict[str, str] = field(default_factory=dict)
    locked_away: tuple[str, ...] = ()
    broken_get: ErrorType | None = None
    broken_keys: ErrorType | None = None
    raising: type[Exception] | None = None

    def send(self, msg: object) -> object:
        if self.raising:
            raise self.raising("the supervisor is gone")
        if isinstance(msg, GetVariable):
            if self.broken_get:
                return ErrorResponse(error=self.broken_get)
            if msg.key in self.variables:
                return VariableResult(key=msg.key, value=self.variables[msg.key])
            return ErrorResponse(error=ErrorType.VARIABLE_NOT_FOUND)
        assert isinstance(msg, GetVariableKeys)
        if self.broken_keys:
            return ErrorResponse(error=self.broken_keys)
        keys = [*self.variables, *self.locked_away]
        return VariableKeysResult(
            keys=[key for key in keys if key.startswith(msg.prefix or "")], total_entries=len(keys)
        )


def speak_to(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)


def test_what_is_set_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    speak_to(Supervisor({N: "-1", "archive_enabled__acme": "true", "archive_keep_days__other": "3"}), monkeypatch)
    found = read_client_variables("acme")
    assert found.keep_days == {N: "-1", "archive_keep_days": None}
    assert found.enabled == "true"
    assert found.of_clients == ("archive_enabled__acme", N, "archive_keep_days__other")


def test_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    speak_to(Supervisor(), monkeypatch)
    found = read_client_variables("acme")
    assert set(found.keep_days.values()) == {None}
    assert found.enabled is None


@pytest.mark.parametrize("key", [N, "archive_keep_days", "archive_enabled__acme"])
def test_one_that_is_listed_and_gave_no_value_is_unknown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that another Fernet key encrypted, or one that the API server could not look up for a moment."""
    speak_to(Supervisor(locked_away=(key,)), monkeypatch)
    with pytest.raises(Interrupted, match=f"{key} is set, and its value could not be read.*Nothing was archived"):
        read_client_variables("acme")


@pytest.mark.parametrize(
    "supervisor",
    [
        Supervisor(broken_keys=ErrorType.API_SERVER_ERROR),
        Supervisor({N: "-1"}, broken_get=ErrorType.API_SERVER_ERROR),
        Supervisor({N: "-1"}, broken_get=ErrorType.GENERIC_ERROR),
        Supervisor({N: "-1"}, broken_get=ErrorType.VARIABLE_NOT_FOUND),
        Supervisor({N: "-1"}, broken_get=ErrorType.PERMISSION_DENIED),
        Supervisor(raising=OSError),
        Supervisor(raising=RuntimeError),
    ],
    ids=["keys-500", "get-500", "get-error", "get-404-of-one-that-is-there", "get-403", "no-pipe", "no-supervisor"],
)
def test_whatever_keeps_airflow_from_answering_is_an_interruption(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak_to(supervisor, monkeypatch)
    with pytest.raises(Interrupted, match="Nothing was archived or deleted"):
        read_client_variables("acme")


@pytest.mark.parametrize("key", [N, "archive_keep_days", "archive_enabled__acme"])
def test_one_that_the_environment_hides_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `false` that a person sets in the UI would change nothing."""
    monkeypatch.setenv(f"AIRFLOW_VAR_{key.upper()}", "true")
    speak_to(Supervisor({key: "false"}), monkeypatch)
    with pytest.raises(SettingError, match=f"{key} is set in Airflow and, as AIRFLOW_VAR_.*, in the environment"):
        read_client_variables("acme")


def test_a_variable_of_the_environment_is_read_as_airflow_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"AIRFLOW_VAR_{N.upper()}", "30")
    speak_to(Supervisor(), monkeypatch)
    assert read_client_variables("acme").keep_days[N] == "30"
