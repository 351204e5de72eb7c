"""How much is free on the disk of a Postgres server, asked in the way that the policy file says."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import cast

from pg_archiver.airflow.connections import refuse_missing_connection
from pg_archiver.errors import SettingError, StorageInterrupted
from pg_archiver.maintenance.disk_room import UNKNOWN_SPACE, FreeSpace
from pg_archiver.policies.yaml_file import Client

# CloudWatch has a figure a minute, which comes a little late; of those of this span the smallest counts.
_LOOK_BACK = timedelta(minutes=15)
_PERIOD_SECONDS = 60
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_BUSY = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "LimitExceededException"}


def find_free_space(client: Client) -> FreeSpace:
    """Return how to ask for the free bytes of the client's server; nothing is asked before it is called."""
    disk = client.disk
    if disk is None:
        return UNKNOWN_SPACE
    if disk.rds_instance_id is not None:
        name = disk.rds_instance_id
        return FreeSpace(
            lambda: _ask_cloudwatch(name, client.aws_conn_id), f"CloudWatch FreeStorageSpace of RDS instance {name}"
        )
    if disk.callable is not None:
        place = disk.callable
        return FreeSpace(lambda: _call_function(place), f"disk.callable {place}")
    if disk.path is not None:
        path = Path(disk.path)
        return FreeSpace(lambda: _ask_file_system(path), f"the file system of {path} where Airflow's worker runs")
    figure = disk.figure
    return FreeSpace(lambda: figure, "the figure in the policy file")


def _ask_cloudwatch(name: str, conn_id: str) -> int | None:
    """Return the least that was free lately, None where CloudWatch has no figure."""
    from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

    refuse_missing_connection(conn_id)
    now = datetime.now(UTC)
    with _translate_errors(name, conn_id):
        answer = AwsGenericHook(aws_conn_id=conn_id, client_type="cloudwatch").conn.get_metric_statistics(
            Namespace="AWS/RDS",
            MetricName="FreeStorageSpace",
            Dimensions=[{"Name": "DBInstanceIdentifier", "Value": name}],
            StartTime=now - _LOOK_BACK,
            EndTime=now,
            Period=_PERIOD_SECONDS,
            Statistics=["Minimum"],
        )
    return min((int(point["Minimum"]) for point in answer["Datapoints"]), default=None)


@contextmanager
def _translate_errors(name: str, conn_id: str) -> Generator[None]:
    """Translate errors of CloudWatch: unknown space counts as none, and somebody must learn why it is unknown."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as NotReached

    asked = f"the free disk space of RDS instance {name} (disk: rds_instance_id in the policy file) is not known"
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _BUSY:
            raise StorageInterrupted(f"{asked}: CloudWatch is busy ({code}). Nothing was rewritten") from None
        if code in _DENIED:
            raise SettingError(
                f"{asked}: CloudWatch answers {code}. Nothing was rewritten. Fix: allow "
                f"cloudwatch:GetMetricStatistics to the role of the Airflow connection {conn_id}, or set disk in the "
                "policy file to another way to learn the free space"
            ) from None
        raise SettingError(
            f"{asked}: CloudWatch answers {code}. Nothing was rewritten. Fix: correct the credentials or the region of "
            f"the Airflow connection {conn_id}"
        ) from None
    except (HTTPClientError, NotReached) as error:
        raise StorageInterrupted(
            f"{asked}: CloudWatch cannot be reached ({type(error).__name__}). Nothing was rewritten"
        ) from None
    except BotoCoreError as error:
        raise SettingError(
            f"{asked}: CloudWatch cannot be asked ({type(error).__name__}). Nothing was rewritten. Fix: set "
            f"credentials and region of the Airflow connection {conn_id}"
        ) from None


def _ask_file_system(path: Path) -> int:
    try:
        return shutil.disk_usage(path).free
    except OSError as error:
        raise SettingError(f"disk.path is {path}, which cannot be read ({error.strerror}). Fix: correct it") from None


def _call_function(place: str) -> int | None:
    module, name = place.split(":")
    try:
        function = cast("Callable[[], object]", getattr(importlib.import_module(module), name))
    except (ImportError, AttributeError) as error:
        raise SettingError(f"disk.callable is {place!r}, which cannot be imported: {error}") from None
    free = function()
    if free is not None and (isinstance(free, bool) or not isinstance(free, int) or free < 0):
        raise SettingError(f"disk.callable {place!r} returned {free!r}. It must return bytes as an int, or None")
    return free
