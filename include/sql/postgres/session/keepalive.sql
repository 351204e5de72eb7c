-- Makes the server notice when nobody listens, unless the connection's own options say how. Names may
-- still mean anything here, so every one is qualified.
SELECT
    kept.name,
    pg_catalog.set_config(
        kept.name,
        CASE WHEN kept.source OPERATOR(pg_catalog.=) 'client' THEN kept.setting ELSE wanted.setting END,
        false
    ) AS setting
FROM ROWS FROM (
    pg_catalog.unnest(%(names)s::pg_catalog.text[]), pg_catalog.unnest(%(settings)s::pg_catalog.text[])
) AS wanted (name, setting)
JOIN pg_catalog.pg_settings AS kept ON kept.name OPERATOR(pg_catalog.=) wanted.name
