-- A whole, valid b-tree that begins with the timestamp column: what makes finding hours cheap.
{postgres/catalog/fragments/timestamp_index}
