"""Two S3 servers of one shape, on 127.0.0.1: rclone keeps files and checks keys, moto knows more of S3."""

import os
import secrets
import shutil
import sys
import tempfile
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3
from botocore.config import Config

from dev.processes import LOCALHOST, Child, ProcessError, free_port
from dev.running import Running

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
_MOST_DELETED_AT_ONCE = 1000  # S3's own limit


class S3Server(Running):
    """An S3 endpoint with one pair of keys."""

    region = REGION

    def __init__(self, name: str) -> None:
        """`name` is the server's name in messages."""
        self.name = name
        self.access_key = secrets.token_hex(10).upper()
        self.secret_key = secrets.token_hex(20)
        self.endpoint_url = ""
        # The certificate by which clients know the server, if it serves by TLS.
        self.authority: Path | None = None
        self._server: Child | None = None

    @abstractmethod
    def _child(self, port: int) -> Child:
        """Describe the process that serves on `port`."""

    def start(self) -> None:
        """Start the server and wait until it accepts connections; raises ProcessError when it does not."""
        port = free_port()
        self._server = self._child(port)
        try:
            self._server.start()
            self._server.wait_until_listening(LOCALHOST, port)
        except BaseException:
            self.stop()
            raise
        self.endpoint_url = f"{'https' if self.authority else 'http'}://{LOCALHOST}:{port}"

    def stop(self) -> None:
        """Stop the server."""
        if self._server:
            self._server.stop()
        self._server = None

    @property
    def pid(self) -> int:
        """The process that started all others of the server.

        Raises:
            ProcessError: it does not run.
        """
        if not self._server or self._server.pid is None:
            raise ProcessError(f"{self.name} does not run")
        return self._server.pid

    def client(self) -> "S3Client":
        """Return a client of this server."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            verify=str(self.authority) if self.authority else None,
            config=Config(
                s3={"addressing_style": "path"},
                proxies={},  # whatever the environment says: the server is on this machine
                connect_timeout=5,
                read_timeout=20,
                retries={"total_max_attempts": 2},
            ),
        )

    def create_bucket(self, name: str) -> None:
        """Create the bucket `name` unless it is there."""
        client = self.client()
        if name not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=name)

    def empty_bucket(self, name: str) -> int:
        """Delete all objects of the bucket `name` and return how many there were."""
        client = self.client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=name)
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        for first in range(0, len(keys), _MOST_DELETED_AT_ONCE):
            some = [{"Key": key} for key in keys[first : first + _MOST_DELETED_AT_ONCE]]
            client.delete_objects(Bucket=name, Delete={"Objects": cast(Any, some), "Quiet": True})
        return len(keys)


class RcloneS3(S3Server):
    """`rclone serve s3`: a bucket is a folder, an object a file."""

    def __init__(
        self,
        directory: Path,
        *,
        read_only: bool = False,
        arguments: tuple[str, ...] = (),
        certificate: tuple[Path, Path] | None = None,
        authority: Path | None = None,
    ) -> None:
        """Serve `directory`/buckets; `read_only` refuses every write; rclone gets the `arguments` too.

        With the files of a `certificate` and its key, and of the `authority` that signed it, it serves by TLS alone.
        """
        super().__init__("rclone-read-only" if read_only else "rclone")
        self.directory = directory.absolute()
        self.authority = authority
        self._read_only = read_only
        self._arguments = (
            (*arguments, "--cert", str(certificate[0]), "--key", str(certificate[1])) if certificate else arguments
        )

    def bucket_folder(self, name: str) -> Path:
        """Return the folder that holds the bucket's objects as files."""
        return self.directory / "buckets" / name

    def _child(self, port: int) -> Child:
        buckets = self.directory / "buckets"
        buckets.mkdir(parents=True, exist_ok=True)
        configuration = self.directory / f"{self.name}.conf"
        configuration.touch(mode=0o600)
        command: list[str | Path] = [
            *(_rclone(), "serve", "s3", "--addr", f"{LOCALHOST}:{port}"),
            *("--config", configuration),
            # Without a cache an upload is acknowledged when it is a file, whole and under its own name.
            *("--vfs-cache-mode", "off"),
            *(["--read-only"] if self._read_only else []),
            *self._arguments,
            buckets,
        ]
        # In the environment, not in the arguments, which every user of the machine can read.
        environment = {"PATH": os.defpath, "RCLONE_AUTH_KEY": f'"{self.access_key},{self.secret_key}"'}
        return Child(self.name, command, self.directory / f"{self.name}.log", environment)


class MotoS3(S3Server):
    """`moto_server`: objects in memory; knows conditional writes and KMS headers, checks no keys."""

    def __init__(self) -> None:
        """Prepare a server; its log lies in a temporary folder."""
        super().__init__("moto")
        self._log_folder: Path | None = None

    def stop(self) -> None:
        """Stop the server and forget its objects."""
        super().stop()
        if self._log_folder:
            shutil.rmtree(self._log_folder)
        self._log_folder = None

    def _child(self, port: int) -> Child:
        self._log_folder = Path(tempfile.mkdtemp(prefix="moto-"))
        command = [sys.executable, "-m", "moto.server", "-H", LOCALHOST, "-p", str(port)]
        return Child(self.name, command, self._log_folder / "moto.log", {"PATH": os.defpath})


def _rclone() -> Path:
    """Return the rclone program beside this Python, else the one on PATH; raises ProcessError without one."""
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if beside.exists() else shutil.which("rclone")
    if found is None:
        raise ProcessError("rclone is not installed: pip install -r requirements-dev.txt")
    return Path(found)
