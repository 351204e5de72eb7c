-- Published parts of the table from which the server will let nobody delete, because subscribers could not tell the
-- rows: no primary key, no other replica identity. A publication may name a partition, or a table that it is part of.
{postgres/catalog/fragments/parts_without_identity}
