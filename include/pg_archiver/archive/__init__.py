"""The archive of one table: plan, export, store, delete or drop, report."""
