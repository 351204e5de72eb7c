"""Requests to Airflow's REST API: log in, quote, follow pages, turn refusals into errors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

Record = dict[str, Any]

_PAGE_SIZE = 100
# On a busy machine the server may take this long, and a question may be asked again; what changes something may not.
_TIMEOUT_SECONDS = 90.0
_RETRIES = Retry(total=3, backoff_factor=1, allowed_methods={"GET"})


class AirflowApiError(RuntimeError):
    """The API refused a request; `status` is the HTTP status, the message holds the answer."""

    def __init__(self, method: str, path: str, response: requests.Response) -> None:
        """Describe the refused request."""
        super().__init__(f"{method} {path}: {response.status_code} {response.text}")
        self.status = response.status_code


def path_of(*segments: str) -> str:
    """Return a path of segments in which every character is allowed."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


class AirflowSession:
    """A session with one API server; logs in at the first request and again when the token has expired."""

    def __init__(self, base_url: str, user: str, password: str) -> None:
        """`base_url` is the server's root, without /api."""
        self._base_url = base_url.rstrip("/")
        self._credentials = {"username": user, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy, no .netrc: the server is on this machine
        self._session.mount("http://", HTTPAdapter(max_retries=_RETRIES))

    def request(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Record:
        """Send a request to `path` below /api/v2 and return the JSON answer, {} for an empty one.

        Raises AirflowApiError for an answer of 400 and above.
        """
        response = self._send(method, path, parameters, body)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            self._log_in()
            response = self._send(method, path, parameters, body)
        if not response.ok:
            raise AirflowApiError(method, path, response)
        answer: Record = response.json() if response.content else {}
        return answer

    def warm_up(self, timeout: float) -> None:
        """Have the server build its part for tasks, which it does at the first request, taking seconds."""
        self._session.get(f"{self._base_url}/execution/health", timeout=timeout)

    def pages(self, path: str, collection: str, **parameters: Any) -> list[Record]:
        """Return the whole list named `collection`, however many pages it has."""
        records: list[Record] = []
        while True:
            window = {**parameters, "limit": _PAGE_SIZE, "offset": len(records)}
            answer = self.request("GET", path, parameters=window)
            records += answer[collection]
            if not answer[collection] or len(records) >= answer["total_entries"]:
                return records

    def put(self, collection: str, key: str, body: Mapping[str, Any]) -> None:
        """Create the object `key` of a collection, or change it when it exists."""
        try:
            self.request("POST", path_of(collection), body=body)
        except AirflowApiError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            self.request("PATCH", path_of(collection, key), body=body)

    def _send(
        self, method: str, path: str, parameters: Mapping[str, Any] | None, body: Mapping[str, Any] | None
    ) -> requests.Response:
        url = f"{self._base_url}/api/v2{path}"
        return self._session.request(method, url, params=parameters, json=body, timeout=_TIMEOUT_SECONDS)

    def _log_in(self) -> None:
        path = "/auth/token"
        response = self._session.post(self._base_url + path, json=self._credentials, timeout=_TIMEOUT_SECONDS)
        if not response.ok:
            raise AirflowApiError("POST", path, response)
        self._session.headers["Authorization"] = f"Bearer {response.json()['access_token']}"
