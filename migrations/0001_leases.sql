-- Migrations can be run again after a stop in their middle: MySQL commits each table by itself.

-- Hosts, their slots, instances, and the two unique keys that make overselling impossible:
-- a slot has one instance, an address has one instance in each of its quota places.

CREATE TABLE IF NOT EXISTS deployment (
  only_row TINYINT NOT NULL PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
  -- Marks our containers on engines that others use too.
  id CHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- Hand-outs whose rows have been pruned.
  pruned_handouts BIGINT UNSIGNED NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS hosts (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  engine_url VARCHAR(255) NOT NULL,
  public_host VARCHAR(253) NOT NULL,
  check_host VARCHAR(253) NOT NULL,
  bind_address VARCHAR(45) CHARACTER SET ascii NOT NULL,
  capacity SMALLINT UNSIGNED NOT NULL,
  base_port SMALLINT UNSIGNED NOT NULL,
  state ENUM('active', 'cordoned', 'draining') NOT NULL DEFAULT 'active',
  created_at DATETIME(3) NOT NULL,
  UNIQUE KEY hosts_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS instances (
  id CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  state ENUM('starting', 'running', 'ending', 'ended') NOT NULL,
  host_id INT UNSIGNED NOT NULL,
  port SMALLINT UNSIGNED NOT NULL,
  address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  token_hash BINARY(32) NOT NULL,
  created_at DATETIME(3) NOT NULL,
  -- NULL: never handed out.
  handed_out_at DATETIME(3) NULL,
  -- End of the lease; while starting, the time by which the hand-out is given up.
  expires_at DATETIME(3) NOT NULL,
  -- No extension passes it; the host itself ends the container then.
  latest_end DATETIME(3) NOT NULL,
  ended_at DATETIME(3) NULL,
  end_cause ENUM('expired', 'owner', 'operator', 'failed', 'abandoned', 'lost') NULL,
  KEY instances_due (state, expires_at),
  KEY instances_host (host_id, state),
  KEY instances_handed_out (handed_out_at),
  KEY instances_ended (ended_at),
  CONSTRAINT instances_host FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS slots (
  host_id INT UNSIGNED NOT NULL,
  slot SMALLINT UNSIGNED NOT NULL,
  port SMALLINT UNSIGNED NOT NULL,
  instance_id CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- Free slots are taken in this order, the longest unused first: a stranger's client that still
  -- calls an old port should find nobody there. In the future while the slot rests, its port being
  -- held by something that is not ours.
  free_since DATETIME(3) NOT NULL,
  PRIMARY KEY (host_id, slot),
  UNIQUE KEY slots_instance (instance_id),
  KEY slots_free (host_id, instance_id, free_since, slot),
  KEY slots_port (host_id, port),
  CONSTRAINT slots_host FOREIGN KEY (host_id) REFERENCES hosts (id),
  CONSTRAINT slots_instance FOREIGN KEY (instance_id) REFERENCES instances (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- One row an address, locked while a hand-out counts its places: hand-outs to one address queue up
-- here instead of colliding below.
CREATE TABLE IF NOT EXISTS addresses (
  address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seen_at DATETIME(3) NOT NULL,
  KEY addresses_seen (seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS quota_places (
  address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  place SMALLINT UNSIGNED NOT NULL,
  instance_id CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (address, place),
  UNIQUE KEY quota_places_instance (instance_id),
  CONSTRAINT quota_places_instance FOREIGN KEY (instance_id) REFERENCES instances (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- A key lives as long as the lease it made.
CREATE TABLE IF NOT EXISTS idempotency_keys (
  address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  key_hash BINARY(32) NOT NULL,
  request_hash BINARY(32) NOT NULL,
  instance_id CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- The answer, openable only with the key itself; NULL until the instance is handed out.
  sealed_answer VARBINARY(2048) NULL,
  PRIMARY KEY (address, key_hash),
  UNIQUE KEY idempotency_keys_instance (instance_id),
  CONSTRAINT idempotency_keys_instance FOREIGN KEY (instance_id) REFERENCES instances (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS job_runs (
  job VARCHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  started_at DATETIME(3) NOT NULL,
  finished_at DATETIME(3) NULL,
  succeeded_at DATETIME(3) NULL,
  fault VARCHAR(500) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
