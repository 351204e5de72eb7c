-- The table itself, and each of its partitions and children that may hold rows of the window: which file holds it right
-- now, and a text that stands for its columns by number, name and type. A rewrite gives a new file; a column that was
-- dropped and added again, another number.
-- Left out is only what cannot hold such a row for certain: what lies below a level that is divided by ranges of the
-- timestamp column alone, and whose bounds can be read and do not meet the window.
{postgres/catalog/fragments/parts_of_windows}
