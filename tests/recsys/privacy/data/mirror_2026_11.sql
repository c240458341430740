-- A ledger as release 2 of its tables wrote it before rows held salts and the plan's silos.
PRAGMA user_version = 2;
PRAGMA application_id = 0;
BEGIN TRANSACTION;
CREATE TABLE rows (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN (
        'cap', 'reserve', 'commit', 'void', 'receipt', 'policy', 'request', 'approve', 'audit', 'model')),
    time TEXT NOT NULL,
    silo TEXT NOT NULL,
    reservation INTEGER,
    noise_multiplier REAL,
    sampling_rate REAL,
    steps INTEGER,
    delta REAL,
    clip_norm REAL,
    divisor REAL CHECK (divisor IS NULL OR (typeof(divisor) = 'real' AND divisor > 0 AND divisor < 1e300)),
    cap REAL CHECK (cap IS NULL OR (typeof(cap) = 'real' AND cap > 0 AND cap <= 1e9)),
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
    CHECK (kind <> 'cap' OR (cap IS NOT NULL AND typeof(delta) = 'real' AND delta > 0 AND delta < 1)),
    CHECK (kind <> 'receipt' OR (source IS NOT NULL AND length(source) = 64))
);
INSERT INTO "rows" VALUES(1,'receipt','2026-12-01T18:17:08.762456+00:00','north',2,8.0,1.0,1,1.0e-06,1.0,NULL,NULL,'081e4cb6568d57b32659e5c67abca75c55a84725a4e16c367b256e27507ca346','{"clip_norm":1.0,"delta":1e-06,"divisor":null,"event":{"noise_multiplier":8.0,"sampling_rate":1.0,"steps":1},"hash":"081e4cb6568d57b32659e5c67abca75c55a84725a4e16c367b256e27507ca346","kind":"reserve","mechanism":"popularity","plan_fingerprint":"1651c106856a845b989dbd0528b81ddef57fe97d9c36da65a50fab1e42b75ee5","purpose":"training","reason":null,"relation":"add-or-remove-one","reservation":2,"row":2,"run_id":"run-1","silo":"north","steps_done":null,"time":"2026-12-01T18:17:08","unit":"customer"}','0000000000000000000000000000000000000000000000000000000000000000','a497388d9f5d2ff6765a5d9196a2c838e8fba7397e8f43a95f562441076fef25');
INSERT INTO "rows" VALUES(2,'receipt','2026-12-01T18:17:08.765245+00:00','north',2,8.0,1.0,1,1.0e-06,1.0,NULL,NULL,'65ee0553383378960f635511d8db4ebcfc55daa61485574668f8018350596313','{"clip_norm":1.0,"delta":1e-06,"divisor":null,"event":{"noise_multiplier":8.0,"sampling_rate":1.0,"steps":1},"hash":"65ee0553383378960f635511d8db4ebcfc55daa61485574668f8018350596313","kind":"commit","mechanism":"popularity","plan_fingerprint":"1651c106856a845b989dbd0528b81ddef57fe97d9c36da65a50fab1e42b75ee5","purpose":"training","reason":null,"relation":"add-or-remove-one","reservation":2,"row":3,"run_id":"run-1","silo":"north","steps_done":1,"time":"2026-12-01T18:17:08","unit":"customer"}','a497388d9f5d2ff6765a5d9196a2c838e8fba7397e8f43a95f562441076fef25','be15c91ba8a5f06173c32bf0ab594b477bc6a158fe6f1ae9b417bd5ec4eda7af');
INSERT INTO "rows" VALUES(3,'receipt','2026-12-01T18:17:08.767272+00:00','north',4,1.1,0.05,10,1.0e-06,0.3,50.0,NULL,'991fc281a7c55220336015e88e2a70324d53e17a888c4e54f474f5557e737cea','{"clip_norm":0.3,"delta":1e-06,"divisor":50.0,"event":{"noise_multiplier":1.1,"sampling_rate":0.05,"steps":10},"hash":"991fc281a7c55220336015e88e2a70324d53e17a888c4e54f474f5557e737cea","kind":"reserve","mechanism":"towers","plan_fingerprint":"1651c106856a845b989dbd0528b81ddef57fe97d9c36da65a50fab1e42b75ee5","purpose":"training","reason":null,"relation":"add-or-remove-one","reservation":4,"row":4,"run_id":"run-1","silo":"north","steps_done":null,"time":"2026-12-01T18:17:08","unit":"customer"}','be15c91ba8a5f06173c32bf0ab594b477bc6a158fe6f1ae9b417bd5ec4eda7af','a2eb6f9340eaea63460da9cdcfbd692dade1f0e3e4f694cebbabe3fa2ebcdf6c');
INSERT INTO "rows" VALUES(4,'receipt','2026-12-01T18:17:08.769487+00:00','north',4,1.1,0.05,10,1.0e-06,0.3,50.0,NULL,'785f2ed5d918bb67721a9b8670cffa046a4d7d4c6ad23fab021fc91a379b5d96','{"clip_norm":0.3,"delta":1e-06,"divisor":50.0,"event":{"noise_multiplier":1.1,"sampling_rate":0.05,"steps":10},"hash":"785f2ed5d918bb67721a9b8670cffa046a4d7d4c6ad23fab021fc91a379b5d96","kind":"void","mechanism":"towers","plan_fingerprint":"1651c106856a845b989dbd0528b81ddef57fe97d9c36da65a50fab1e42b75ee5","purpose":"training","reason":"lost the line","relation":"add-or-remove-one","reservation":4,"row":5,"run_id":"run-1","silo":"north","steps_done":null,"time":"2026-12-01T18:17:08","unit":"customer"}','a2eb6f9340eaea63460da9cdcfbd692dade1f0e3e4f694cebbabe3fa2ebcdf6c','25c9d335df6f119fa5a81c97ee9042e19ee3bad1069e457ab36795d50de0c73f');
INSERT INTO "rows" VALUES(5,'receipt','2026-12-01T18:17:08.771525+00:00','north',6,8.0,1.0,1,1.0e-06,1.0,NULL,NULL,'b1a1b677a9ea2d59e9fa313ee76ae92eba86ba970de3bf0f8760bc8741491d7c','{"clip_norm":1.0,"delta":1e-06,"divisor":null,"event":{"noise_multiplier":8.0,"sampling_rate":1.0,"steps":1},"hash":"b1a1b677a9ea2d59e9fa313ee76ae92eba86ba970de3bf0f8760bc8741491d7c","kind":"reserve","mechanism":"intervals","plan_fingerprint":"1651c106856a845b989dbd0528b81ddef57fe97d9c36da65a50fab1e42b75ee5","purpose":"training","reason":null,"relation":"add-or-remove-one","reservation":6,"row":6,"run_id":"run-2","silo":"north","steps_done":null,"time":"2026-12-01T18:17:08","unit":"customer"}','25c9d335df6f119fa5a81c97ee9042e19ee3bad1069e457ab36795d50de0c73f','ee36beb353edd1ae957e9b4912f6bd70bd722c311dc8616f67086f31a88d5ea7');
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
COMMIT;
