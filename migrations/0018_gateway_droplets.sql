-- Gateways that the fleet orders, one row an order, as in droplets. They are in a table of their own: replicas older than
-- this migration run on beside it, and would take a row in droplets for a host that does not come.
CREATE TABLE IF NOT EXISTS gateway_droplets (
  number INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  -- Of the droplet, and of the gateway it becomes; NULL for the moment between the row and its number.
  name VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NULL,
  state VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'ordered',
  droplet_id BIGINT UNSIGNED NULL,
  region VARCHAR(32) NOT NULL,
  size VARCHAR(64) NOT NULL,
  -- What it was ordered with: another value is another program, image, size or setting.
  plan CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- US dollars, as the cloud names them with the droplet.
  hourly_price DECIMAL(10, 5) NULL,
  ordered_at DATETIME(3) NOT NULL,
  joined_at DATETIME(3) NULL,
  silent_since DATETIME(3) NULL,
  -- Since when it drains and no address record has led to it.
  draining_since DATETIME(3) NULL,
  -- When its end was decided, and when it was seen gone.
  ending_at DATETIME(3) NULL,
  gone_at DATETIME(3) NULL,
  end_reason VARCHAR(255) NULL,
  out_of_stock TINYINT NOT NULL DEFAULT 0,
  -- SHA-256 of the one-time token in its user-data, and of the secret that it has made for itself.
  token_hash BINARY(32) NOT NULL,
  key_hash BINARY(32) NULL,
  UNIQUE KEY gateway_droplets_name (name),
  UNIQUE KEY gateway_droplets_droplet_id (droplet_id),
  KEY gateway_droplets_state (state, gone_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
