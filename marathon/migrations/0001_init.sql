-- Everything that the scheduler must remember, as the sum of its changes. One text for SQLite and PostgreSQL:
-- columns are TEXT and BIGINT only, times are milliseconds since the Unix epoch, ids and positions come from the core.

-- One row: who leads. Every transaction of a leader proves that its term is still the present one.
CREATE TABLE leadership (
    id     BIGINT NOT NULL PRIMARY KEY,  -- always 1
    term   BIGINT NOT NULL,              -- grows by one with every leader
    leader TEXT   NOT NULL               -- host:port of the present one
);
INSERT INTO leadership (id, term, leader) VALUES (1, 0, '');

-- One row once a master gave us an id.
CREATE TABLE framework (
    id           BIGINT NOT NULL PRIMARY KEY,  -- always 1
    framework_id TEXT   NOT NULL
);

-- Every kept version of every app.
CREATE TABLE app_versions (
    id         TEXT   NOT NULL,  -- absolute path, '/shop/cart'
    version_ms BIGINT NOT NULL,
    body       TEXT   NOT NULL,  -- the JSON of GET /v2/apps/{id}/versions/{version}
    PRIMARY KEY (id, version_ms)
);

-- Every kept version of the group tree. Its content: for each id the newest row of root_apps and root_groups up to it.
CREATE TABLE roots (
    root_ms BIGINT NOT NULL PRIMARY KEY
);
CREATE TABLE root_apps (
    id         TEXT   NOT NULL,
    root_ms    BIGINT NOT NULL,  -- the tree in which this became so
    version_ms BIGINT,           -- the app's version; NULL: the app is gone
    PRIMARY KEY (id, root_ms)
);
CREATE INDEX root_apps_by_root ON root_apps (root_ms);
CREATE TABLE root_groups (
    id      TEXT   NOT NULL,
    root_ms BIGINT NOT NULL,
    body    TEXT,                -- the group without its content; NULL: the group is gone
    PRIMARY KEY (id, root_ms)
);
CREATE INDEX root_groups_by_root ON root_groups (root_ms);

CREATE TABLE instances (
    id   TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE deployments (
    id   TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

-- Last failure of every app that had one.
CREATE TABLE failures (
    id   TEXT NOT NULL PRIMARY KEY,  -- the app
    body TEXT NOT NULL
);

-- The event log, in order, without gaps.
CREATE TABLE events (
    seq   BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    type  TEXT   NOT NULL,
    body  TEXT   NOT NULL             -- the JSON of the event stream's data line
);
