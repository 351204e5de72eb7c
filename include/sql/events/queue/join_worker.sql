SELECT archiver.join_worker(%(worker_id)s)
