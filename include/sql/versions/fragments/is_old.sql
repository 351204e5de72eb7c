-- Whether a row is old enough, by column time.
{moment} OPERATOR(pg_catalog.>=) %(first)s::pg_catalog.timestamp
        AND {moment} OPERATOR(pg_catalog.<) %(end)s::pg_catalog.timestamp
