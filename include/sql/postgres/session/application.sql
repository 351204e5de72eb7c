-- What pg_stat_activity shows of this session. Names may mean anything here, so all are qualified.
SELECT pg_catalog.set_config('application_name', %(application)s, false) AS application_name
