-- Rules that do something else, or something more, when rows are deleted here. '4' is DELETE.
{postgres/catalog/fragments/delete_rules}
