"""A mapped task an event, each with the one INSERT: what is usual where Airflow itself is the queue."""

from __future__ import annotations

import os
from typing import Any

from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Param


def list_events(**context: Any) -> list[list[int]]:
    """Return the arguments of each of them."""
    return [[number] for number in range(context["params"]["events"])]


def insert(number: int) -> None:
    """Do what a function does for an event."""
    hook = PostgresHook(postgres_conn_id=os.environ["BENCH_CONNECTION"], database=os.environ["BENCH_DATABASE"])
    hook.run(os.environ["BENCH_INSERT"], parameters=[number])


with DAG("mapped_events", schedule=None, catchup=False, params={"events": Param(1, type="integer")}):
    choose = PythonOperator(task_id="choose", python_callable=list_events)
    PythonOperator.partial(task_id="insert", python_callable=insert, retries=0).expand(op_args=choose.output)
