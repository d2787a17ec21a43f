-- Alarms that go on are looked for each second while a dashboard is open, by when they were said last.
-- MySQL has no CREATE INDEX IF NOT EXISTS.
SET @has = (SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = 'events' AND index_name = 'events_alarm');
SET @add = IF(@has > 0, 'DO 0', 'ALTER TABLE events ADD KEY events_alarm (alarm, last_at)');
PREPARE add_key FROM @add;
EXECUTE add_key;
DEALLOCATE PREPARE add_key;
