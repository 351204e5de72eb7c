"""The verbs, one file each, in the order of a window's life: plan, export, store, delete; and report."""
