-- Whether the ledger is of this version, and whether the archive has windows of the table in hand.
GRANT SELECT ON archiver.migrations, archiver.lowest_version, archiver.windows, archiver.maintenance TO {role}
