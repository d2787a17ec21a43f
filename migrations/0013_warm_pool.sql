-- Warm instances: started and checked, and not yet anybody's. They are rows of instances that hold a slot and nothing
-- else, until a hand-out claims them. Replicas older than this migration run on beside it: they count such a slot as
-- taken, and neither claim nor end its instance.
-- MySQL has no ADD COLUMN IF NOT EXISTS.

-- Two values more for the life before a hand-out, at the end of those that there are: that changes no row.
SET @type = (SELECT column_type FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'state');
SET @add = IF(LOCATE('warming', @type) > 0, 'DO 0',
  CONCAT('ALTER TABLE instances MODIFY state ', REPLACE(@type, ')', ',''warming'',''warm'')'), ' NOT NULL'));
PREPARE add_values FROM @add;
EXECUTE add_values;
DEALLOCATE PREPARE add_values;

-- What its password is derived from, with the server's secret: erased by the hand-out. What it was made by: settings,
-- image and secret. Since when it has been ready: kept after the hand-out, as a sign that it was warm.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'password_nonce');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE instances
  ADD COLUMN password_nonce BINARY(32) NULL,
  ADD COLUMN recipe BINARY(32) NULL,
  ADD COLUMN warm_since DATETIME(3) NULL');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;
