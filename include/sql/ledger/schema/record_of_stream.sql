INSERT INTO archiver.migrations (stream, number, name) VALUES (%(stream)s, %(number)s, %(name)s)
