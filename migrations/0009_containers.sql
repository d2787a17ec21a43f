-- What runs in an instance, and when its server was started again last, after it had ended by itself. Replicas
-- older than this migration run on beside it: they leave these NULL, as unknown.
-- MySQL has no ADD COLUMN IF NOT EXISTS.

-- The server as its instance told it when it was handed out: redis or valkey, and its version.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'engine');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE instances
  ADD COLUMN engine VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  ADD COLUMN engine_version VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;

-- When it ended, by its host's clock, and why: out-of-memory, crashed, unknown.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'restarted_at');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE instances
  ADD COLUMN restarted_at DATETIME(3) NULL,
  ADD COLUMN restart_cause VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;
