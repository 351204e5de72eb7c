-- The clients of whom rows had left before a client had to be enabled: they go on as they did. Nobody is added later.
CREATE TABLE archiver.enabled_before AS
SELECT client, now() AS noted_at
FROM archiver.windows
WHERE deleted_rows > 0
GROUP BY client
