-- What this session has set, and a RESET ALL would undo. Names may mean anything here, so all are qualified.
SELECT kept.name, pg_catalog.current_setting(kept.name) AS value
FROM pg_catalog.pg_settings AS kept
WHERE kept.source OPERATOR(pg_catalog.=) 'session' AND kept.setting IS DISTINCT FROM kept.reset_val
