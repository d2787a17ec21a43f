-- Services that gateways carry besides leases, and hosts that may announce applications. Replicas older than this
-- migration run on beside it: they neither read nor write these.

-- A row for each port that services listen on: whoever declares one there locks it, so that no two services that cannot
-- stand beside each other are declared at once.
CREATE TABLE IF NOT EXISTS service_ports (
  port SMALLINT UNSIGNED NOT NULL PRIMARY KEY
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS services (
  name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  port SMALLINT UNSIGNED NOT NULL,
  protocol VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- Names in TLS or domains in HTTP, with a space between them.
  names TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  policy VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  probe VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- Of a probe by HTTP.
  probe_path VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- Key of the pool in Redis that has the members; NULL: they are rows of service_members.
  pool_key VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  declared_at DATETIME(3) NOT NULL,
  KEY services_port (port)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS service_members (
  service VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- ip:port
  address VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  weight SMALLINT UNSIGNED NOT NULL,
  zone VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  is_draining TINYINT NOT NULL DEFAULT 0,
  PRIMARY KEY (service, address),
  FOREIGN KEY (service) REFERENCES services (name) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS announcers (
  name VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  -- Names of the applications that it may announce, with a space between them; NULL: any.
  applications TEXT CHARACTER SET ascii COLLATE ascii_bin NULL,
  -- Its password in Redis is derived from this.
  nonce BINARY(32) NOT NULL,
  created_at DATETIME(3) NOT NULL,
  created_by VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
