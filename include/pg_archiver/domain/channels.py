"""Which keys of an etcd a channel may take: those below a prefix that ends with `/`, and so nobody else's."""

LONGEST_PREFIX = 1_000


def is_usable_prefix(prefix: str) -> bool:
    """Return whether a channel may take, and remove, all keys that begin with this, as with `/q/orders/`."""
    return len("/x/") <= len(prefix) <= LONGEST_PREFIX and prefix.endswith("/")
