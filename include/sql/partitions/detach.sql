ALTER TABLE {parent} DETACH PARTITION {partition}
