"""As many tasks as the run says, which do nothing: what Airflow alone takes to start and to end them."""

from __future__ import annotations

import os
from typing import Any

from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, Param


def list_numbers(**context: Any) -> list[list[int]]:
    """Return the arguments of each of them."""
    return [[number] for number in range(context["params"]["tasks"])]


def do_nothing(number: int) -> int:
    """Return what it was given."""
    return number


with DAG("bare_tasks", schedule=None, catchup=False, params={"tasks": Param(1, type="integer")}):
    choose = PythonOperator(task_id="choose", python_callable=list_numbers)
    PythonOperator.partial(task_id="run", python_callable=do_nothing, pool=os.environ["BENCH_POOL"], retries=0).expand(
        op_args=choose.output
    )
