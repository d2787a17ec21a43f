-- What operators are told: alarms that go on, and messages about them on their way. Replicas older than this
-- migration run on beside it: they neither read nor write these.

-- Alarms that go on, by what they are about. An alarm is told once it has lasted long enough.
CREATE TABLE IF NOT EXISTS alarms (
  alarm VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  topic VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  host VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NULL,
  instance CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  reason VARCHAR(500) NOT NULL,
  first_at DATETIME(3) NOT NULL,
  last_at DATETIME(3) NOT NULL,
  -- NULL: nobody has been told yet.
  told_at DATETIME(3) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row a message and channel. Written in the transaction that begins or ends its alarm, and kept until it is
-- delivered or given up, and a while longer.
CREATE TABLE IF NOT EXISTS notifications (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  -- The same over all attempts.
  message_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  channel ENUM('webhook', 'mail') NOT NULL,
  type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- JSON as it is sent.
  payload VARCHAR(4000) NOT NULL,
  state ENUM('waiting', 'sent', 'given-up') NOT NULL DEFAULT 'waiting',
  created_at DATETIME(3) NOT NULL,
  attempts SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  next_at DATETIME(3) NOT NULL,
  -- Until when one process has it for itself, to send it; after that it has died on the way.
  held_until DATETIME(3) NULL,
  finished_at DATETIME(3) NULL,
  fault VARCHAR(500) NULL,
  UNIQUE KEY notifications_message (message_id, channel),
  KEY notifications_due (channel, state, next_at),
  KEY notifications_created (created_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
