"""Faults of all kinds, tried on real servers; some of the trials use Airflow."""

from tests.support import airflow_home

airflow_home.settle()
