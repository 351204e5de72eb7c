"""The Airflow connection to AWS that counts where a policy names none."""

from __future__ import annotations

AWS_CONNECTION = "aws_default"
