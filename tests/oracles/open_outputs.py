"""Opens what a release or a conversion holds with pyarrow, DuckDB and pystac, and checks what their formats promise.

usage: open_outputs.py FOLDER
"""

import collections
import gzip
import json
import pathlib
import struct
import sys

import duckdb
import pyarrow.parquet
import pystac.validation


def wkb_bounds(wkb):
    """Bounding box of a WKB geometry (little-endian, ISO or EWKB without SRID), and the number of its points."""
    at, xs, ys = 0, [], []

    def take(form):
        nonlocal at
        values = struct.unpack_from("<" + form, wkb, at)
        at += struct.calcsize("<" + form)
        return values

    def points(count, size):
        for _ in range(count):
            x, y, *_ = take(f"{size}d")
            xs.append(x)
            ys.append(y)

    def geometry():
        order, code = take("BI")
        assert order == 1, "big-endian WKB"
        size = 2 + (code // 1000 in (1, 2, 3)) + (code // 1000 == 3)
        kind = code % 1000
        if kind == 1:
            points(1, size)
        elif kind == 2:
            points(*take("I"), size)
        elif kind == 3:
            for _ in range(*take("I")):
                count = take("I")[0]
                assert count >= 4, f"a ring of {count} points"
                first = len(xs)
                points(count, size)
                assert (xs[first], ys[first]) == (xs[-1], ys[-1]), "an open ring"
        elif kind in (4, 5, 6, 7):
            for _ in range(*take("I")):
                geometry()
        else:
            raise AssertionError(f"WKB type {code}")

    geometry()
    assert at == len(wkb), "bytes after the geometry"
    return min(xs), min(ys), max(xs), max(ys)


def parquet(path):
    file = pyarrow.parquet.ParquetFile(path)
    table = file.read()
    count = duckdb.sql(f"select count(*) from read_parquet('{path}')").fetchall()[0][0]
    assert count == table.num_rows, f"DuckDB counts {count} rows, pyarrow {table.num_rows}"
    geo = (file.schema_arrow.metadata or {}).get(b"geo")
    if not geo:
        return
    geo = json.loads(geo)
    assert geo["version"] == "1.1.0", geo["version"]
    column = geo["columns"][geo["primary_column"]]
    assert column["encoding"] == "WKB", column["encoding"]
    assert column["crs"] is None or column["crs"]["type"], "the CRS is no PROJJSON"
    covering = column["covering"]["bbox"]
    assert {name: path[-1] for name, path in covering.items()} == {name: name for name in ("xmin", "ymin", "xmax", "ymax")}
    boxes = table.column(covering["xmin"][0]).to_pylist()
    bounds = column.get("bbox")
    for wkb, box in zip(table.column(geo["primary_column"]).to_pylist(), boxes):
        if wkb is None:
            continue
        own = wkb_bounds(wkb)
        # A covering of floats may be wider by their rounding, never narrower.
        given = box["xmin"], box["ymin"], box["xmax"], box["ymax"]
        assert given[0] <= own[0] and given[1] <= own[1] and given[2] >= own[2] and given[3] >= own[3], f"{given} does not cover {own}"
        assert all(abs(a - b) < 1.5 for a, b in zip(own, given)), f"{given} is far from {own}"
        if bounds:
            half = len(bounds) // 2
            assert bounds[0] <= own[0] and bounds[1] <= own[1] and bounds[half] >= own[2] and bounds[half + 1] >= own[3], "outside the file's bbox"


def stac(path, value):
    # The core schemas come with pystac; those of extensions would be fetched from the network.
    pystac.validation.validate_dict(value, href=str(path), extensions=[])
    for link in value.get("links", []):
        if link["rel"] in ("item", "child", "parent", "collection") and "://" not in link["href"]:
            assert (path.parent / link["href"]).resolve().exists(), f"the link {link['href']} leads nowhere"
    for name, asset in value.get("assets", {}).items():
        if "://" not in asset["href"]:
            assert (path.parent / asset["href"]).resolve().exists(), f"the asset {name} leads nowhere: {asset['href']}"


def tileset(path, value):
    assert value["asset"]["version"] == "1.1", value["asset"]
    found = 0

    def tile(node, error):
        nonlocal found
        assert node["geometricError"] <= error, "a tile with a greater error than its parent"
        assert set(node["boundingVolume"]) & {"region", "box", "sphere"}, "no bounding volume"
        for content in [node["content"]] if "content" in node else node.get("contents", []):
            assert (path.parent / content["uri"]).exists(), f"no {content['uri']}"
            found += 1
        for child in node.get("children", []):
            tile(child, node["geometricError"])

    tile(value["root"], value["geometricError"])
    assert found, "no content"


def varints(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0


def pmtiles(path):
    data = path.read_bytes()
    assert data[:8] == b"PMTiles\x03", "no PMTiles version 3"
    root, root_size, _, _, leaves, leaves_size, tiles, tiles_size, addressed, entries, contents = struct.unpack_from("<11Q", data, 8)
    internal, compression, kind = data[97], data[98], data[99]
    unpack = {1: bytes, 2: gzip.decompress}
    found = 0

    def directory(offset, size):
        nonlocal found
        numbers = varints(unpack[internal](data[offset : offset + size]))
        count = next(numbers)
        columns = [[next(numbers) for _ in range(count)] for _ in range(4)]
        assert next(numbers, None) is None, "bytes after a directory"
        end = 0
        for run, length, at in zip(*columns[1:]):
            at = end if at == 0 else at - 1
            end = at + length
            if run == 0:
                directory(leaves + at, length)
                continue
            found += run
            assert end <= tiles_size, "a tile outside the file"
            tile = unpack[compression](data[tiles + at : tiles + end])
            magic = {2: b"\x89PNG", 3: b"\xff\xd8\xff", 4: b"RIFF"}.get(kind, b"")
            assert tile.startswith(magic), f"a tile that is not of type {kind}"

    directory(root, root_size)
    assert found == addressed and found > 0, f"{found} tiles, the header says {addressed}"


def document(path):
    value = json.loads(path.read_bytes())
    if isinstance(value, dict) and "stac_version" in value:
        stac(path, value)
        return "STAC"
    if isinstance(value, dict) and "geometricError" in value:
        tileset(path, value)
        return "tileset"
    return "JSON"


def lines(path):
    values = [json.loads(line) for line in path.read_bytes().splitlines()]
    if path.name.endswith(".city.jsonl"):
        assert values[0]["type"] == "CityJSON" and all(value["type"] == "CityJSONFeature" for value in values[1:])


OPENERS = {".parquet": parquet, ".pmtiles": pmtiles, ".json": document, ".geojson": document, ".jsonl": lines}

opened, failed = collections.Counter(), 0
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*")):
    opener = OPENERS.get(path.suffix)
    if opener and path.is_file():
        try:
            opened[opener(path) or path.suffix[1:]] += 1
        except Exception as error:  # Whatever goes wrong in an opener is a finding about this file.
            failed += 1
            print(f"{path}: {type(error).__name__}: {error}", file=sys.stderr)
print("opened", ", ".join(f"{count} {name}" for name, count in sorted(opened.items())) or "nothing")
sys.exit(1 if failed or not opened else 0)
