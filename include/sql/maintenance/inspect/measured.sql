-- Reads only the pages that the visibility map does not vouch for.
SELECT
    approx_tuple_count::bigint AS live,
    approx_tuple_len::bigint AS live_bytes,
    dead_tuple_count::bigint AS dead,
    scanned_percent / 100 AS scanned_share
FROM {function}(%(oid)s::oid::regclass)
