"""Which version of the ledger this program writes."""

from __future__ import annotations

# What this program may write into a ledger. A migration that an older program must not write beside raises it, here and
# in the ledger's own table `lowest_version`; the ledger's triggers then refuse what an older program writes.
LEDGER_VERSION = 3
