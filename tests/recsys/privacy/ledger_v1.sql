-- The ledger as its first version made it: what a migration must be able to read.
CREATE TABLE rows (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('cap', 'reserve', 'commit', 'void', 'receipt')),
    time TEXT NOT NULL,
    silo TEXT NOT NULL,
    reservation INTEGER,
    noise_multiplier REAL,
    sampling_rate REAL,
    steps INTEGER,
    delta REAL,
    clip_norm REAL,
    divisor REAL CHECK (divisor IS NULL OR (typeof(divisor) = 'real' AND divisor > 0 AND divisor < 1e300)),
    cap REAL,
    source TEXT,
    details TEXT NOT NULL,
    previous TEXT NOT NULL CHECK (length(previous) = 64),
    hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
    CHECK (kind NOT IN ('reserve', 'receipt') OR (
        typeof(noise_multiplier) = 'real' AND noise_multiplier >= 1e-9 AND noise_multiplier <= 1e9
        AND typeof(sampling_rate) = 'real' AND sampling_rate > 0 AND sampling_rate <= 1
        AND typeof(steps) = 'integer' AND steps >= 1
        AND typeof(delta) = 'real' AND delta > 0 AND delta < 1
        AND typeof(clip_norm) = 'real' AND clip_norm > 0 AND clip_norm <= 1e9)),
    CHECK (kind <> 'commit' OR (typeof(steps) = 'integer' AND steps >= 0)),
    CHECK (kind NOT IN ('commit', 'void', 'receipt') OR typeof(reservation) = 'integer'),
    CHECK (kind <> 'cap' OR (
        typeof(cap) = 'real' AND cap > 0 AND cap <= 1e9
        AND typeof(delta) = 'real' AND delta > 0 AND delta < 1)),
    CHECK (kind <> 'receipt' OR length(source) = 64)
);
CREATE UNIQUE INDEX closed_once ON rows (reservation) WHERE kind IN ('commit', 'void');
CREATE UNIQUE INDEX mirrored_once ON rows (source) WHERE kind = 'receipt';
CREATE TRIGGER no_update BEFORE UPDATE ON rows BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER no_delete BEFORE DELETE ON rows BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER in_line BEFORE INSERT ON rows
WHEN NEW.id IS NOT (SELECT coalesce(max(id), 0) + 1 FROM rows)
    OR NEW.previous IS NOT coalesce(
        (SELECT hash FROM rows ORDER BY id DESC LIMIT 1), lower(hex(zeroblob(32))))
BEGIN SELECT RAISE(ABORT, 'the row does not continue the chain'); END;
CREATE TRIGGER closes_a_reservation BEFORE INSERT ON rows
WHEN NEW.kind IN ('commit', 'void')
    AND NOT EXISTS (
        SELECT 1 FROM rows
        WHERE id = NEW.reservation AND kind = 'reserve' AND steps >= coalesce(NEW.steps, 0))
BEGIN SELECT RAISE(ABORT, 'no such reservation, or more steps than reserved'); END;
PRAGMA user_version = 1;
