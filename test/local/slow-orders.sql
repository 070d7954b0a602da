-- The local Lambda only: an order of the customer "slow", or "slow 3", stays that many seconds (60) inside its INSERT, so
-- that somebody can end its environment in the middle of a statement.
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(coalesce(substring(NEW.customer FROM '^slow (\d+(?:\.\d+)?)$')::float, 60));
  RETURN NEW;
END $$;

CREATE TRIGGER linger BEFORE INSERT ON orders FOR EACH ROW
  WHEN (NEW.customer ~ '^slow( \d+(\.\d+)?)?$') EXECUTE FUNCTION linger();
