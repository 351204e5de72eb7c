-- Slots through which somebody gets every change of this database without a publication. One that is not in use at this
-- moment gets it later, unless the server has thrown its changes away. Those of pglogical go by its sets.
SELECT slot_name AS name, plugin, active
FROM pg_catalog.pg_replication_slots
WHERE
    slot_type = 'logical' AND database = current_database() AND plugin NOT IN ('pgoutput', 'pglogical_output')
    AND wal_status IS DISTINCT FROM 'lost'
ORDER BY slot_name
