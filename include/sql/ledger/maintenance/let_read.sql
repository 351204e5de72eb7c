-- Whether the ledger is of this version, and whether an archive run is working on windows of the table.
GRANT SELECT ON archiver.migrations, archiver.lowest_version, archiver.windows, archiver.maintenance TO {role}
