-- Columns in their order; format_type qualifies names of types that are not on the search path.
{postgres/catalog/fragments/columns}
