"""The local stack: Postgres, S3 and Airflow as plain processes on 127.0.0.1, for development and tests."""

import sys
from pathlib import Path

_INCLUDE = str(Path(__file__).absolute().parent.parent / "include")
if _INCLUDE not in sys.path:
    # What PYTHONPATH does where Airflow runs.
    sys.path.insert(0, _INCLUDE)
