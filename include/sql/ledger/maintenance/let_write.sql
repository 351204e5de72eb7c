GRANT INSERT, UPDATE ON archiver.maintenance TO {role}
