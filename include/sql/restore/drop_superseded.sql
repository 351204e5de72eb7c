-- Of several versions of a row the newest was restored first; the others are history.
DELETE FROM pg_temp.archiver_staged AS staged
USING pg_temp.archiver_seen AS seen
WHERE ({staged_key}) = ({seen_key})
