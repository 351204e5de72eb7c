"""What to keep: the policy file and its settings."""
