"""The archive read back in full and compared, and the ledger rebuilt from it."""
