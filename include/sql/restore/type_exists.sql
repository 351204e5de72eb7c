SELECT to_regtype(%(type)s) IS NOT NULL AS found
