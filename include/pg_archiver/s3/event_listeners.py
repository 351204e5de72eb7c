"""Whether anybody but botocore listens to what a client does: then boto3 has to do it, so that they are heard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# What botocore tells on the way of a request, in its order.
_EVENTS = (
    *("provide-client-params", "before-parameter-build", "before-endpoint-resolution", "before-call"),
    *("request-created", "choose-signer", "before-sign", "before-send", "response-received", "needs-retry"),
    *("before-parse", "after-call", "after-call-error"),
)
# Whose handlers belong to a plain client: botocore's, boto3's and this package's.
_KNOWN = frozenset({"botocore", "boto3", "pg_archiver"})


class EventListeners:
    """Who listens to one client."""

    def __init__(self, client: S3Client) -> None:
        """Look at nothing yet."""
        self._events: Any = client.meta.events
        # What was found out, and the object by which to see whether somebody has come or gone since.
        self._found: tuple[object, dict[str, bool]] = (None, {})

    def has_others(self, operation: str) -> bool:
        """Return whether somebody else listens to these requests, or that it cannot be told; by boto3's name of them.

        Handlers may come and go at any time, so this is asked before each request, and answered from memory mostly.
        """
        try:
            # botocore has no other way to it. With every change of its handlers it begins this memory of them anew.
            emitter = self._events._emitter  # noqa: SLF001
            state, known = emitter._lookup_cache, self._found  # noqa: SLF001
            if known[0] is not state:
                known = self._found = (state, {})
            if operation not in known[1]:
                names = [f"{event}.s3.{operation}" for event in _EVENTS]
                handlers = [one for name in names for one in emitter._handlers.prefix_search(name)]  # noqa: SLF001
                known[1][operation] = any(not _is_known(handler) for handler in handlers)
            return known[1][operation]
        except AttributeError:
            return True


def _is_known(handler: Any) -> bool:
    return str(getattr(handler, "__module__", "")).partition(".")[0] in _KNOWN
