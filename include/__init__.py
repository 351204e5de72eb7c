"""What the DAGs import: the archiver, its statements, its policies, and the seam to Airflow."""
