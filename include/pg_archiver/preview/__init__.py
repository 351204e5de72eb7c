"""What an archive would take and give, without archiving anything."""
