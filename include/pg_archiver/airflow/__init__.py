"""The seam to Airflow: what each DAG's tasks do, and the only package that knows Airflow."""
