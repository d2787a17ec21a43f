-- What each process needs to follow the fleet by its changes. Replicas older than this migration run on beside it: the
-- server itself notes when a row changes, theirs too.
-- MySQL has no ADD COLUMN IF NOT EXISTS.

-- When a row changed last, by the server's clock, at the start of the statement that changed it: it is seen by others
-- later, once that is committed. In UTC whatever the session's time zone, hence TIMESTAMP. What does not change how a
-- host is used leaves it as it is, by touched_at = touched_at.
-- instances_use: how many instances of each state a host has, and when the last of its leases ends.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'touched_at');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE instances
  ADD COLUMN touched_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  ADD KEY instances_touched (touched_at, host_id),
  ADD KEY instances_use (state, host_id, expires_at)');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;

-- hosts_public: the host of an address that a holder connects to.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'hosts' AND column_name = 'touched_at');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE hosts
  ADD COLUMN touched_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  ADD KEY hosts_touched (touched_at),
  ADD KEY hosts_public (public_host)');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;

SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'droplets' AND column_name = 'touched_at');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE droplets
  ADD COLUMN touched_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  ADD KEY droplets_touched (touched_at)');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;
