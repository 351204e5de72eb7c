-- Notes why a generation could not be exported. It stays as it was begun: the next try ends it and begins another.
UPDATE archiver.windows SET note = %(note)s WHERE id = %(id)s AND state = 'planned'
