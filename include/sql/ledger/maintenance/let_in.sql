GRANT USAGE ON SCHEMA archiver TO {role}
