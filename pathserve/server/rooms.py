"""What the database of a data folder is asked through: by commands, and with more beside it by the server."""

from dataclasses import dataclass

from pathserve.access import Accounts, Members
from pathserve.annotations import AnnotationStore, ClassSchemas, Layers
from pathserve.annotations.chunk_reader import ChunkReader
from pathserve.annotations.directory import Directories
from pathserve.catalog import Catalog, Pseudonyms
from pathserve.config import Settings
from pathserve.db import Database, open_database
from pathserve.jobs import Jobs
from pathserve.native import choose_folder


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms that need no pixels, on one database.

    Parameters
    ----------
    chunks, directories
        What is kept in memory of stored annotations, for all who read them.
    """

    settings: Settings
    db: Database
    catalog: Catalog
    pseudonyms: Pseudonyms
    accounts: Accounts
    members: Members
    annotations: AnnotationStore
    classes: ClassSchemas
    layers: Layers
    jobs: Jobs
    chunks: ChunkReader
    directories: Directories

    @classmethod
    def open(cls, settings: Settings) -> "Rooms":
        """Open the database of a data folder, which is made when it is absent."""
        db = open_database(settings.database)
        settings.slides.mkdir(mode=0o700, parents=True, exist_ok=True)
        choose_folder(settings.data)
        pseudonyms = Pseudonyms(db, settings.pseudonyms)
        chunks, directories = ChunkReader(), Directories()
        return cls(
            settings=settings,
            db=db,
            catalog=Catalog(db, pseudonyms),
            pseudonyms=pseudonyms,
            accounts=Accounts(
                db, session_seconds=settings.session_hours * 3600, link_seconds=settings.link_minutes * 60
            ),
            members=Members(db),
            annotations=AnnotationStore(db, spool=settings.data, reader=chunks, directories=directories),
            classes=ClassSchemas(db),
            layers=Layers(db),
            jobs=Jobs(db, settings.runners),
            chunks=chunks,
            directories=directories,
        )

    def close(self) -> None:
        """Let go of the database."""
        self.db.close()
