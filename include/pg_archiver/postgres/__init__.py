"""The edge to Postgres: the only package that imports psycopg."""
