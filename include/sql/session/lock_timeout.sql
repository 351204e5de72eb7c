SELECT set_config('lock_timeout', %(lock_timeout)s, false) AS lock_timeout
