"""Asks for the owners of all parcels as the documentation says, in DuckDB, and compares with what the deliveries say.

usage: owners.py FOLDER DELIVERY...
"""

import collections
import gzip
import os
import pathlib
import re
import sys
import xml.etree.ElementTree as tree

import duckdb

folder, deliveries = sys.argv[1], sys.argv[2:]
manual = pathlib.Path(__file__).parents[2] / "docs/kinds/cadastre.md"
query = re.search(r"```sql\n(.*?)```", manual.read_text(), re.S)[1]

ID, HREF = "{http://www.opengis.net/gml/3.2}id", "{http://www.w3.org/1999/xlink}href"
# By identifier: what lies on the border of two files is in both.
objects = collections.defaultdict(dict)
for delivery in deliveries:
    with gzip.open(delivery) as file:
        for _, element in tree.iterparse(file):
            kind = element.tag.rsplit("}")[-1]
            if kind in ("AX_Flurstueck", "AX_Buchungsstelle", "AX_Namensnummer", "AX_Person"):
                said = {"id": element.get(ID)[:16]}
                for child in element:
                    name = child.tag.rsplit("}")[-1]
                    said[name] = (child.get(HREF) or "").removeprefix("urn:adv:oid:") or child.text
                objects[kind][said["id"]] = said

sheet = {entry["id"]: entry["istBestandteilVon"] for entry in objects["AX_Buchungsstelle"].values()}
person = {person["id"]: (person["nachnameOderFirma"], person.get("vorname")) for person in objects["AX_Person"].values()}
owners = collections.defaultdict(list)
for share in objects["AX_Namensnummer"].values():
    owners[share["istBestandteilVon"]].append(person[share["benennt"]])
expected = sorted(
    (parcel["flurstueckskennzeichen"], *owner)
    for parcel in objects["AX_Flurstueck"].values()
    for owner in owners[sheet[parcel["istGebucht"]]]
)
os.chdir(folder)
found = sorted(duckdb.sql(query).fetchall())
assert len({parcel for parcel, *_ in expected}) == len(objects["AX_Flurstueck"]) > 100
assert found == expected, (len(found), len(expected), [row for row in found if row not in set(expected)][:3])
print(f"{len(found)} owners of {len(objects['AX_Flurstueck'])} parcels")
