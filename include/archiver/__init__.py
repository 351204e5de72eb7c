"""Moves old rows of a Postgres table to S3 and deletes only what was read back and checked.

What must never happen, in this order:

1. A row leaves the table although that very version of it was not read back from S3 and checked.
2. An object in S3 is overwritten, or a key is used twice.
3. A step that is killed, repeated or run twice at once breaks 1 or 2.

Everything else here (speed, comfort, tidiness) gives way to these. Unknown means keep.

The modules import downwards only: errors, models; naming, windows, policy, manifest, codec;
statements; database, storage; ledger; steps.
"""
