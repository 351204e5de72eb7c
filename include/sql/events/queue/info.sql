SELECT * FROM archiver.info(%(id)s)
