-- Names may mean anything here, so all are qualified.
SELECT archiver.begin_worker(%(host)s, %(run_id)s, %(lane)s) AS worker_id
