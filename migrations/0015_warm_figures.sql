-- How hand-outs of a minute began: one value more for figures, at the end of those that there are, which changes no row.
-- Replicas older than this migration run on beside it: they pass over figures that they do not know.
-- MySQL has no ADD VALUE IF NOT EXISTS.
SET @type = (SELECT column_type FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'minute_figures' AND column_name = 'figure');
SET @add = IF(LOCATE('''began''', @type) > 0, 'DO 0',
  CONCAT('ALTER TABLE minute_figures MODIFY figure ', REPLACE(@type, ')', ',''began'')'), ' NOT NULL'));
PREPARE add_value FROM @add;
EXECUTE add_value;
DEALLOCATE PREPARE add_value;
