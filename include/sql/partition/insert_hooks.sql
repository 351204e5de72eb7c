-- What of the users' making acts on rows that are inserted into a table or its partitions. Bit 4 is INSERT, and so is '3'.
WITH family AS (
    SELECT %(oid)s::oid AS oid UNION SELECT relid::oid FROM pg_partition_tree(%(oid)s::oid)
)
SELECT format('trigger %%I of %%s', trigger.tgname, family.oid::regclass) AS name
FROM family
JOIN pg_catalog.pg_trigger AS trigger ON trigger.tgrelid = family.oid
WHERE NOT trigger.tgisinternal AND trigger.tgenabled <> 'D' AND trigger.tgtype & 4 <> 0
UNION ALL
SELECT format('rule %%I of %%s', rule.rulename, family.oid::regclass)
FROM family
JOIN pg_catalog.pg_rewrite AS rule ON rule.ev_class = family.oid
WHERE rule.ev_type = '3' AND rule.ev_enabled <> 'D'
ORDER BY 1
