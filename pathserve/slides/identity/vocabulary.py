"""The words of field names, and what fields made of them hold."""

import re
from typing import Literal

FieldKind = Literal["name", "date", "id", "place", "free text", "picture", "file name", "technical", "unknown"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# In the order in which they win: "PatientBirthDate" is a date, "Filename" no person's name.
_IDENTIFYING: tuple[tuple[FieldKind, frozenset[str]], ...] = (
    (
        "picture",
        _set("""
        labelimage macro macroimage overview preview snapshot thumbnail
        """),
    ),
    (
        "file name",
        _set("""
        directory file filename filenames folder path pathname uri url
        """),
    ),
    (
        "date",
        _set("""
        acquired age birth birthdate birthday created createdate creationdate date dates datetime
        datetimeoriginal day dob modified modifydate time timestamp updated year
        """),
    ),
    (
        "place",
        _set("""
        address altitude city clinic computer computername country department email gps hospital host
        hostcomputer hostname institute institution institutional lab laboratory latitude location longitude
        machine mail phone room site state station street telephone ward workstation zip
        """),
    ),
    (
        "id",
        _set("""
        accession accessionnumber barcode barcodes block blocknumber case caseid casenumber guid id identifier
        ids imageid imageuniqueid mrn rack sampleid serial serialnumber slideid slidenumber slot specimen ssn
        uid uuid
        """),
    ),
    (
        "name",
        _set("""
        artist author by byline contact copyright copyrightnotice creator credit doctor experimenter
        familyname firstname givenname holder lastname login middlename name operator owner pathologist
        patient people person physician reader reviewer subject surname technician user username users
        """),
    ),
    (
        "free text",
        _set("""
        caption comment comments description diagnosis gender headline history imagedescription keyword
        keywords label labels message note notes procedure reason remark remarks request sex study subtitle
        text title usercomment xpauthor xpcomment xpkeywords xpsubject xptitle
        """),
    ),
)

# Whole names of fields that describe pixels, optics or the container and nothing else.
_TECHNICAL = _set("""
    active appmag axes bigendian binning bits bitsperpixel bitspersample blocksize chunkgrid chunkkeyencoding
    chunkshape clevel cname codecs coefficient color colorspace compression datatype defaultt defaultz deltat
    dimensionnames dimensionorder dimensionseparator displaycolor dpi dtype emissionwavelength end
    excitationwavelength exposure exposurescale exposuretime family fillvalue filtered firstc firstt firstz
    focusoffset gain gamma gridspacing height iccprofile ifd imagelength imagewidth immersion interleaved inverted
    left lensna levels lineareaxoffset lineareayoffset linecameraskew magnification max min model mpp nodetype
    nominalmagnification numericaperture objective offset opticalresolution order orientation originalheight
    originalwidth photometricinterpretation physicalsizex physicalsizexunit physicalsizey physicalsizeyunit
    physicalsizez physicalsizezunit pixeltype planarconfiguration planecount predictor pyramidlevels rdefs
    refractiveindex resolution resolutionunit sampleformat samplesperpixel scale schemalocation separator shape
    shuffle significantbits sizec sizet sizex sizey sizez stagex stagey start stripewidth thec thet thez top
    translation type unit version width xresolution xstart yresolution ystart zarrformat
""")

# Words that make up names of fields besides those above.
_COMMON = _set("""
    a acquisition and annotation aperio area array box bytes camera channel channels chunk color colour comments
    count data dc depth device display document dsr exif experiment field filter first for format given group
    hamamatsu height image images in index info information instrument iptc is key last layer lens level list
    macro manufacturer map metadata microscope middle mode number objective of offset ome on or original parmset
    pixels plane planes plate position private profile project quality rate region sample scale scan scanned
    scanner scanscope scope section session set setting settings size slide slides software source stain staining
    standard string system tag the tiff tissue to type unique unit value values version well width xmp
""")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_ALL_IDENTIFYING = frozenset().union(*(words for _, words in _IDENTIFYING))


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def kind_of(name: str) -> FieldKind:
    """Tell by a field's name what it holds; ``"unknown"`` when none of its words says so."""
    words = _words(name)
    whole = "".join(words)
    if whole in _TECHNICAL:
        return "technical"
    for kind, known in _IDENTIFYING:
        if whole in known or any(word in known for word in words):
            return kind
    return "unknown"


def is_plain(name: str) -> bool:
    """Tell whether a field's name consists of common words only, so that it can itself name nobody."""
    words = _words(name)
    whole = "".join(words)
    if not whole or re.sub(r"[\W_]", "", name.lower()) != whole:
        return False
    known = (_ALL_IDENTIFYING, _TECHNICAL, _COMMON)
    return any(whole in names for names in known) or all(any(word in names for names in known) for word in words)
