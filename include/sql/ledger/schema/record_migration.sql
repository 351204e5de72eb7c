INSERT INTO archiver.migrations (number, name) VALUES (%(number)s, %(name)s)
