-- Generated columns become plain ones, so that they hold what was archived.
CREATE TABLE {target} (LIKE {table} INCLUDING ALL EXCLUDING GENERATED EXCLUDING IDENTITY)
