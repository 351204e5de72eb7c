-- The primary key, or else the narrowest unique index over plain NOT NULL columns that is in force at once. A table's
-- index knows nothing of the rows of its children, unless they are partitions. From Postgres 18 on a column may be NOT
-- NULL for new rows only, by a constraint that was not validated: the older ones may hold NULL.
{postgres/catalog/fragments/identity}
