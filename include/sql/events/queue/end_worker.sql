SELECT archiver.end_worker(%(worker_id)s) AS found
