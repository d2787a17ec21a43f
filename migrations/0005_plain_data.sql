-- Each fact gets a column of its own. Replicas older than this migration run on beside it: all that they read
-- is still written, and all that they write is still read. Once none of them runs, a later migration may
--   fill instances.start_deadline of starting instances out of expires_at, and let expires_at be NULL there;
--   set slots.port_taken_until where free_since is in the future, and free_since to now;
--   rename the actor 'tend' of events to 'health';
--   drop table minutes.
-- MySQL has no ADD COLUMN IF NOT EXISTS.

-- Time by which a hand-out must be finished. NULL in rows of earlier replicas, which keep it in expires_at
-- until the hand-out, and look for it there: it is written there as well.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'start_deadline');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE instances ADD COLUMN start_deadline DATETIME(3) NULL');
PREPARE add_column FROM @add;
EXECUTE add_column;
DEALLOCATE PREPARE add_column;

-- Until when a slot is passed over because something that is not ours holds its port. Earlier replicas set
-- free_since to that time instead. They do not know this column: they may try such a slot too early, find
-- its port taken, and go on with the next one.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'slots' AND column_name = 'port_taken_until');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE slots ADD COLUMN port_taken_until DATETIME(3) NULL');
PREPARE add_column FROM @add;
EXECUTE add_column;
DEALLOCATE PREPARE add_column;

-- Data of an event for programs, as JSON. People read its reason. The type is text, because the two servers'
-- JSON types differ.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'events' AND column_name = 'data');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE events ADD COLUMN data VARCHAR(1000) NULL');
PREPARE add_column FROM @add;
EXECUTE add_column;
DEALLOCATE PREPARE add_column;

-- The job is called health now.
DELETE FROM job_runs WHERE job = 'tend';

-- Counts and gauges of each minute, one row a figure. Each process that counts keeps its own share, and one
-- of them keeps the gauges: written again and again while the minute lasts, and always whole.
CREATE TABLE IF NOT EXISTS minute_figures (
  minute DATETIME NOT NULL,
  source VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  figure ENUM('handouts', 'took', 'ends', 'leases', 'slots', 'hosts', 'droplets') NOT NULL,
  -- What is counted within the figure: an outcome, a cause, a standing, a state; of `took` the upper bound in
  -- seconds, or +Inf; of `slots` in_use or all; of `leases` nothing.
  label VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  value BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (minute, source, figure, label)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Minutes kept so far, whose figures are JSON with names such as handout.created, took.0.005, end.expired,
-- leases, slots.in_use, hosts.open. In one statement, so that a minute is there whole or not at all, and
-- without locks that would keep earlier replicas from writing.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
INSERT INTO minute_figures (minute, source, figure, label, value)
SELECT minute, source, figure, label, value
  FROM (
    SELECT minutes.minute, minutes.source,
           CASE SUBSTRING_INDEX(entry.name, '.', 1) WHEN 'handout' THEN 'handouts' WHEN 'end' THEN 'ends'
             ELSE SUBSTRING_INDEX(entry.name, '.', 1) END AS figure,
           IF(LOCATE('.', entry.name) = 0, '', SUBSTRING(entry.name, LOCATE('.', entry.name) + 1)) AS label,
           JSON_UNQUOTE(JSON_EXTRACT(minutes.figures, CONCAT('$."', entry.name, '"'))) AS value
      FROM minutes JOIN JSON_TABLE(JSON_KEYS(minutes.figures), '$[*]' COLUMNS (name VARCHAR(64) PATH '$')) AS entry
  ) AS kept
 WHERE figure IN ('handouts', 'took', 'ends', 'leases', 'slots', 'hosts', 'droplets')
   AND NOT EXISTS (SELECT 1 FROM minute_figures AS present
                    WHERE present.minute = kept.minute AND present.source = kept.source);
