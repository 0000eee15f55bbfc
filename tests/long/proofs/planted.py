"""Names planted in copies of real files, in every place where a scanner or a laboratory may leave one.

Each :class:`Plant` is one text that stands nowhere else, the file that holds it, and how ``inspect`` shall name it.
"""

import base64
import json
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

Fields = dict[int, tuple[int, bytes]]
"""Fields by tag: type (2 ASCII, 7 UNDEFINED, 4 LONG) and content."""

_LONGEST = 64 << 20
_ANY = ("name", "date", "id", "place", "free text", "unknown")


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted text.

    Parameters
    ----------
    scan
        The file or folder that is ingested.
    place, field
        Regular expressions for what ``inspect`` calls them.
    kinds
        What ``inspect`` may call it.
    values
        Whether ``inspect --show-values`` shows the text itself; pictures are shown as pictures.
    """

    name: str
    text: str
    scan: Path
    place: str
    field: str
    kinds: tuple[str, ...]
    values: bool = True


def forms(text: str) -> tuple[bytes, ...]:
    """Give the bytes of a text: UTF-8, UTF-16 of both orders, and base64 of each wherever in a stream it begins."""
    plain = (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    coded = []
    for data in plain:
        for shift in range(3):
            # What stands before shifts the groups of three bytes; the first and last groups hold neighbours.
            whole = base64.b64encode(bytes(shift) + data)
            coded.append(whole[4:] if shift else whole)
    return plain + tuple(part[: len(part) // 4 * 4 - 4] for part in coded)


def layers(data: bytes) -> Iterator[bytes]:
    """Give some bytes, and every text that is deflated in them or escaped in JSON."""
    yield data
    for start in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        try:
            inner = zlib.decompressobj().decompress(data[start.start() :], _LONGEST)
        except zlib.error:
            continue
        if len(inner) > 8:
            yield inner
    if b"\\u" in data:
        yield re.sub(rb"\\u00([0-9a-fA-F]{2})", lambda found: bytes.fromhex(found[1].decode()), data)


def traces(plant: Plant, data: bytes) -> list[str]:
    """Tell in which forms a planted text is in some bytes."""
    found = []
    for number, part in enumerate(layers(data)):
        found += [f"layer {number}: {form!r}" for form in forms(plant.text) if len(form) >= 7 and form in part]
    return found


# TIFF


def _chain(data: bytes | bytearray) -> list[int]:
    """List where the offsets of the images of a little-endian classic TIFF stand."""
    places, at = [], 4
    while (offset := struct.unpack_from("<I", data, at)[0]) != 0:
        places.append(at)
        (count,) = struct.unpack_from("<H", data, offset)
        at = offset + 2 + 12 * count
    return places


def _append(data: bytearray, content: bytes) -> int:
    data += bytes(len(data) % 2)
    offset = len(data)
    data += content
    return offset


def _directory(data: bytearray, entries: dict[int, bytes], following: bytes) -> int:
    body = b"".join(entries[tag] for tag in sorted(entries))
    return _append(data, struct.pack("<H", len(entries)) + body + following)


def _entries(data: bytearray, fields: Fields) -> dict[int, bytes]:
    made = {}
    for tag, (kind, content) in fields.items():
        count = len(content) // 4 if kind == 4 else len(content)
        inline = content.ljust(4, b"\0") if len(content) <= 4 else struct.pack("<I", _append(data, content))
        made[tag] = struct.pack("<HHI", tag, kind, count) + inline
    return made


def plant_in_tiff(path: Path, image: int, fields: Fields, *, sub_image: Fields | None = None) -> None:
    """Put fields into an image of a TIFF, and a further image below it, at the end of the file."""
    data = bytearray(path.read_bytes())
    assert data[:4] == b"II*\0"
    at = _chain(data)[image]
    (offset,) = struct.unpack_from("<I", data, at)
    (count,) = struct.unpack_from("<H", data, offset)
    start = offset + 2
    old = [bytes(data[start + 12 * k : start + 12 * k + 12]) for k in range(count)]
    following = bytes(data[start + 12 * count : start + 12 * count + 4])
    entries = {struct.unpack_from("<H", entry)[0]: entry for entry in old}
    if sub_image is not None:
        below = _directory(data, _entries(data, sub_image), bytes(4))
        fields = fields | {330: (4, struct.pack("<I", below))}
    entries |= _entries(data, fields)
    struct.pack_into("<I", data, at, _directory(data, entries, following))
    path.write_bytes(data)


def change_tile(path: Path, tile: int, change) -> None:
    """Put another JPEG stream in the place of a tile of a TIFF's first image."""
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages.first.tags
        offset, count = tags[324].value[tile], tags[325].value[tile]
        places = [tags[code].valueoffset + 4 * tile for code in (324, 325)]
    data = bytearray(path.read_bytes())
    new = change(bytes(data[offset : offset + count]))
    for place, value in zip(places, (_append(data, new), len(new)), strict=True):
        struct.pack_into("<I", data, place, value)
    path.write_bytes(data)


def _comment(text: bytes) -> bytes:
    return b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text


def _profile(text: str) -> bytes:
    """Give sRGB's profile with another description of the same length, as far as there is room."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    for entry in range(count):
        (name,) = struct.unpack_from(">4s", data, 132 + 12 * entry)
        if name == b"desc":
            body = b"desc" + bytes(4) + struct.pack(">I", len(text) + 1) + text.encode() + bytes(1 + 12 + 67)
            place = len(data) + len(data) % 4
            data += bytes(place - len(data)) + body
            struct.pack_into(">II", data, 132 + 12 * entry + 4, place, len(body))
    struct.pack_into(">I", data, 0, len(data))
    return bytes(data)


def _xmp(text: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>'
        f"{text}</dc:creator></rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


class Planter:
    """Copies real files into a folder and plants names in them.

    Parameters
    ----------
    shared
        The folder of real slides.
    """

    def __init__(self, shared: Path, sample: Path, folder: Path) -> None:
        self._shared = shared
        self._sample = sample
        self._folder = folder
        self.plants: list[Plant] = []
        self._number = 0

    def plant_all(self) -> list[Plant]:
        """Plant every name."""
        for make in (self.svs, self.ome_tiff, self.qptiff, self.dicom, self.jpeg, self.png, self.czi, self.ome_zarr):
            make()
        return self.plants

    def _text(self, short: int | None = None) -> str:
        self._number += 1
        text = f"Zq{self._number:02d}Featherstonehaugh"
        return text if short is None else text[:short]

    def _note(self, name: str, text: str, scan: Path, place: str, field: str, *kinds: str, values: bool = True) -> None:
        self.plants.append(Plant(name, text, scan, place, field, kinds, values))

    def svs(self) -> None:
        folder_name, file_name = self._text(), self._text()
        scan = self._folder / folder_name / f"{file_name}^Jane 1950.svs"
        scan.parent.mkdir(parents=True)
        shutil.copy(self._sample, scan)
        self._note("folder name", folder_name, scan, "file system", "names of the folders above", "file name")
        self._note("file name", file_name, scan, "file system", "file name", "file name")
        patient = self._text()
        self._note("SVS description, every image", patient, scan, r"IFD \d / ImageDescription", "Patient", "name")
        with tifffile.TiffFile(scan) as tiff:
            descriptions = [page.description for page in tiff.pages]
        for image, old in enumerate(descriptions):
            plant_in_tiff(scan, image, {270: (2, f"{old}|Patient = {patient}".encode() + b"\0")})
        comment, creator, profile, private = (self._text() for _ in range(4))
        self._note("XPComment in UTF-16", comment, scan, "IFD 0", "XPComment", "free text")
        self._note("XMP of a TIFF", creator, scan, "IFD 0 / XMP", "creator", "name")
        self._note("description of a colour profile", profile, scan, "IFD 0.*", ".*", "free text")
        self._note("private tag of the second image", private, scan, "IFD 1", "private tag 65000", "unknown")
        comment_bytes = comment.encode("utf-16-le") + bytes(2)
        plant_in_tiff(scan, 0, {700: (7, _xmp(creator)), 34675: (7, _profile(profile)), 40092: (7, comment_bytes)})
        plant_in_tiff(scan, 1, {65000: (7, private.encode())})
        segment, tail, label = (self._text() for _ in range(3))
        self._note("comment in a JPEG tile", segment, scan, "IFD 0 / JPEG tiles", "JPEG comment", "free text")
        self._note("bytes after a JPEG tile's end", tail, scan, "IFD 0 / JPEG tiles", "further bytes", "unknown")
        change_tile(scan, 7, lambda jpeg: jpeg[:2] + _comment(segment.encode()) + jpeg[2:])
        change_tile(scan, 8, lambda jpeg: jpeg + tail.encode())
        self._note("pixels of the label", label, scan, "IFD 2", ".*", "picture", values=False)
        with tifffile.TiffFile(scan) as tiff:
            offset, count = tiff.pages[2].dataoffsets[0], tiff.pages[2].databytecounts[0]
        data = bytearray(scan.read_bytes())
        data[offset + count // 2 : offset + count // 2 + len(label)] = label.encode()
        scan.write_bytes(data)

    def ome_tiff(self) -> None:
        scan, hidden = self._folder / "ome.tif", self._text()
        with tifffile.TiffFile(self._shared / "ome-tiff" / "cells-2c.ome.tif") as tiff:
            pixels, meta = tiff.asarray(), tiff.ome_metadata
        coded = base64.b64encode(f"patient {hidden}".encode()).decode()
        more = (
            '<StructuredAnnotations><CommentAnnotation ID="Annotation:0"><Value>'
            f"{coded}</Value></CommentAnnotation></StructuredAnnotations></OME>"
        )
        with tifffile.TiffWriter(scan) as tiff:
            for index, plane in enumerate(pixels.reshape(-1, *pixels.shape[-2:])):
                text = meta.replace("</OME>", more).encode() if index == 0 else None
                tiff.write(plane, description=text, metadata=None, photometric="minisblack", contiguous=False)
        self._note("base64 in an OME-XML annotation", hidden, scan, ".*base64", "Value", "free text", "unknown")

    def qptiff(self) -> None:
        scan, old = self._folder / "vectra.qptiff", "RTM61_1"
        text = self._text(len(old))
        data = (self._shared / "qptiff" / "small_vectra.qptiff").read_bytes()
        before = [form for form in (old.encode(), old.encode("utf-16-le")) if form in data]
        assert before
        for form in before:
            data = data.replace(form, text.encode("utf-16-le" if b"\0" in form else "ascii"))
        scan.write_bytes(data)
        self._note("slide id in QPTIFF's XML", text, scan, r"IFD \d / ImageDescription", "SlideID", "id")

    def dicom(self) -> None:
        scan = self._folder / "volume.dcm"
        data = pydicom.dcmread(self._shared / "dicom-wsm" / "cmu-1-small-region" / "volume.dcm")
        name = self._text()
        self._note("patient in DICOM", name, scan, "DICOM", "PatientName", "name")
        data.PatientName = f"{name}^Jane"
        nested = self._text()
        self._note("name in a nested DICOM sequence", nested, scan, r"DICOM / .* / .*", "PersonName", "name")
        inner, outer = Dataset(), Dataset()
        inner.ValueType, inner.PersonName = "PNAME", f"{nested}^Jane"
        outer.SpecimenPreparationStepContentItemSequence = Sequence([inner])
        specimen = Dataset()
        specimen.SpecimenIdentifier, specimen.SpecimenPreparationSequence = "S1", Sequence([outer])
        data.SpecimenDescriptionSequence = Sequence([specimen])
        private = self._text()
        self._note("private element of DICOM", private, scan, "DICOM", r"\(0099,1010\)", "unknown")
        block = data.private_block(0x0099, "LAB", create=True)
        block.add_new(0x10, "LO", private)
        data.save_as(scan)

    def jpeg(self) -> None:
        scan = self._folder / "field.jpg"
        raw = (self._shared / "plain" / "hgsc_nest.jpg").read_bytes()
        artist = self._text()
        self._note("EXIF of a JPEG", artist, scan, ".*EXIF.*", "Artist", "name")
        exif = Image.Exif()
        exif[315] = artist
        creator = self._text()
        self._note("XMP of a JPEG", creator, scan, ".*XMP", "creator", "name")
        comment = self._text()
        self._note("comment of a JPEG", comment, scan, "JPEG", "JPEG comment", "free text")
        tail = self._text()
        self._note("bytes after a JPEG's end", tail, scan, "after the picture's end", "further bytes", "unknown")
        body = exif.tobytes()
        segments = b"".join(
            b"\xff\xe1" + (len(part) + 2).to_bytes(2, "big") + part
            for part in (
                body if body.startswith(b"Exif") else b"Exif\0\0" + body,
                b"http://ns.adobe.com/xap/1.0/\0" + _xmp(creator),
            )
        )
        scan.write_bytes(raw[:2] + segments + _comment(comment.encode()) + raw[2:] + tail.encode())

    def png(self) -> None:
        scan, info = self._folder / "field.png", PngImagePlugin.PngInfo()
        names = {}
        for kind in ("tEXt", "iTXt", "zTXt"):
            names[kind] = self._text()
            self._note(f"{kind} of a PNG", names[kind], scan, f"PNG {kind}", "Author|Description|Comment", *_ANY)
        info.add_text("Author", names["tEXt"])
        info.add_itxt("Description", names["iTXt"], zip=True)
        info.add_text("Comment", names["zTXt"], zip=True)
        with Image.open(self._shared / "plain" / "ihc.png") as picture:
            picture.save(scan, pnginfo=info)

    def czi(self) -> None:
        scan, old = self._folder / "scan.czi", "pattenh1"
        text = self._text(len(old))
        data = (self._shared / "czi" / "mini_czi.czi").read_bytes()
        assert f"<UserName>{old}<".encode() in data
        scan.write_bytes(data.replace(old.encode(), text.encode()))
        self._note("user in CZI's metadata", text, scan, "CZI metadata.*", ".*UserName", "name")

    def ome_zarr(self) -> None:
        scan = self._folder / "scan.ome.zarr"
        shutil.copytree(self._shared / "ome-zarr" / "CMU-1-Small-Region-crop.v05.ome.zarr", scan)
        for path in (scan, *scan.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        text = self._text()
        document = json.loads((scan / "zarr.json").read_text())
        document["attributes"]["laboratory"] = {"patientName": text}
        (scan / "zarr.json").write_text(json.dumps(document))
        self._note("attribute of OME-Zarr", text, scan, "Zarr zarr.json", "patientName", "name")
