"""Tables of the catalogue in SQLite, and their version."""

from typing import Final

VERSION: Final = 1

SCHEMA: Final = (
    "CREATE TABLE catalogue (revision INTEGER NOT NULL)",
    "INSERT INTO catalogue VALUES (0)",
    """CREATE TABLE node (
        ref TEXT PRIMARY KEY, body TEXT NOT NULL, revoked TEXT NOT NULL, revision INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX node_revision ON node (revision)",
    "CREATE INDEX node_revoked ON node (ref) WHERE revoked != ''",
    """CREATE TABLE edge (
        source TEXT NOT NULL REFERENCES node (ref) DEFERRABLE INITIALLY DEFERRED,
        target TEXT NOT NULL REFERENCES node (ref) DEFERRABLE INITIALLY DEFERRED,
        place INTEGER NOT NULL,
        PRIMARY KEY (source, target)
    ) WITHOUT ROWID""",
    "CREATE INDEX edge_target ON edge (target, source)",
    """CREATE TABLE figure (
        ref TEXT NOT NULL REFERENCES node (ref),
        metric TEXT NOT NULL,
        segment TEXT NOT NULL,
        time_s INTEGER NOT NULL,
        value REAL NOT NULL,
        count INTEGER,
        PRIMARY KEY (ref, metric, segment, time_s)
    ) WITHOUT ROWID""",
    """CREATE TABLE newest (
        ref TEXT NOT NULL,
        metric TEXT NOT NULL,
        segment TEXT NOT NULL,
        time_s INTEGER NOT NULL,
        value REAL NOT NULL,
        count INTEGER,
        times INTEGER NOT NULL,
        PRIMARY KEY (ref, metric, segment)
    ) WITHOUT ROWID""",  # of each series the newest of `figure`, and how many rows that has of it
    f"PRAGMA user_version = {VERSION}",
)
