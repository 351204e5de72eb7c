"""What the tasks of the DAG `approve_jobs` do: ask about one job, and write the answer where the job is."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import HITLOperator

from pg_archiver.airflow.airflow_ids import add_name_prefix
from pg_archiver.airflow.approval import PATIENCE, RewriteApproval, describe_rejection
from pg_archiver.airflow.jobs import InstanceRun
from pg_archiver.airflow.run_context import read_parameters
from pg_archiver.errors import SettingError, Unfinished
from pg_archiver.jobs.approvals import ApprovalRequest, answer, list_requests
from pg_archiver.jobs.source import JobsSource
from pg_archiver.policies.yaml_file import Policies

log = logging.getLogger(__name__)

APPROVE_DAG = add_name_prefix("approve_jobs")


def find_requests(run: InstanceRun) -> list[dict[str, Any]]:
    """Return the runs of `approve_jobs` that ask what is open: the arguments of the operator that starts each.

    The same question has the same run on the same day, so that it is asked once a day until somebody answers.
    """
    today = datetime.now(UTC).date()
    found = [one for source in run.list_sources() for one in list_requests(source, run.connections)]
    return [
        {
            "conf": {"request": one.as_dict()},
            "trigger_run_id": f"{today}_{hashlib.sha256(one.name.encode()).hexdigest()[:32]}",
        }
        for one in found
    ]


class JobApproval(HITLOperator):
    """Asks a person whether a job may run as it is defined now. It holds no pool slot."""

    def __init__(self, **kwargs: Any) -> None:
        """Take what every operator takes."""
        super().__init__(
            subject="Let a job run?",
            options=[RewriteApproval.APPROVE, RewriteApproval.REJECT],
            defaults=RewriteApproval.REJECT,
            response_timeout=PATIENCE,
            execution_timeout=None,
            **kwargs,
        )

    def execute(self, context: Any) -> Any:
        """Ask."""
        request = read_request(context)
        until = datetime.now(UTC) + PATIENCE
        self.subject = f"Let job {request.job_name} run in {request.database} of {request.conn_id}?"
        self.body = (
            f"```\n{request.what}\n```\n\n"
            f"Its row, with its config, is in `archiver.jobs` of database `{request.source_database}` (job_id "
            f"{request.job_id}). The answer counts until the row changes.\n\n"
            f"**Answer** until {until:%Y-%m-%d %H:%M} UTC, {PATIENCE // timedelta(hours=1)} hours from now. If nobody "
            "does, the job waits, and is asked about again the next day."
        )
        return super().execute(context)


def read_request(context: Mapping[str, Any]) -> ApprovalRequest:
    """Return what this run is to ask.

    Raises:
        SettingError: it was started by hand, without a request.
    """
    request = read_parameters(context).get("request")
    if not request:
        raise SettingError(
            "this run has no request: it is started by the DAGs jobs__<conn_id> when a job waits for approval. Nothing "
            "was asked. Fix: leave it to them"
        )
    return ApprovalRequest.from_dict(request)


def record_answer(policies: Policies, answered: object, context: Mapping[str, Any]) -> str:
    """Write the answer where the job is, and return the instance that is to look again; "" where nobody answered.

    Raises:
        SettingError: the policy file no longer has the instance or its database of jobs.
        Unfinished: the job has changed meanwhile, so the answer is void.
    """
    request = read_request(context)
    rejection = describe_rejection(answered)
    if _has_nobody_answered(answered):
        log.info("%s: %s; it waits, and is asked about again", request.job_name, rejection)
        return ""
    instance = policies.jobs.get(request.conn_id)
    if instance is None or request.source_database not in instance.sources:
        raise SettingError(
            f"{policies.source} has no jobs in database {request.source_database} of {request.conn_id} any more, so "
            "the answer was not written"
        )
    run = InstanceRun(policies, instance, context)
    if not answer(request, rejection, JobsSource(instance, request.source_database), run.connections):
        raise Unfinished(
            f"job {request.job_name} has changed or is gone since it was asked about, so the answer is void. If it "
            "still needs approval, it is asked about anew"
        )
    log.info("%s: %s", request.job_name, rejection or "approved")
    return request.conn_id


def _has_nobody_answered(answered: object) -> bool:
    given = answered if isinstance(answered, Mapping) else {}
    return not given.get("responded_by_user")
