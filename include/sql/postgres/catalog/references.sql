-- The foreign keys that point to this table, or to one of its partitions and children: each once, without the copies
-- that the server keeps for partitions. With the very operators and collations by which it tells who points to whom.
{postgres/catalog/fragments/references}
