"""Every table, as an ordered list of migrations. A migration that has been released is never changed."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Migration:
    """A named step from one format version to the next; all its statements run in one transaction."""

    name: str
    statements: tuple[str, ...]


_FIRST = Migration(
    "catalog, accounts and annotations",
    (
        "create table project (name text primary key, created text not null) without rowid",
        """create table slide (
            id text primary key,
            number integer not null unique,
            project text not null references project (name),
            name text not null,
            width integer not null,
            height integer not null,
            mpp_x real,
            mpp_y real,
            mpp_plausible integer not null,
            objective_power real,
            levels integer not null,
            tile_size integer not null,
            channels text not null,
            planes integer not null,
            status text not null,
            generation integer not null,
            content_hash text not null unique,
            revision integer not null default 0,
            last_number integer not null default 0,
            created text not null
        ) without rowid""",
        """create table counter (name text primary key, value integer not null) without rowid""",
        # Rows of this table are never deleted: a mask value belongs to one class name for ever.
        """create table class (
            project text not null references project (name),
            name text not null,
            color text not null,
            value integer not null check (value between 1 and 254),
            priority integer not null,
            hotkey text,
            primary key (project, name),
            unique (project, value)
        ) without rowid""",
        """create table account (
            name text primary key,
            role text not null,
            disabled integer not null default 0,
            created text not null
        ) without rowid""",
        """create table sign_in_link (
            code_hash blob primary key,
            account text not null references account (name),
            expires real not null
        ) without rowid""",
        """create table session (
            token_hash blob primary key,
            account text not null references account (name),
            created text not null,
            expires real not null
        ) without rowid""",
        """create table token (
            id text primary key,
            token_hash blob not null unique,
            name text not null,
            role text not null,
            project text,
            created text not null,
            expires real,
            revoked text
        ) without rowid""",
        """create table layer (
            id integer primary key,
            slide text not null references slide (id) on delete cascade,
            name text not null,
            author text not null,
            created text not null,
            unique (slide, name)
        )""",
        """create table revision (
            slide text not null references slide (id) on delete cascade,
            revision integer not null,
            author text not null,
            at text not null,
            primary key (slide, revision)
        ) without rowid""",
        # Append-only: history of every annotation. Geometry is GeoJSON text, so what came in comes out.
        """create table feature_version (
            id text not null,
            revision integer not null,
            slide text not null references slide (id) on delete cascade,
            layer integer not null references layer (id) on delete cascade,
            previous integer,
            deleted integer not null,
            x0 real not null,
            y0 real not null,
            x1 real not null,
            y1 real not null,
            class text,
            state text not null,
            score real,
            exhaustive integer not null,
            geometry text not null,
            properties text not null,
            drawn text,
            author text not null,
            at text not null,
            primary key (id, revision)
        ) without rowid""",
        "create index feature_version_by_slide on feature_version (slide, revision)",
        # Few of many: masks ask for them whatever region they show.
        "create index exhaustive_area on feature_version (slide) where exhaustive = 1",
        # What is current; a write is accepted when the revision it names is the one here.
        """create table head (
            id text primary key,
            slide text not null references slide (id) on delete cascade,
            number integer not null,
            layer integer not null references layer (id) on delete cascade,
            revision integer not null,
            deleted integer not null,
            x0 real not null,
            y0 real not null,
            x1 real not null,
            y1 real not null,
            created text not null,
            unique (slide, number)
        ) without rowid""",
        "create index head_by_layer on head (layer)",
    ),
)

_CASES = Migration(
    "cases, stains and access per project",
    (
        """create table slide_case (
            id integer primary key,
            project text not null references project (name),
            label text not null,
            patient text,
            created text not null,
            unique (project, label)
        )""",
        "alter table slide add column case_id integer references slide_case (id)",
        "alter table slide add column stain text",
        "create index slide_by_case on slide (case_id)",
        "alter table account add column restricted integer not null default 0",
        """create table member (
            account text not null references account (name),
            project text not null references project (name),
            role text not null,
            primary key (account, project)
        ) without rowid""",
        # A token with an account can do at most what the account can, and ends with it.
        "alter table token add column account text references account (name)",
    ),
)

_UPLOADS = Migration(
    "uploads",
    (
        # A set's files become one job together; `key` is what the client calls the set.
        """create table upload_set (
            id text primary key,
            account text not null,
            key text not null,
            job text,
            created text not null,
            unique (account, key)
        ) without rowid""",
        # Where an upload stands is the size of its file, not a number here: a part costs no write.
        """create table upload (
            id text primary key,
            account text not null,
            length integer not null,
            project text not null,
            name text,
            upload_set text references upload_set (id) on delete cascade,
            path text,
            complete integer not null,
            job text,
            created text not null,
            unique (upload_set, path)
        ) without rowid""",
    ),
)

_JOBS = Migration(
    "jobs",
    (
        # `source` is JSON with the paths to ingest; null as soon as they are not needed. `runner` names a lock file;
        # `reserved` says that nobody else may run the job as long as that lock is held.
        """create table job (
            id text primary key,
            number integer not null unique,
            change integer not null unique,
            kind text not null,
            state text not null,
            phase text not null default '',
            done integer not null default 0,
            total integer not null default 0,
            project text not null,
            name text,
            label text not null,
            account text not null,
            source text,
            keep_source integer not null,
            recompress integer,
            lossless integer not null default 0,
            keep_label integer not null default 0,
            slides text not null default '[]',
            format text,
            width integer,
            height integer,
            bytes integer,
            content_hash text,
            tiles_per_second real,
            missing_tiles integer,
            identity text,
            error_code text,
            error_message text,
            resumed integer not null default 0,
            runner text,
            reserved integer not null default 0,
            cancel integer not null default 0,
            created text not null,
            started text,
            finished text
        ) without rowid""",
        "create index job_by_state on job (state, number)",
        "create index job_by_runner on job (runner) where runner is not null",
    ),
)

_SCENES = Migration(
    "scenes, times and sample types of slides",
    (
        "alter table slide add column scene integer not null default 0",
        "alter table slide add column scenes integer not null default 1",
        "alter table slide add column times integer not null default 1",
        "alter table slide add column dtype text not null default 'uint8'",
    ),
)

_IDENTITY = Migration(
    "identity reports of slides",
    (
        """create table identity_report (
            slide text primary key references slide (id) on delete cascade,
            report text not null
        ) without rowid""",
    ),
)

_QUALITY = Migration(
    "quality of slides",
    (
        # `summary` and `detail` are JSON, null with a `reason` when the slide could not be judged; `tissue` is a PNG.
        """create table quality (
            slide text primary key references slide (id) on delete cascade,
            generation integer not null,
            version integer not null,
            summary text,
            detail text,
            reason text,
            tissue blob
        )""",
    ),
)

_CHUNKS = Migration(
    "annotations in chunks",
    (
        # author, task, model or imported
        "alter table layer add column kind text not null default 'author'",
        # Names of layers in the past, and their ends: the newest row by a revision holds; without one, the table
        # `layer` says it.
        """create table layer_change (
            layer integer not null references layer (id) on delete cascade,
            revision integer not null,
            name text not null,
            deleted integer not null,
            primary key (layer, revision)
        ) without rowid""",
        # What was written together; without a revision it is not there yet, and swept when nobody goes on with it.
        """create table batch (
            id text primary key,
            slide text not null references slide (id) on delete cascade,
            layer integer not null,
            revision integer,
            touched text not null
        ) without rowid""",
        "create index batch_by_slide on batch (slide, revision)",
        # About 1,024 neighbours of one layer. Visible at revision R: born <= R < died, without the `overridden` ones.
        # `scattered` is 0 where row k has the number first_number + k and the revision born.
        """create table chunk (
            id integer primary key,
            slide text not null references slide (id) on delete cascade,
            batch text not null,
            layer integer not null,
            born integer,
            died integer,
            size integer not null,
            scattered integer not null,
            first_number integer not null,
            last_number integer not null,
            x0 real not null,
            y0 real not null,
            x1 real not null,
            y1 real not null,
            max_extent real not null,
            exhaustive integer not null
        )""",
        "create index chunk_by_slide on chunk (slide, born)",
        "create index chunk_by_batch on chunk (batch)",
        """create table chunk_data (
            chunk integer primary key references chunk (id) on delete cascade,
            attributes blob not null,
            geometry blob not null,
            json blob not null
        )""",
        # Where an annotation lies whose history is not in `feature_version` yet, or whose newest version was folded.
        """create table placed (
            id blob primary key,
            chunk integer not null,
            place integer not null
        ) without rowid""",
        # Rows of chunks that are history from this revision on.
        """create table overridden (
            chunk integer not null references chunk (id) on delete cascade,
            place integer not null,
            revision integer not null,
            primary key (chunk, place)
        ) without rowid""",
        # The revision at which a version was superseded, or found in a chunk; null while it is current.
        "alter table feature_version add column until integer",
        """update feature_version set until = (
            select min(later.revision) from feature_version later
            where later.id = feature_version.id and later.revision > feature_version.revision
        )""",
        """create index feature_version_live on feature_version (slide, x0, x1, y0, y1)
            where until is null and deleted = 0""",
        # The revision at which an annotation was made.
        "alter table head add column first_revision integer",
        """update head set first_revision = (
            select min(version.revision) from feature_version version where version.id = head.id
        )""",
        # What each revision did, in one row a layer and kind; ids (JSON) when they are few.
        """create table change (
            slide text not null references slide (id) on delete cascade,
            revision integer not null,
            layer integer not null,
            kind text not null,
            size integer not null,
            x0 real,
            y0 real,
            x1 real,
            y1 real,
            ids text,
            primary key (slide, revision, layer, kind)
        ) without rowid""",
    ),
)

_CLASS_VERSIONS = Migration(
    "versions of class schemas",
    (
        # JSON with system, code and meaning, or null
        "alter table class add column code text",
        # Append-only. The classes that were there before are version 1, by nobody.
        """create table class_schema (
            project text not null references project (name),
            version integer not null,
            author text not null,
            at text not null,
            primary key (project, version)
        ) without rowid""",
        """create table class_version (
            project text not null references project (name),
            name text not null,
            version integer not null,
            color text not null,
            value integer not null,
            priority integer not null,
            hotkey text,
            code text,
            primary key (project, name, version)
        ) without rowid""",
        """insert into class_schema (project, version, author, at)
            select p.name, 1, '', p.created from project p
            where exists (select 1 from class c where c.project = p.name)""",
        """insert into class_version (project, name, version, color, value, priority, hotkey)
            select project, name, 1, color, value, priority, hotkey from class""",
    ),
)

_CHUNK_DENSITY = Migration(
    "densities of chunks",
    (
        # What far vector tiles count of a chunk; older chunks get theirs when asked for.
        """create table chunk_density (
            chunk integer primary key references chunk (id) on delete cascade,
            data blob not null
        )""",
    ),
)

_DENSITY = Migration(
    "densities of layers",
    (
        # What far vector tiles count of a whole layer, made when first asked for.
        """create table density (
            id text primary key,
            slide text not null references slide (id) on delete cascade,
            layer integer not null,
            chunks blob not null,
            names text not null,
            unique (slide, layer)
        )""",
        """create table density_block (
            density text not null references density (id) on delete cascade,
            level integer not null,
            x integer not null,
            y integer not null,
            data blob not null,
            primary key (density, level, x, y)
        )""",
    ),
)

_REPLACEMENTS = Migration(
    "replacements of imports",
    (
        # What an import will say of annotations that are there, until it is published.
        """create table replacement (
            batch text not null references batch (id) on delete cascade,
            id text not null,
            key blob not null,
            x0 real not null,
            y0 real not null,
            x1 real not null,
            y1 real not null,
            class text,
            state text not null,
            score real,
            exhaustive integer not null,
            geometry text not null,
            properties text not null,
            drawn text,
            primary key (batch, id)
        ) without rowid""",
    ),
)

_FIRST_ROWS = Migration(
    "first versions in chunks",
    (
        # The row of a chunk that is the first version; null when that is in `feature_version`.
        "alter table head add column chunk integer",
        "alter table head add column place integer",
        # Only the removal of slides could use it, and that goes through the versions anyway.
        "drop index head_by_layer",
    ),
)

_SUCCESSORS = Migration(
    "successors of chunks",
    (
        # The chunk of which this one says some rows anew, each in its place; null for all others.
        "alter table chunk add column replaces integer",
        # How often rows of it got heads that were not overridden at the same time.
        "alter table chunk add column adopted integer not null default 0",
        # Chunks in whose places others are, until `placed` says so.
        """create table successor (
            chunk integer primary key references chunk (id) on delete cascade,
            next integer not null
        )""",
        # What `placed` says, and where that lies now.
        """create view located as
            select p.id, coalesce(s.next, p.chunk) as chunk, p.place
            from placed p left join successor s on s.chunk = p.chunk""",
    ),
)

MIGRATIONS: tuple[Migration, ...] = (
    _FIRST,
    _CASES,
    _UPLOADS,
    _JOBS,
    _SCENES,
    _IDENTITY,
    _QUALITY,
    _CHUNKS,
    _CLASS_VERSIONS,
    _CHUNK_DENSITY,
    _DENSITY,
    _REPLACEMENTS,
    _FIRST_ROWS,
    _SUCCESSORS,
)
"""Applied in order; their count is the data folder's format version."""
