-- Without CASCADE: what others made to depend on it stops the drop.
DROP TABLE {partition}
