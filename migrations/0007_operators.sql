-- What operators of a public service need: blocks of whole networks with an end, a list of networks out of a file,
-- and what looks like misuse. Replicas older than this migration run on beside it: they know neither ends of blocks
-- nor lists, and take a network's row for an address that nobody has.
-- MySQL has no ADD COLUMN IF NOT EXISTS.

SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'blocks' AND column_name = 'until_at');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE blocks
  ADD COLUMN until_at DATETIME(3) NULL,
  ADD COLUMN blocked_by VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
  ADD COLUMN first_ip VARBINARY(16) NULL,
  ADD COLUMN last_ip VARBINARY(16) NULL');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;

-- Networks of the file BLOCK_LIST_FILE, in the same form as those of the operator.
CREATE TABLE IF NOT EXISTS listed_networks (
  network VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- A value more for why an instance ended, at the end of those that there are: that changes no row.
SET @type = (SELECT column_type FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'end_cause');
SET @add = IF(LOCATE('misuse', @type) > 0, 'DO 0',
  CONCAT('ALTER TABLE instances MODIFY end_cause ', REPLACE(@type, ')', ',''misuse'')'), ' NULL'));
PREPARE add_value FROM @add;
EXECUTE add_value;
DEALLOCATE PREPARE add_value;

-- What looks like misuse of an instance, by rule: since when, and last how much of what. Gone with the instance.
CREATE TABLE IF NOT EXISTS misuse_findings (
  instance_id CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  rule VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  value BIGINT UNSIGNED NOT NULL,
  bound BIGINT UNSIGNED NOT NULL,
  first_at DATETIME(3) NOT NULL,
  last_at DATETIME(3) NOT NULL,
  PRIMARY KEY (instance_id, rule),
  CONSTRAINT misuse_findings_instance FOREIGN KEY (instance_id) REFERENCES instances (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
