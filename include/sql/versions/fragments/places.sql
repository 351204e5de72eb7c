-- Of the versions of a key that were judged: where those lie that may go, and those that supersede them, the newest first, if
-- any may go, in which parts of the table only where it has any; and whether all were made by transactions before the oldest one that ran.
CASE WHEN count(*) FILTER (WHERE {versions/fragments/may_go}) > 0
            THEN array_agg(target.tableoid) FILTER (WHERE %(in_parts)s AND {versions/fragments/may_go}) END AS parts,
        CASE WHEN count(*) FILTER (WHERE {versions/fragments/may_go}) > 0
            THEN array_agg(target.ctid) FILTER (WHERE {versions/fragments/may_go}) END AS places,
        CASE WHEN count(*) FILTER (WHERE {versions/fragments/may_go}) > 0
            THEN array_agg(target.tableoid) FILTER (WHERE %(in_parts)s AND "is kept") END AS kept_parts,
        CASE WHEN count(*) FILTER (WHERE {versions/fragments/may_go}) > 0
            THEN array_agg(target.ctid) FILTER (WHERE "is kept") END AS kept_places,
        bool_and(age(target.xmin) > age((SELECT pg_snapshot_xmin(pg_current_snapshot())::xid))) AS settled
