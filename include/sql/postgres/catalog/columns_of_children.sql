-- Columns that only children of the table have: a SELECT from the table does not show them, and a DELETE deletes
-- them too.
{postgres/catalog/fragments/columns_of_children}
