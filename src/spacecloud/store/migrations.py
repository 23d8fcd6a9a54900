"""
The tables, as the steps that led to them.

A step is never edited once released: a new one is added behind it. Each runs in a
transaction of its own, so an interrupted upgrade is finished by the next start.
"""

APPLICATION_ID = 0x5350434C
"""Marks a file as ours, so that nobody else's database is ever migrated."""

FIRST = (
    """
    CREATE TABLE counters (
        name  TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "INSERT INTO counters VALUES ('generation', 0), ('vip', 0), ('declared', 0)",
    """
    CREATE TABLE sealing_check (
        id     INTEGER PRIMARY KEY CHECK (id = 1),
        sealed BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE projects (
        id   TEXT PRIMARY KEY,
        spec TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    # Blocks and allocations outlive their project: they are given back when the last
    # replica is gone, not when the declaration is.
    """
    CREATE TABLE blocks (
        network TEXT PRIMARY KEY,
        project TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE services (
        project TEXT NOT NULL,
        service TEXT NOT NULL,
        subnet  TEXT NOT NULL UNIQUE,
        vip     TEXT NOT NULL UNIQUE,
        PRIMARY KEY (project, service)
    ) STRICT, WITHOUT ROWID
    """,
    """
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
    """,
    """
    CREATE TABLE secrets (
        project   TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        id        TEXT NOT NULL,
        type      TEXT NOT NULL,
        root_path TEXT NOT NULL,
        version   INTEGER NOT NULL,
        PRIMARY KEY (project, id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE secret_values (
        project TEXT NOT NULL,
        secret  TEXT NOT NULL,
        key     TEXT NOT NULL,
        sealed  BLOB NOT NULL,
        PRIMARY KEY (project, secret, key),
        FOREIGN KEY (project, secret) REFERENCES secrets (project, id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE routes (
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        service TEXT NOT NULL,
        spec    TEXT NOT NULL,
        PRIMARY KEY (project, service)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE roles (
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        service TEXT NOT NULL,
        id      TEXT NOT NULL,
        spec    TEXT NOT NULL,
        PRIMARY KEY (project, service, id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE ingress (
        place   INTEGER PRIMARY KEY AUTOINCREMENT,
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        id      TEXT NOT NULL,
        spec    TEXT NOT NULL,
        UNIQUE (project, id)
    ) STRICT
    """,
    """
    CREATE TABLE ingress_global (
        project TEXT PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
        spec    TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
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
    """,
    "CREATE INDEX events_by_service ON events (project, service, seq)",
    # Whatever changes what ``declared()`` answers moves its counter; a cached answer is
    # good for as long as the counter stands still.
    *(
        f"CREATE TRIGGER {table}_{when} AFTER {when} ON {table} BEGIN "
        "UPDATE counters SET value = value + 1 WHERE name = 'declared'; END"
        for table in ("blocks", "services", "versions")
        for when in ("insert", "update", "delete")
    ),
)

WHICH_CHANGED = (
    # A service is stamped with the counter's value when any row of it changes, so that a
    # cached answer is brought up to date by reading what is newer than itself.
    """
    CREATE TABLE declared_changes (
        project TEXT NOT NULL,
        service TEXT NOT NULL,
        stamp   INTEGER NOT NULL,
        PRIMARY KEY (project, service)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX declared_changes_by_stamp ON declared_changes (stamp)",
    *(
        statement
        for table in ("services", "versions")
        for when, row in (("insert", "NEW"), ("update", "NEW"), ("delete", "OLD"))
        for statement in (
            f"DROP TRIGGER {table}_{when}",
            f"CREATE TRIGGER {table}_{when} AFTER {when} ON {table} BEGIN "
            "UPDATE counters SET value = value + 1 WHERE name = 'declared'; "
            "INSERT INTO declared_changes "
            f"SELECT {row}.project, {row}.service, value FROM counters WHERE name = 'declared' "
            "ON CONFLICT (project, service) DO UPDATE SET stamp = excluded.stamp; END",
        )
    ),
)

PROJECT_VALUES = (
    # The keys in projects' documents, sealed. The mark tells the next start, which has the key
    # to seal with, to rewrite the documents that are there.
    """
    CREATE TABLE project_values (
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        place   TEXT NOT NULL,
        sealed  BLOB NOT NULL,
        PRIMARY KEY (project, place)
    ) STRICT, WITHOUT ROWID
    """,
    "INSERT INTO counters VALUES ('in clear', 1)",
)

INSTALLATION = (
    # The same secret as in the state folder: a database of another installation is told.
    """
    CREATE TABLE installation (
        id     INTEGER PRIMARY KEY CHECK (id = 1),
        secret BLOB NOT NULL
    ) STRICT
    """,
)

REVISIONS = (
    """
    CREATE TABLE revisions (
        project    TEXT NOT NULL,
        service    TEXT NOT NULL,
        version    TEXT NOT NULL,
        number     INTEGER NOT NULL,
        hash       TEXT NOT NULL,
        document   TEXT NOT NULL,
        images     TEXT NOT NULL,
        generation INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        PRIMARY KEY (project, service, version, number),
        FOREIGN KEY (project, service, version)
            REFERENCES versions (project, service, version) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE revision_secrets (
        project        TEXT NOT NULL,
        service        TEXT NOT NULL,
        version        TEXT NOT NULL,
        number         INTEGER NOT NULL,
        secret         TEXT NOT NULL,
        secret_version INTEGER NOT NULL,
        type           TEXT NOT NULL,
        root_path      TEXT NOT NULL,
        keys           TEXT NOT NULL,
        PRIMARY KEY (project, service, version, number, secret),
        FOREIGN KEY (project, service, version, number)
            REFERENCES revisions (project, service, version, number) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX revision_secrets_by_secret ON revision_secrets (project, secret, secret_version)",
    # A secret's values outlive it while a revision names them: they belong to the project.
    """
    CREATE TABLE values_by_version (
        project TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
        secret  TEXT NOT NULL,
        version INTEGER NOT NULL,
        key     TEXT NOT NULL,
        sealed  BLOB NOT NULL,
        PRIMARY KEY (project, secret, version, key)
    ) STRICT, WITHOUT ROWID
    """,
    "INSERT INTO values_by_version SELECT project, secret, version, key, sealed"
    " FROM secret_values JOIN secrets USING (project) WHERE secrets.id = secret_values.secret",
    "DROP TABLE secret_values",
    "ALTER TABLE values_by_version RENAME TO secret_values",
    # What was pinned becomes revision 1 at the next start, which can compute its hash.
    "CREATE TABLE legacy_pins AS"
    " SELECT project, service, version, images FROM versions WHERE images <> '{}'",
    "ALTER TABLE versions DROP COLUMN images",
    "ALTER TABLE versions ADD COLUMN revision INTEGER",
    "ALTER TABLE versions ADD COLUMN resolved INTEGER NOT NULL DEFAULT 0",
)

REASONS = ("ALTER TABLE events ADD COLUMN reason TEXT NOT NULL DEFAULT ''",)

BINARY_VALUES = (
    # Given as bytes: how it is shown, not how it is kept.
    "ALTER TABLE secret_values ADD COLUMN is_binary INTEGER NOT NULL DEFAULT 0",
)

COMPLETIONS = ("ALTER TABLE versions ADD COLUMN completed INTEGER NOT NULL DEFAULT 0",)

CONFIRMED = (
    # Of the latest revision, but for the first, which may be an earlier one. What an earlier
    # release has recorded counts as confirmed.
    "ALTER TABLE versions ADD COLUMN confirmed INTEGER",
    "ALTER TABLE versions ADD COLUMN serving_since TEXT",
    "ALTER TABLE versions ADD COLUMN failed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE versions ADD COLUMN failure TEXT NOT NULL DEFAULT '{}'",
    "UPDATE versions SET confirmed = revision",
)

OTHER_CONFIGURATION = (
    """
    CREATE TABLE other_configuration (
        kind    TEXT NOT NULL,
        project TEXT REFERENCES projects (id) ON DELETE CASCADE,
        id      TEXT NOT NULL,
        sealed  BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX other_configuration_by_place"
    " ON other_configuration (kind, coalesce(project, ''), id)",
)

SCALING = (
    # As JSON; empty where nothing was decided yet.
    "ALTER TABLE versions ADD COLUMN scaling TEXT NOT NULL DEFAULT ''",
)

LEASES = (
    """
    CREATE TABLE leases (
        project TEXT NOT NULL,
        service TEXT NOT NULL,
        version TEXT NOT NULL,
        replica TEXT NOT NULL,
        until   TEXT NOT NULL,
        PRIMARY KEY (project, service, version, replica),
        FOREIGN KEY (project, service, version)
            REFERENCES versions (project, service, version) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID
    """,
)

UNTRIED = (
    # The generation of which nothing is started to try it; 0: none.
    "ALTER TABLE versions ADD COLUMN untried INTEGER NOT NULL DEFAULT 0",
)

MIGRATIONS = (
    FIRST,
    WHICH_CHANGED,
    PROJECT_VALUES,
    INSTALLATION,
    REVISIONS,
    REASONS,
    BINARY_VALUES,
    COMPLETIONS,
    CONFIRMED,
    OTHER_CONFIGURATION,
    SCALING,
    LEASES,
    UNTRIED,
)
