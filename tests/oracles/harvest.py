"""Reads a catalogue as others do: OWSLib for CSW 2.0.2 and OGC API Records, with the queries of QGIS's MetaSearch.

usage: harvest.py URL      prints JSON: what each way found
"""

import json
import sys

from owslib.csw import CatalogueServiceWeb
from owslib.fes import BBox, PropertyIsEqualTo, PropertyIsLike, SortBy, SortProperty
from owslib.ogcapi.records import Records

GMD = "http://www.isotc211.org/2005/gmd"


def pages(csw, schema, size):
    """All records by pages, as harvesters read them: in the order of identifiers, until the server says 0."""
    found, start = {}, 1
    while start:
        csw.getrecords2(startposition=start, maxrecords=size, esn="full", outputschema=schema, sortby=SortBy([SortProperty("dc:identifier")]))
        found.update(csw.records)
        start = csw.results["nextrecord"]
        assert len(found) <= csw.results["matches"], "a page repeats records"
    return found


def main(url):
    csw = CatalogueServiceWeb(f"{url}/csw", timeout=20)
    iso = pages(csw, GMD, 2)
    core = pages(csw, "http://www.opengis.net/cat/csw/2.0.2", 3)
    first = sorted(iso)[0]
    csw.getrecordbyid(id=[first], outputschema=GMD)
    by_id = list(csw.records)
    # MetaSearch: any text and the extent of the map, Dublin Core, ten at a time.
    csw.getrecords2(constraints=[[PropertyIsLike("csw:AnyText", "%luftbild%"), BBox([9.0, 53.0, 11.0, 54.0])]], maxrecords=10, esn="full")
    search = [record.title for record in csw.records.values()]
    # As the dialog of QGIS 3.22 does: the bare word, and a box with latitude first.
    both = [[BBox([53.0, 9.0, 54.0, 11.0], crs="urn:ogc:def:crs:EPSG::4326"), PropertyIsLike("csw:AnyText", "luftbild")]]
    csw.getrecords2(constraints=both, maxrecords=10, esn="full")
    dialog = [record.title for record in csw.records.values()]
    csw.getrecords2(constraints=[BBox([0.0, 40.0, 1.0, 41.0])], maxrecords=10)
    elsewhere = csw.results["matches"]
    csw.getrecords2(constraints=[PropertyIsEqualTo("apiso:Identifier", first)], maxrecords=10)
    equal = list(csw.records)
    api = Records(url)
    items = api.collection_items("records", limit=100)
    one = api.collection_item("records", first)
    print(json.dumps({
        "iso": {key: record.identificationinfo[0].title for key, record in iso.items()},
        "core": {key: record.title for key, record in core.items()},
        "bbox": {key: [float(v) for v in (r.bbox.minx, r.bbox.miny, r.bbox.maxx, r.bbox.maxy)] for key, r in core.items() if r.bbox},
        "by_id": by_id, "search": search, "dialog": dialog, "elsewhere": elsewhere, "equal": equal,
        "operations": [operation.name for operation in csw.operations],
        "api": {item["id"]: item["properties"]["title"] for item in items["features"]},
        "api_one": one["properties"]["title"], "collections": api.records(),
    }))


main(sys.argv[1])
