"""Shapes of the JSON of class schemas."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pathserve.annotations import SchemaVersion
from pathserve.labels import MAX_CLASSES, MAX_NAME, AnnotationClass, ClassSchema, CodedTerm

_Part = Annotated[int, Field(ge=0, le=255)]
_Text = Annotated[str, Field(max_length=MAX_NAME)]


class CodeModel(BaseModel):
    """What a class means in a terminology."""

    model_config = ConfigDict(extra="forbid")
    system: _Text = Field(description="Coding scheme designator of DICOM; `SCT` is SNOMED CT.")
    code: _Text
    meaning: _Text = Field(description="The same for people.")

    @classmethod
    def of(cls, code: CodedTerm) -> "CodeModel":
        """Describe a code."""
        return cls(system=code.system, code=code.code, meaning=code.meaning)


class ClassModel(BaseModel):
    """One class of the schema."""

    name: str
    color: tuple[int, int, int]
    value: int = Field(description="Its value in semantic masks, 1 to 254; never given to another class.")
    priority: int = Field(description="The higher one wins where annotations overlap.")
    hotkey: str | None
    code: CodeModel | None = Field(description="Null: it has none.")

    @classmethod
    def of(cls, item: AnnotationClass) -> "ClassModel":
        """Describe a class."""
        return cls(
            name=item.name,
            color=item.color,
            value=item.value,
            priority=item.priority,
            hotkey=item.hotkey,
            code=None if item.code is None else CodeModel.of(item.code),
        )


class ClassPage(BaseModel):
    """The class schema."""

    items: list[ClassModel]
    next: str | None
    version: int = Field(description="Counts up with every change of the schema; 0 before the first.")


class ClassBody(BaseModel):
    """One class as it shall be."""

    model_config = ConfigDict(extra="forbid")
    name: _Text
    color: tuple[_Part, _Part, _Part]
    priority: int = 0
    hotkey: str | None = Field(None, max_length=1)
    code: CodeModel | None = None
    value: int | None = Field(None, description="Belongs to the server and is passed over.")

    def wanted(self) -> AnnotationClass:
        """Give it as a value."""
        code = None if self.code is None else CodedTerm(self.code.system, self.code.code, self.code.meaning)
        return AnnotationClass(self.name, self.color, 0, self.priority, self.hotkey, code)


class ClassesBody(BaseModel):
    """Classes as they shall be; those that are not named stay as they are."""

    model_config = ConfigDict(extra="forbid")
    items: list[ClassBody] = Field(max_length=MAX_CLASSES)
    next: None = None
    version: int | None = Field(None, description="Passed over: `If-Match` says what the writer saw.")


class SchemaVersionModel(BaseModel):
    """One version of a class schema."""

    version: int
    author: str = Field(description="Empty for what was there before versions were kept.")
    at: str
    changed: list[str] = Field(description="Names of the classes that it added or changed.")

    @classmethod
    def of(cls, version: SchemaVersion) -> "SchemaVersionModel":
        """Describe a version."""
        at = version.at.isoformat(timespec="milliseconds")
        return cls(version=version.version, author=version.author, at=at, changed=list(version.changed))


class SchemaVersionPage(BaseModel):
    """Versions of a class schema, oldest first."""

    items: list[SchemaVersionModel]
    next: str | None


def class_page(schema: ClassSchema) -> ClassPage:
    """Describe a whole schema; it has at most 254 classes."""
    return ClassPage(items=[ClassModel.of(item) for item in schema], next=None, version=schema.version)
