-- Whether rows of this client had left before a client had to be enabled, as the migration noted it.
SELECT count(*) > 0 AS found FROM archiver.enabled_before WHERE client = %(client)s
