-- Partitions and children that are on another server, where a row's version cannot be seen.
{postgres/catalog/fragments/foreign_parts}
