-- The password of an instance as a proof of its holder, beside the token: they may have nothing but its URL. NULL for
-- instances from before this migration and of replicas older than it: those take the token alone.
-- MySQL has no ADD COLUMN IF NOT EXISTS.

-- SHA-256 of the password, which has 190 random bits; the same hash is what the instance itself checks.
SET @has = (SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'instances' AND column_name = 'password_hash');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE instances ADD COLUMN password_hash BINARY(32) NULL');
PREPARE add_columns FROM @add;
EXECUTE add_columns;
DEALLOCATE PREPARE add_columns;
