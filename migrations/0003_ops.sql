-- What the operator sees and wishes: sessions of the dashboard, switches, blocks, wishes for hosts, and
-- the figures of each minute.

CREATE TABLE IF NOT EXISTS ops_sessions (
  -- SHA-256 of what the cookie holds.
  session_hash BINARY(32) NOT NULL PRIMARY KEY,
  -- SHA-256 of the operator's token that it began with: another token ends all its sessions.
  ops_token_hash BINARY(32) NOT NULL,
  began_at DATETIME(3) NOT NULL,
  ends_at DATETIME(3) NOT NULL,
  KEY ops_sessions_ends (ends_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Absent is on.
CREATE TABLE IF NOT EXISTS switches (
  name ENUM('handouts', 'scaling') NOT NULL PRIMARY KEY,
  paused TINYINT NOT NULL,
  changed_at DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Addresses, by the key that quotas count by, that get no instances.
CREATE TABLE IF NOT EXISTS blocks (
  address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  reason VARCHAR(255) NOT NULL,
  blocked_at DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Hosts that the operator wants destroyed; the leader of the scaling does it. `lost`: with their leases.
CREATE TABLE IF NOT EXISTS doomed_hosts (
  name VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  leases ENUM('none', 'lost') NOT NULL,
  asked_at DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Counts and gauges by name, as JSON. One row a minute for each process that counts (its own share), and
-- one for the gauges: written again and again while the minute lasts, and always whole.
CREATE TABLE IF NOT EXISTS minutes (
  minute DATETIME NOT NULL,
  source VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  figures VARCHAR(4000) CHARACTER SET ascii NOT NULL,
  PRIMARY KEY (minute, source)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The list of instances in each of its orders. InnoDB ends every key with the primary one. MySQL has no
-- CREATE INDEX IF NOT EXISTS.
SET @has = (SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'instances' AND index_name = 'instances_created');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE instances ADD KEY instances_created (created_at), ADD KEY instances_expires (expires_at), ADD KEY instances_address (address), ADD KEY instances_of_host (host_id)');
PREPARE add_keys FROM @add;
EXECUTE add_keys;
DEALLOCATE PREPARE add_keys;
