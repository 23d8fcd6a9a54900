BEGIN TRANSACTION;
CREATE TABLE blocks (
        network TEXT PRIMARY KEY,
        project TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "blocks" VALUES('10.180.0.0/21','shop');
CREATE TABLE counters (
        name  TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "counters" VALUES('declared',44);
INSERT INTO "counters" VALUES('generation',11);
INSERT INTO "counters" VALUES('vip',179831061);
CREATE TABLE declared_changes (
        project TEXT NOT NULL,
        service TEXT NOT NULL,
        stamp   INTEGER NOT NULL,
        PRIMARY KEY (project, service)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "declared_changes" VALUES('shop','s0',5);
INSERT INTO "declared_changes" VALUES('shop','s1',9);
INSERT INTO "declared_changes" VALUES('shop','s2',13);
INSERT INTO "declared_changes" VALUES('shop','s3',17);
INSERT INTO "declared_changes" VALUES('shop','s4',21);
INSERT INTO "declared_changes" VALUES('shop','s5',25);
INSERT INTO "declared_changes" VALUES('shop','s6',29);
INSERT INTO "declared_changes" VALUES('shop','s7',33);
INSERT INTO "declared_changes" VALUES('shop','s8',37);
INSERT INTO "declared_changes" VALUES('shop','s9',41);
INSERT INTO "declared_changes" VALUES('shop','pending',44);
CREATE TABLE events (
        seq      INTEGER PRIMARY KEY AUTOINCREMENT,
        at       TEXT NOT NULL,
        project  TEXT NOT NULL,
        service  TEXT NOT NULL,
        kind     TEXT NOT NULL,
        message  TEXT NOT NULL,
        severity TEXT NOT NULL,
        count    INTEGER NOT NULL
    ) STRICT
    ;
CREATE TABLE ingress (
        place   INTEGER PRIMARY KEY AUTOINCREMENT,
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        id      TEXT NOT NULL,
        spec    TEXT NOT NULL,
        UNIQUE (project, id)
    ) STRICT
    ;
CREATE TABLE ingress_global (
        project TEXT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
        spec    TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE project_values (
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        place   TEXT NOT NULL,
        sealed  BLOB NOT NULL,
        PRIMARY KEY (project, place)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE projects (
        id   TEXT PRIMARY KEY,
        spec TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "projects" VALUES('shop','{}');
CREATE TABLE roles (
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        service TEXT NOT NULL,
        id      TEXT NOT NULL,
        spec    TEXT NOT NULL,
        PRIMARY KEY (project, service, id)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE routes (
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        service TEXT NOT NULL,
        spec    TEXT NOT NULL,
        PRIMARY KEY (project, service)
    ) STRICT, WITHOUT ROWID
    ;
CREATE TABLE sealing_check (
        id     INTEGER PRIMARY KEY CHECK (id = 1),
        sealed BLOB NOT NULL
    ) STRICT
    ;
INSERT INTO "sealing_check" VALUES(1,X'0125441829C8F14B1B2D8B8483E226ADF88B8007E246F26E30613684A44489F8398FC4F0A3');
CREATE TABLE secret_values (
        project TEXT NOT NULL,
        secret  TEXT NOT NULL,
        key     TEXT NOT NULL,
        sealed  BLOB NOT NULL,
        PRIMARY KEY (project, secret, key),
        FOREIGN KEY (project, secret) REFERENCES secrets (project, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "secret_values" VALUES('shop','conf','app.ini',X'0125441829C8F14B1BB6A476ACF1953844982CC6872ABB9627704010A1761A56A923E9040FDEB727E396');
INSERT INTO "secret_values" VALUES('shop','db','PASS',X'0125441829C8F14B1BA4146A6B12CFE08FAA6C90A7A05F8A39F90B521B20C7BD36D6CBF5F5A5879062AE04');
CREATE TABLE secrets (
        project   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        id        TEXT NOT NULL,
        type      TEXT NOT NULL,
        root_path TEXT NOT NULL,
        version   INTEGER NOT NULL,
        PRIMARY KEY (project, id)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "secrets" VALUES('shop','conf','file','/etc/app',1);
INSERT INTO "secrets" VALUES('shop','db','env','',2);
CREATE TABLE services (
        project TEXT NOT NULL,
        service TEXT NOT NULL,
        subnet  TEXT NOT NULL UNIQUE,
        vip     TEXT NOT NULL UNIQUE,
        PRIMARY KEY (project, service)
    ) STRICT, WITHOUT ROWID
    ;
INSERT INTO "services" VALUES('shop','pending','10.180.5.0/25','10.184.1.20');
INSERT INTO "services" VALUES('shop','s0','10.180.0.0/25','10.184.1.0');
INSERT INTO "services" VALUES('shop','s1','10.180.0.128/25','10.184.1.2');
INSERT INTO "services" VALUES('shop','s2','10.180.1.0/25','10.184.1.4');
INSERT INTO "services" VALUES('shop','s3','10.180.1.128/25','10.184.1.6');
INSERT INTO "services" VALUES('shop','s4','10.180.2.0/25','10.184.1.8');
INSERT INTO "services" VALUES('shop','s5','10.180.2.128/25','10.184.1.10');
INSERT INTO "services" VALUES('shop','s6','10.180.3.0/25','10.184.1.12');
INSERT INTO "services" VALUES('shop','s7','10.180.3.128/25','10.184.1.14');
INSERT INTO "services" VALUES('shop','s8','10.180.4.0/25','10.184.1.16');
INSERT INTO "services" VALUES('shop','s9','10.180.4.128/25','10.184.1.18');
CREATE TABLE versions (
        project    TEXT NOT NULL REFERENCES projects (id),
        service    TEXT NOT NULL,
        version    TEXT NOT NULL,
        label      TEXT NOT NULL,
        place      INTEGER NOT NULL,
        vip        TEXT NOT NULL UNIQUE,
        spec       TEXT NOT NULL,
        generation INTEGER NOT NULL UNIQUE,
        images     TEXT NOT NULL DEFAULT '{}',
        applied_at TEXT NOT NULL,
        PRIMARY KEY (project, service, version),
        UNIQUE (project, label),
        FOREIGN KEY (project, service) REFERENCES services (project, service)
    ) STRICT
    ;
INSERT INTO "versions" VALUES('shop','s0','v1','s0-v1-internal',1,'10.184.1.1','{"tasks":[{"docker":{"image":"app:0"},"id":"main","ports":[{"port":8080,"protocol":"http"}],"secrets":["db"]}]}',1,'{"main": "sha256:0main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s1','v1','s1-v1-internal',1,'10.184.1.3','{"tasks":[{"docker":{"image":"app:1"},"env":{"N":"1"},"id":"main","ports":[{"port":8081,"protocol":"http"}]}]}',2,'{"main": "sha256:1main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s2','v1','s2-v1-internal',1,'10.184.1.5','{"tasks":[{"docker":{"image":"app:2"},"id":"main","ports":[{"port":8082,"protocol":"http"}]}]}',3,'{"main": "sha256:2main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s3','v1','s3-v1-internal',1,'10.184.1.7','{"tasks":[{"docker":{"image":"app:3"},"env":{"N":"3"},"id":"main","ports":[{"port":8083,"protocol":"http"}],"secrets":["db"]}]}',4,'{"main": "sha256:3main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s4','v1','s4-v1-internal',1,'10.184.1.9','{"tasks":[{"docker":{"image":"app:4"},"id":"main","ports":[{"port":8084,"protocol":"http"}],"probe":{"path":"/ready","type":"http"},"secrets":["conf","db"]}]}',5,'{"main": "sha256:4main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s5','v1','s5-v1-internal',1,'10.184.1.11','{"tasks":[{"docker":{"cmd":["serve","--port","8085"],"image":"app:5"},"env":{"N":"5"},"id":"main","ports":[{"port":8085,"protocol":"http"}]}]}',6,'{"main": "sha256:5main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s6','v1','s6-v1-internal',1,'10.184.1.13','{"tasks":[{"docker":{"image":"app:6"},"id":"main","ports":[{"port":8086,"protocol":"http"}],"resources":{"memory":64},"secrets":["db"]}]}',7,'{"main": "sha256:6main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s7','v1','s7-v1-internal',1,'10.184.1.15','{"tasks":[{"docker":{"image":"app:7"},"env":{"N":"7"},"id":"main","ports":[{"port":8087,"protocol":"http"}]},{"docker":{"image":"proxy:1"},"id":"proxy","ports":[{"name":"tcp-x","port":9000,"protocol":"tcp"}]}]}',8,'{"main": "sha256:7main", "proxy": "sha256:7proxy"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s8','v1','s8-v1-internal',1,'10.184.1.17','{"labels":{"tier":"web"},"tasks":[{"docker":{"image":"app:8"},"id":"main","ports":[{"port":8088,"protocol":"http"}]}]}',9,'{"main": "sha256:8main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','s9','v1','s9-v1-internal',1,'10.184.1.19','{"scale":{"replicas":2},"tasks":[{"docker":{"image":"app:9"},"env":{"N":"9"},"id":"main","ports":[{"port":8089,"protocol":"http"}],"secrets":["db"]}]}',10,'{"main": "sha256:9main"}','2026-11-01T12:00:00+00:00');
INSERT INTO "versions" VALUES('shop','pending','v1','pending-v1-internal',1,'10.184.1.21','{"tasks":[{"docker":{"image":"late:1"},"id":"main"}]}',11,'{}','2026-11-01T12:00:00+00:00');
CREATE INDEX events_by_service ON events (project, service, seq);
CREATE INDEX declared_changes_by_stamp ON declared_changes (stamp);
CREATE TRIGGER blocks_insert AFTER insert ON blocks BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; END;
CREATE TRIGGER blocks_update AFTER update ON blocks BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; END;
CREATE TRIGGER blocks_delete AFTER delete ON blocks BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; END;
CREATE TRIGGER services_insert AFTER insert ON services BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; INSERT INTO declared_changes SELECT NEW.project, NEW.service, value FROM counters WHERE name = 'declared' ON CONFLICT (project, service) DO UPDATE SET stamp = excluded.stamp; END;
CREATE TRIGGER services_update AFTER update ON services BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; INSERT INTO declared_changes SELECT NEW.project, NEW.service, value FROM counters WHERE name = 'declared' ON CONFLICT (project, service) DO UPDATE SET stamp = excluded.stamp; END;
CREATE TRIGGER services_delete AFTER delete ON services BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; INSERT INTO declared_changes SELECT OLD.project, OLD.service, value FROM counters WHERE name = 'declared' ON CONFLICT (project, service) DO UPDATE SET stamp = excluded.stamp; END;
CREATE TRIGGER versions_insert AFTER insert ON versions BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; INSERT INTO declared_changes SELECT NEW.project, NEW.service, value FROM counters WHERE name = 'declared' ON CONFLICT (project, service) DO UPDATE SET stamp = excluded.stamp; END;
CREATE TRIGGER versions_update AFTER update ON versions BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; INSERT INTO declared_changes SELECT NEW.project, NEW.service, value FROM counters WHERE name = 'declared' ON CONFLICT (project, service) DO UPDATE SET stamp = excluded.stamp; END;
CREATE TRIGGER versions_delete AFTER delete ON versions BEGIN UPDATE counters SET value = value + 1 WHERE name = 'declared'; INSERT INTO declared_changes SELECT OLD.project, OLD.service, value FROM counters WHERE name = 'declared' ON CONFLICT (project, service) DO UPDATE SET stamp = excluded.stamp; END;
COMMIT;
PRAGMA application_id = 1397769036;
PRAGMA user_version = 3;
