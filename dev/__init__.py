"""The local stack: Postgres, S3 and Airflow as plain processes on 127.0.0.1, for development and tests."""
