-- Whether no restore holds a row.
NOT coalesce((SELECT held.spans FROM held) OPERATOR(pg_catalog.@>) {moment}, false)
        AND (%(timed)s OR (SELECT held.spans FROM held) IS NULL)
