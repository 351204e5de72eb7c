"""`make env` and `make env-demo`: a .env with fresh secrets for docker compose. Needs no package.

`python3 -m dev.dotenv [--demo]`
"""

import argparse
import base64
import json
import re
import secrets
import sys
from pathlib import Path

from dev.secret_files import write_secret

PROJECT_ROOT = Path(__file__).absolute().parent.parent
EXAMPLE = PROJECT_ROOT / ".env.example"
_SECRETS = (
    *("AIRFLOW_API_SECRET", "AIRFLOW_JWT_SECRET", "METADATA_PASSWORD"),
    *("REDIS_PASSWORD", "ADMIN_PASSWORD", "DEMO_PASSWORD"),
)


def generated() -> dict[str, str]:
    """Return the secrets of one .env by name; those that stand in URLs need no quoting there."""
    fernet_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    # 64 letters and digits: what the signing of tokens asks for, and nothing that a shell or a URL would take amiss.
    return {"AIRFLOW_FERNET_KEY": fernet_key, **{name: secrets.token_hex(32) for name in _SECRETS}}


def demo_connections(password: str) -> dict[str, object]:
    """Return the connections to the services of the profile `demo`."""
    server = {"conn_type": "postgres", "host": "demo-clients", "port": 5432, "login": "postgres", "password": password}
    extra = {
        "endpoint_url": "http://demo-s3:8080",
        "region_name": "us-east-1",
        "config_kwargs": {"s3": {"addressing_style": "path"}},
    }
    return {
        "rds_main": server,
        "rds_main_procedures": server | {"login": "app_procedures"},
        "rds_main_events": server | {"login": "app_functions"},
        "aws_default": {"conn_type": "aws", "login": "demo", "password": password, "extra": extra},
    }


def filled(example: str, *, demo: bool) -> str:
    """Return the text of .env.example with secrets in the places of its empty values."""
    values = generated()
    if demo:
        values["COMPOSE_PROFILES"] = "demo"
        values["ARCHIVER_CONNECTIONS"] = f"'{json.dumps(demo_connections(values['DEMO_PASSWORD']))}'"
    return re.sub(
        r"^(\w+)=(.*)$", lambda line: f"{line[1]}={values.get(line[1], line[2])}", example, flags=re.MULTILINE
    )


def main() -> int:
    """Write .env, unless there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", action="store_true", help="also start a client Postgres and an S3 server")
    demo: bool = parser.parse_args().demo
    target = PROJECT_ROOT / ".env"
    if target.exists():
        print(f"{target} already exists and was left as it is. Move it away to get a new one")
        return 1
    write_secret(target, filled(EXAMPLE.read_text(encoding="utf-8"), demo=demo))
    todo = "" if demo else "; now write your servers and S3 into ARCHIVER_CONNECTIONS there"
    print(f"{target} is written{todo}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
