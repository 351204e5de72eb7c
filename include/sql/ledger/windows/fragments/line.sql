-- Beside a row of `windows`: all of it but the manifest as a document.
CROSS JOIN LATERAL (SELECT to_jsonb(windows) - 'manifest' AS written) AS line
