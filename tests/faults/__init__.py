"""Faults of all kinds, tried on real servers; some of the trials use Airflow."""

from tests import airflow_home

airflow_home.settle()
