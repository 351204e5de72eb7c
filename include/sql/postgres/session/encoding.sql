-- How text travels between this session and the server, until the end of the transaction at most.
SELECT pg_catalog.set_config('client_encoding', %(encoding)s, true) AS client_encoding
