-- What instances have sent, and what was told of it. Replicas older than this migration run on beside it: they
-- neither read nor write these.
-- MySQL has no ADD COLUMN IF NOT EXISTS.

-- Bytes that an instance has sent since it began, and when the operator was told that it is over its bound.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'sent_bytes');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE instances
  ADD COLUMN sent_bytes BIGINT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN transfer_told_at DATETIME(3) NULL');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;

-- What all instances together have sent on a day of UTC, and when the day's alarm was given.
CREATE TABLE IF NOT EXISTS transfer_days (
  day DATE NOT NULL PRIMARY KEY,
  sent_bytes BIGINT UNSIGNED NOT NULL,
  alarm_at DATETIME(3) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
