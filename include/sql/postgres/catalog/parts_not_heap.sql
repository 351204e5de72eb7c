-- Parts of the table that are not kept as a heap: there a row's version and place may mean something else, or nothing.
{postgres/catalog/fragments/parts_not_heap}
