"""Reads an OGC API – Features service as others do, and compares with the GeoPackages that it serves.

usage: read_features.py URL FOLDER      prints JSON: the features of each collection

OWSLib walks all pages of every collection; GDAL's OAPIF driver reads each in its own CRS and in CRS84; boxes are compared with shapely.
"""

import glob
import json
import random
import sqlite3
import sys
import urllib.parse
import urllib.request

import numpy
import pyogrio
import shapely
from owslib.ogcapi.features import Features
from pyproj import Transformer

EPSG = "http://www.opengis.net/def/crs/EPSG/0/"


def files(folder):
    """Table by collection, as a service should name it: the file with most tables of a dataset counts."""
    found = {}
    for dataset in sorted(glob.glob(f"{folder}/*/")):
        name = dataset.rstrip("/").rsplit("/", 1)[1]
        names = ["playground_intern.gpkg", "playground.gpkg", "cadastre.gpkg", "theme.gpkg", "buildings.gpkg"]
        path = next((f"{dataset}{file}" for file in names if glob.glob(f"{dataset}{file}")), None)
        if path is None:
            continue
        base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        tables = [row[0] for row in base.execute("SELECT table_name FROM gpkg_contents")]
        for table in tables:
            found[name if len(tables) == 1 else f"{name}:{table}"] = (path, table)
    return found


def get(address):
    with urllib.request.urlopen(address) as answer:
        return json.load(answer), answer.headers


def pages(service, url, collection):
    """All features by next links, as OWSLib and its users walk them."""
    page = service.collection_items(collection, limit=211)
    found = list(page["features"])
    matched = page["numberMatched"]
    while True:
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = get(following[0])[0]
        assert 0 < len(page["features"]) <= 211 and page["numberMatched"] == matched
        found.extend(page["features"])
    assert len(found) == matched, f"{collection}: {len(found)} of {matched}"
    names = {str(feature["id"]) for feature in found}
    assert len(names) == matched, f"{collection}: a feature comes twice"
    return found


def same(a, b, tolerance):
    a, b = shapely.from_wkb(a), shapely.from_wkb(b)
    return bool(shapely.equals_exact(shapely.normalize(a), shapely.normalize(b), tolerance))


def compare(url, collection, path, table, served):
    """GDAL's driver gives the rows of the file: the same places, the same values."""
    kind = pyogrio.read_info(path, layer=table)
    own = pyogrio.read_dataframe(path, layer=table, fid_as_index=True)
    if kind["geometry_type"] is None:
        assert all(feature["geometry"] is None for feature in served)
        return
    crs = own.crs.to_epsg()
    read = pyogrio.read_dataframe(f"OAPIF:{url}", layer=collection, CRS=f"EPSG:{crs}")
    assert len(read) == len(own) and read.crs.to_epsg() == crs, collection
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    is_table = base.execute("SELECT type FROM sqlite_master WHERE name = ?", [table]).fetchone() == ("table",)
    # Views have no unique column.
    by_uuid = is_table and "uuid" in own.columns
    by_key = {str(row.uuid if by_uuid else row.Index): row for row in own.itertuples()}
    for feature, row in zip(served, read.itertuples()):
        there = by_key[str(feature["id"])]
        if there.geometry is None:
            assert row.geometry is None and feature["geometry"] is None
            continue
        assert same(shapely.to_wkb(row.geometry), shapely.to_wkb(there.geometry), 1e-9), f"{collection} {feature['id']}"
    plain = own.to_crs(4326)
    lonlat = {key: geometry for key, geometry in zip(by_key, plain.geometry)}
    for feature in served:
        if feature["geometry"] is not None:
            given = shapely.geometry.shape(feature["geometry"])
            there = lonlat[str(feature["id"])]
            # Rounded coordinates may begin a ring elsewhere.
            near = shapely.get_num_coordinates(given) == shapely.get_num_coordinates(there) and given.hausdorff_distance(there) < 1.5e-7
            assert near, f"{collection} {feature['id']}"
            for ring in rings(given):
                assert ring, "an outer ring runs clockwise"
    boxes(url, collection, crs, own, by_key, lonlat)


def rings(geometry):
    parts = getattr(geometry, "geoms", [geometry])
    return [part.exterior.is_ccw for part in parts if part.geom_type == "Polygon"]


def boxes(url, collection, crs, own, by_key, lonlat):
    """Random boxes in four CRSs choose what shapely chooses."""
    chance = random.Random(7)
    x0, y0, x1, y1 = own.total_bounds
    if not x0 <= x1:
        return
    for code in [None, crs, 4258, 25833]:
        uri = None if code is None else f"{EPSG}{code}"
        move = Transformer.from_crs(crs, code or 4326, always_xy=True)
        places = {key: row.geometry for key, row in by_key.items()} if code == crs else None
        for _ in range(2):
            a, b = chance.uniform(x0, x1), chance.uniform(y0, y1)
            low = move.transform(a, b)
            high = move.transform(a + (x1 - x0) * chance.uniform(0.05, 0.6), b + (y1 - y0) * chance.uniform(0.05, 0.6))
            box = shapely.box(min(low[0], high[0]), min(low[1], high[1]), max(low[0], high[0]), max(low[1], high[1]))
            if places is None:
                places = {
                    key: None if row.geometry is None else shapely.transform(row.geometry, lambda at: numpy.column_stack(move.transform(at[:, 0], at[:, 1])))
                    for key, row in by_key.items()
                }
            want = {key for key, place in places.items() if place is None or place.intersects(box)}
            corners = list(box.bounds)
            if code == 4258:
                corners = [corners[1], corners[0], corners[3], corners[2]]
            query = {"bbox": ",".join(repr(float(value)) for value in corners), "limit": "10000"}
            if uri:
                query["bbox-crs"] = uri
            page = get(f"{url}/collections/{collection}/items?{urllib.parse.urlencode(query)}")[0]
            found = {str(feature["id"]) for feature in page["features"]}
            assert found == want and page["numberMatched"] == len(want), f"{collection} {query}: {found ^ want}"


def main(url, folder):
    service = Features(url)
    assert any(name.endswith("features-1/1.0/conf/core") for name in service.conformance()["conformsTo"])
    assert service.api()["openapi"].startswith("3.0")
    told, expected = [entry["id"] for entry in service.collections()["collections"]], files(folder)
    assert sorted(told) == sorted(expected), f"{sorted(told)} {sorted(expected)}"
    counts = {}
    for collection in told:
        path, table = expected[collection]
        assert service.collection(collection)["id"] == collection
        assert service.collection_queryables(collection)["type"] == "object"
        served = pages(service, url, collection)
        counts[collection] = len(served)
        compare(url, collection, path, table, served)
    print(json.dumps(counts))


main(*sys.argv[1:3])
