-- User-defined triggers (not those of foreign keys) that will fire for each row deleted, or for the statement: of the table
-- itself, and the row triggers of its partitions and children. Of bits, 1 is a row's, 8 is DELETE. In an ordinary
-- session those that are enabled for replicas alone do not fire.
{postgres/catalog/fragments/delete_triggers}
