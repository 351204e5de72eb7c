-- Every plan asks for the holds of its table; most of them have ended.
CREATE INDEX restores_holds ON archiver.restores (table_schema, table_name, hold_until) WHERE hold_until IS NOT NULL
