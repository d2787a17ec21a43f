-- What networks hold, and what addresses and networks have begun within a day. Replicas older than this
-- migration run on beside it: what they hand out counts for their address alone, and when they end an instance,
-- its rows here go with its quota place.

-- One row a network, locked while a hand-out counts what the network holds: hand-outs to one network queue up
-- here, those to different networks do not meet. A network is a /24, a /48, or what a list of networks names.
CREATE TABLE IF NOT EXISTS networks (
  network VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  seen_at DATETIME(3) NOT NULL,
  KEY networks_seen (seen_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- The networks of each instance that holds a quota place.
CREATE TABLE IF NOT EXISTS network_places (
  network VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  instance_id CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (network, instance_id),
  KEY network_places_instance (instance_id),
  CONSTRAINT network_places_instance FOREIGN KEY (instance_id) REFERENCES quota_places (instance_id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Hand-outs begun in each hour by an address or a network, without those that failed on our side.
CREATE TABLE IF NOT EXISTS starts (
  budget VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  hour DATETIME NOT NULL,
  starts INT UNSIGNED NOT NULL,
  PRIMARY KEY (budget, hour),
  KEY starts_hour (hour)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
