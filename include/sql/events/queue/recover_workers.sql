SELECT died, dead FROM archiver.recover_workers()
