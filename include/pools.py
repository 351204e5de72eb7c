"""The former place of `python -m pg_archiver.airflow.pools`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from pg_archiver.airflow.pools import main

if __name__ == "__main__":
    main()
