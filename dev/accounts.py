"""Whom a server runs as: Postgres refuses root, so root hands it to an unprivileged account."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Any

UNPRIVILEGED_USER = "nobody"


def server_user() -> str | None:
    """Return the account for servers that refuse root, or None when we are not root."""
    return UNPRIVILEGED_USER if os.geteuid() == 0 else None


def run_as(user: str | None) -> dict[str, Any]:
    """Return the arguments that make `subprocess` run a command as `user` and in its primary group alone."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def can_use(user: str, path: Path, access: str) -> bool:
    """Say whether `user` can reach `path` and has there each of the rights in `access` (of r, w, x)."""
    return all(
        subprocess.run(["/usr/bin/test", f"-{right}", path], check=False, cwd="/", **run_as(user)).returncode == 0
        for right in access
    )


def give(user: str, path: Path) -> None:
    """Make `user` the owner of `path` and of all below it."""
    group = pwd.getpwnam(user).pw_gid
    for found in [path, *path.rglob("*")]:
        shutil.chown(found, user, group)
