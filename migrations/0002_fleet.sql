-- The fleet: droplets from order to end, every decision about them, and who decides.

ALTER TABLE hosts MODIFY state ENUM('active', 'cordoned', 'draining', 'gone') NOT NULL DEFAULT 'active';

-- One row an order. A row is written before the cloud is asked, and closed only when the cloud says
-- that there is no such droplet: what costs money is tracked, or found by its tag and destroyed.
CREATE TABLE IF NOT EXISTS droplets (
  number INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  -- Of the droplet, and of the host it becomes; NULL for the moment between the row and its number.
  name VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NULL,
  state ENUM('ordered', 'booting', 'joined', 'destroying', 'gone') NOT NULL DEFAULT 'ordered',
  droplet_id BIGINT UNSIGNED NULL,
  region VARCHAR(32) NOT NULL,
  size VARCHAR(64) NOT NULL,
  -- US dollars, as the cloud names them with the droplet.
  hourly_price DECIMAL(10, 5) NULL,
  ordered_at DATETIME(3) NOT NULL,
  joined_at DATETIME(3) NULL,
  -- When its end was decided, and when it was seen gone.
  ending_at DATETIME(3) NULL,
  gone_at DATETIME(3) NULL,
  end_reason VARCHAR(255) NULL,
  out_of_stock TINYINT NOT NULL DEFAULT 0,
  idle_since DATETIME(3) NULL,
  unwell_since DATETIME(3) NULL,
  -- Since when its engine has not answered us, whatever its heart says.
  unreached_since DATETIME(3) NULL,
  -- SHA-256 of the one-time token in its user-data, and of the public key that has used it.
  token_hash BINARY(32) NOT NULL,
  key_hash BINARY(32) NULL,
  UNIQUE KEY droplets_name (name),
  UNIQUE KEY droplets_droplet_id (droplet_id),
  KEY droplets_state (state, gone_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- What was decided and done, by jobs and by people, and why. The same thing again counts up.
CREATE TABLE IF NOT EXISTS events (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at DATETIME(3) NOT NULL,
  last_at DATETIME(3) NOT NULL,
  times INT UNSIGNED NOT NULL DEFAULT 1,
  actor VARCHAR(32) CHARACTER SET ascii NOT NULL,
  kind VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  host VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NULL,
  instance CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  alarm TINYINT NOT NULL DEFAULT 0,
  reason VARCHAR(500) NOT NULL,
  KEY events_at (at),
  KEY events_host (host, id),
  KEY events_instance (instance, id),
  KEY events_kind (kind, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Each change of leader raises the term: what an earlier leader still wants to write is refused.
CREATE TABLE IF NOT EXISTS leaders (
  job VARCHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  term BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
