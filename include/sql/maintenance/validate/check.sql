-- Fails with what is wrong, if anything is. `everything` also looks for each row of the table in the index.
SELECT {function}(%(oid)s::oid::regclass, %(everything)s)
