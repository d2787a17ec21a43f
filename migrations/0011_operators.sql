-- Named operators beside OPS_TOKEN, and who did what. Replicas older than this migration run on beside it: they know
-- OPS_TOKEN alone, and write events without a name.

CREATE TABLE IF NOT EXISTS operators (
  name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  role VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- SHA-256 of the token. Logins of the dashboard keep it as ops_token_hash.
  token_hash BINARY(32) NOT NULL,
  created_at DATETIME(3) NOT NULL,
  created_by VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expires_at DATETIME(3) NULL,
  last_used_at DATETIME(3) NULL,
  UNIQUE KEY operators_token (token_hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The operator that an event is of; NULL where no operator acted, and in events of earlier versions.
-- MySQL has no ADD COLUMN IF NOT EXISTS.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'events' AND column_name = 'by_operator');
SET @add = IF(@has > 0, 'DO 0',
  'ALTER TABLE events ADD COLUMN by_operator VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL');
PREPARE add_column FROM @add;
EXECUTE add_column;
DEALLOCATE PREPARE add_column;
