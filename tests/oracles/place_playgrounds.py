"""Compares parcels and addresses of playgrounds with what geopandas finds.

    python place_playgrounds.py PLAYGROUND.gpkg FLURSTUECK.parquet ADRESSE.parquet DISTANCE_M

Prints the number of sites with a parcel, with an address, and in all.
"""

import sqlite3
import sys

import geopandas
import shapely


def sites(path):
    base = sqlite3.connect(path)
    base.row_factory = sqlite3.Row
    for row in base.execute("SELECT * FROM spielplatz"):
        # The header of a geometry with an extent has 40 bytes, without one (a point has one here too) 8.
        blob = row["geom"]
        yield row, shapely.from_wkb(blob[40 if blob[3] & 0x0E else 8 :])


def main(path, parcels, addresses, distance):
    parcels, addresses = geopandas.read_parquet(parcels), geopandas.read_parquet(addresses)
    counted = [0, 0, 0]
    for row, shape in sites(path):
        if shape.area > 0:
            near = parcels[parcels.intersects(shape)]
            shared = near.geometry.intersection(shape).area
            shared = shared[(shared >= 1) & (shared >= shape.area / 100)].sort_values(ascending=False)
            keys = list(near.loc[shared.index, "flstkennz"])
        else:
            keys = sorted(parcels[parcels.intersects(shape)]["flstkennz"])
        assert row["kataster_flurstueck"] == (", ".join(keys) or None), (row["kennung"], row["kataster_flurstueck"], keys)
        away = addresses.geometry.distance(shape)
        own = addresses["flstkennz"].isin(keys)
        named = addresses["strasse"].notna()
        placed = away[own & named].dropna()
        if placed.empty:
            placed = away[(away <= distance) & named]
        if placed.empty:
            assert row["kataster_adresse_m"] is None, (row["kennung"], row["kataster_adresse"])
        else:
            assert abs(row["kataster_adresse_m"] - placed.min()) < 0.01, (row["kennung"], row["kataster_adresse_m"], placed.min())
            nearest = addresses.loc[placed.index[placed <= placed.min() + 0.01]]
            assert any(row["kataster_adresse"].startswith(street) for street in nearest["strasse"]), row["kataster_adresse"]
        counted[0] += bool(keys)
        counted[1] += not placed.empty
        counted[2] += 1
    print(*counted)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
