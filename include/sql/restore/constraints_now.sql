-- What a constraint has against a row is to be told where the row comes in, not at the commit.
SET CONSTRAINTS ALL IMMEDIATE
