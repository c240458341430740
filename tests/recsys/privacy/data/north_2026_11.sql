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
INSERT INTO "rows" VALUES(1,'cap','2026-12-01T18:17:08.582595+00:00','',NULL,NULL,NULL,NULL,1.0e-06,NULL,NULL,8.0,NULL,'{"requester":"silo configuration"}','0000000000000000000000000000000000000000000000000000000000000000','725cf4a2a1466db29ef1a52de4ffd56562f622d54efa396f66d5d74e1d6512cd');
INSERT INTO "rows" VALUES(2,'reserve','2026-12-01T18:17:08.742198+00:00','north',NULL,8.0,1.0,1,1.0e-06,1.0,NULL,NULL,NULL,'{"accountant":"dp_accounting PLD, pessimistic","accountant_version":"0.6.0","approver":null,"code_hash":"be0b3b532465e19af9121379ed8bc891fde4936dcc217545a2cbe3d1c27176b3","code_version":"0.1.0","config_hash":null,"consent":"training","dependency_hash":"5b1ecb30d6368b25fa1247870b1692d7ad4e2b8e02796f87aa24cf88897f7862","max_silos_per_person":2,"mechanism":"popularity","noise_source":"AES-256-CTR keyed by the operating system, Box-Muller float64, released float32","parents":[],"plan_fingerprint":"1651c106856a845b989dbd0528b81ddef57fe97d9c36da65a50fab1e42b75ee5","purpose":"training","relation":"add-or-remove-one","requester":"ana","retention":null,"run_id":"run-1","snapshot_hmac":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","trials":1,"unit":"customer","window":null}','725cf4a2a1466db29ef1a52de4ffd56562f622d54efa396f66d5d74e1d6512cd','081e4cb6568d57b32659e5c67abca75c55a84725a4e16c367b256e27507ca346');
INSERT INTO "rows" VALUES(3,'commit','2026-12-01T18:17:08.744682+00:00','north',2,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,'{}','081e4cb6568d57b32659e5c67abca75c55a84725a4e16c367b256e27507ca346','65ee0553383378960f635511d8db4ebcfc55daa61485574668f8018350596313');
INSERT INTO "rows" VALUES(4,'reserve','2026-12-01T18:17:08.752167+00:00','north',NULL,1.1,0.05,10,1.0e-06,0.3,50.0,NULL,NULL,'{"accountant":"dp_accounting PLD, pessimistic","accountant_version":"0.6.0","approver":null,"code_hash":"be0b3b532465e19af9121379ed8bc891fde4936dcc217545a2cbe3d1c27176b3","code_version":"0.1.0","config_hash":null,"consent":"training","dependency_hash":"5b1ecb30d6368b25fa1247870b1692d7ad4e2b8e02796f87aa24cf88897f7862","max_silos_per_person":2,"mechanism":"towers","noise_source":"AES-256-CTR keyed by the operating system, Box-Muller float64, released float32","parents":[],"plan_fingerprint":"1651c106856a845b989dbd0528b81ddef57fe97d9c36da65a50fab1e42b75ee5","purpose":"training","relation":"add-or-remove-one","requester":"ana","retention":null,"run_id":"run-1","snapshot_hmac":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","trials":1,"unit":"customer","window":null}','65ee0553383378960f635511d8db4ebcfc55daa61485574668f8018350596313','991fc281a7c55220336015e88e2a70324d53e17a888c4e54f474f5557e737cea');
INSERT INTO "rows" VALUES(5,'void','2026-12-01T18:17:08.754426+00:00','north',4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"reason":"lost the line"}','991fc281a7c55220336015e88e2a70324d53e17a888c4e54f474f5557e737cea','785f2ed5d918bb67721a9b8670cffa046a4d7d4c6ad23fab021fc91a379b5d96');
INSERT INTO "rows" VALUES(6,'reserve','2026-12-01T18:17:08.757320+00:00','north',NULL,8.0,1.0,1,1.0e-06,1.0,NULL,NULL,NULL,'{"accountant":"dp_accounting PLD, pessimistic","accountant_version":"0.6.0","approver":null,"code_hash":"be0b3b532465e19af9121379ed8bc891fde4936dcc217545a2cbe3d1c27176b3","code_version":"0.1.0","config_hash":null,"consent":"training","dependency_hash":"5b1ecb30d6368b25fa1247870b1692d7ad4e2b8e02796f87aa24cf88897f7862","max_silos_per_person":2,"mechanism":"intervals","noise_source":"AES-256-CTR keyed by the operating system, Box-Muller float64, released float32","parents":[],"plan_fingerprint":"1651c106856a845b989dbd0528b81ddef57fe97d9c36da65a50fab1e42b75ee5","purpose":"training","relation":"add-or-remove-one","requester":"ana","retention":null,"run_id":"run-2","snapshot_hmac":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","trials":1,"unit":"customer","window":null}','785f2ed5d918bb67721a9b8670cffa046a4d7d4c6ad23fab021fc91a379b5d96','b1a1b677a9ea2d59e9fa313ee76ae92eba86ba970de3bf0f8760bc8741491d7c');
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
