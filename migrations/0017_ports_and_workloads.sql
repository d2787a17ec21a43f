-- Ports of hosts that are balanced over containers, and containers that are run for operators. Replicas older than this
-- migration run on beside it: they know neither, and may take a host with them for empty. So declare them once all are
-- new.

CREATE TABLE IF NOT EXISTS host_ports (
  host_id INT UNSIGNED NOT NULL,
  port SMALLINT UNSIGNED NOT NULL,
  -- Containers made from it are members; NULL: only children are.
  image VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
  image_port SMALLINT UNSIGNED NOT NULL,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  declared_at DATETIME(3) NOT NULL,
  PRIMARY KEY (host_id, port),
  FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Ports of other hosts that take a share of a port. One that is declared no more is nobody's child.
CREATE TABLE IF NOT EXISTS host_port_children (
  host_id INT UNSIGNED NOT NULL,
  port SMALLINT UNSIGNED NOT NULL,
  child_host_id INT UNSIGNED NOT NULL,
  child_port SMALLINT UNSIGNED NOT NULL,
  PRIMARY KEY (host_id, port, child_host_id, child_port),
  FOREIGN KEY (host_id, port) REFERENCES host_ports (host_id, port) ON DELETE CASCADE,
  FOREIGN KEY (child_host_id, child_port) REFERENCES host_ports (host_id, port) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE IF NOT EXISTS workloads (
  host_id INT UNSIGNED NOT NULL,
  name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  image VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- Words in JSON; NULL: what the image says.
  command TEXT NULL,
  memory_mb INT UNSIGNED NOT NULL,
  millicpus INT UNSIGNED NOT NULL,
  copies SMALLINT UNSIGNED NOT NULL,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- Counts changes; the newest that was carried out, when, and what was wrong with it.
  generation INT UNSIGNED NOT NULL,
  done_generation INT UNSIGNED NOT NULL DEFAULT 0,
  done_at DATETIME(3) NULL,
  fault VARCHAR(500) NULL,
  PRIMARY KEY (host_id, name),
  FOREIGN KEY (host_id) REFERENCES hosts (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
