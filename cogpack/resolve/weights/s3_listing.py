"""A page of ListObjectsV2 (Amazon S3 API reference) is read from XML without building a tree of it."""

from urllib.parse import unquote_plus
from xml.parsers import expat

from cogpack.resolve.weights.listing import MAX_DIGITS, ListedObject

MAX_KEYS = 1000


def parse_page(body: bytes) -> tuple[list[ListedObject], str]:
    """Give the objects and the next page's token of an answer with `encoding-type=url`; `ValueError` of what is
    none."""
    above: list[str] = []
    text: list[str] = []
    page: dict[str, str] = {}
    entry: dict[str, str] = {}
    objects: list[ListedObject] = []

    def start(name: str, _: dict[str, str]) -> None:
        above.append(name)
        text.clear()

    def end(name: str) -> None:
        above.pop()
        if above == ["ListBucketResult", "Contents"] and name in ("Key", "Size"):
            entry[name] = "".join(text)
        elif above == ["ListBucketResult"] and name in ("IsTruncated", "NextContinuationToken"):
            page[name] = "".join(text)
        elif above == ["ListBucketResult"] and name == "Contents":
            if len(objects) == MAX_KEYS or not entry["Size"].isdecimal() or len(entry["Size"]) > MAX_DIGITS:
                raise ValueError("more keys than were asked for, or one without a size")
            objects.append(ListedObject(unquote_plus(entry["Key"], errors="strict"), int(entry["Size"])))
            entry.clear()

    def doctype(*_: object) -> None:
        raise ValueError("a document type, which no listing has")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body, True)  # noqa: FBT003 - this is all of it
    except (expat.ExpatError, KeyError) as error:
        raise ValueError(str(error)) from error
    return objects, page.get("NextContinuationToken", "") if page.get("IsTruncated") == "true" else ""
