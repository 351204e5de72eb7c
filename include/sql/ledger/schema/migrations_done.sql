SELECT number FROM archiver.migrations
