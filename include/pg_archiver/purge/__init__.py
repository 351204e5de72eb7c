"""Rows of one table go without an archive, because a job says `delete`: in batches, or with a whole partition."""
