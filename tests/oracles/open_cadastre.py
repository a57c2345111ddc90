"""Opens the tables of a cadastre with geopandas and DuckDB (and its extension spatial, where it is installed), and compares the forms
that each table comes in: the GeoPackage, GeoParquet and FlatGeobuf hold the same rows and the same geometries.

usage: open_cadastre.py FOLDER
"""

import pathlib
import sys

import duckdb
import geopandas
import pandas
import pyogrio
import shapely

folder = pathlib.Path(sys.argv[1])
package = folder / "cadastre.gpkg"
layers = {name: kind for name, kind in pyogrio.list_layers(package)}
duck = duckdb.connect()
try:
    duck.load_extension("spatial")
    spatial = True
except duckdb.Error:
    spatial = False


def snake(name):
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


def keyed(frame):
    """Rows in an order of their own, geometries as WKB: what two forms of a table have in common."""
    shapes = frame.geometry
    frame = pandas.DataFrame(frame.drop(columns=shapes.name))
    frame = frame.drop(columns=[name for name in ("fid", "bbox") if name in frame.columns])
    frame["wkb"] = [None if shape is None or shape.is_empty else shapely.to_wkb(shape, output_dimension=2) for shape in shapes]
    frame = frame.astype(object).where(frame.notna(), None)
    return sorted(map(repr, frame.to_dict("records")))


opened = []
for layer in layers:
    table = snake(layer)
    rows = geopandas.read_file(package, layer=layer)
    parquet = folder / f"{table}.parquet"
    same = geopandas.read_parquet(parquet)
    assert len(rows) == len(same), f"{layer}: {len(rows)} rows, {len(same)} in Parquet"
    assert keyed(rows) == keyed(same), f"{layer}: GeoPackage and GeoParquet differ"
    if len(rows) and rows.geometry.notna().any():
        assert rows.crs == same.crs and rows.crs.to_epsg() == 25832, f"{layer}: {rows.crs}, {same.crs}"
    count = duck.sql(f"select count(*) from read_parquet('{parquet}')").fetchall()[0][0]
    assert count == len(rows), f"{layer}: DuckDB counts {count} of {len(rows)}"
    flat = folder / f"{table}.fgb"
    if flat.exists():
        placed = same[same.geometry.notna() & ~same.geometry.is_empty]
        read = geopandas.read_file(flat)
        assert read.crs == same.crs, f"{layer}: {read.crs}"
        # FlatGeobuf has no rows without a place, and one type of geometry.
        single = lambda shapes: sorted(shape.area + shape.length for shape in shapes)
        assert len(read) == len(placed), f"{layer}: {len(read)} features of {len(placed)}"
        assert single(read.geometry) == single(placed.geometry), f"{layer}: FlatGeobuf differs"
    if spatial and table == "flurstueck":
        area = duck.sql(f"select sum(st_area(geometry)) from read_parquet('{parquet}')").fetchall()[0][0]
        assert abs(area - same.area.sum()) < 0.01, f"{area} m², geopandas says {same.area.sum()}"
    opened.append(f"{table} {len(rows)}")

parcels = geopandas.read_parquet(folder / "flurstueck.parquet")
assert parcels.is_valid.all() and parcels["flstkennz"].str.len().eq(20).all() and parcels["flstkennz"].is_unique
addresses = pandas.read_csv(folder / "adresse.csv", sep=";", dtype=str, encoding="utf-8-sig")
assert len(addresses) == len(geopandas.read_parquet(folder / "adresse.parquet"))
# What lies around a place, as a map asks for it.
west, south, east, north = parcels.total_bounds
box = (west, south, (west + east) / 2, (south + north) / 2)
some = [len(geopandas.read_parquet(folder / "flurstueck.parquet", bbox=box)), len(geopandas.read_file(package, layer="Flurstueck", bbox=box))]
assert 0 < some[0] == some[1] < len(parcels), some
for path in sorted(folder.glob("flurstueck_*.parquet")):
    opened.append(f"{path.stem}: {duck.sql(f'select count(*) from read_parquet({str(path)!r})').fetchall()[0][0]}")
print("opened with geopandas and DuckDB" + (" spatial" if spatial else "") + ":", ", ".join(opened))
