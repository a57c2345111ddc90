"""Reads a STAC API with pystac-client: conformance, collections, items page by page, searches by place, time, sequence and identifier.

usage: python stac_search.py ADDRESS

Prints one line of JSON with what was found; items and collections are objects of pystac, so that what it does not understand fails.
"""

import json
import sys

from pystac_client import Client


def main(address):
    client = Client.open(address)
    collections = list(client.get_collections())
    first = collections[0]
    items = list(first.get_items())
    west, south, east, north = first.extent.spatial.bboxes[0]
    half = [west, south, (west + east) / 2, north]
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    start, end = first.extent.temporal.intervals[0]
    count = lambda **wanted: sum(1 for _ in client.search(**wanted).items())
    one = items[len(items) // 2]
    newest = next(client.search(sortby="-datetime", max_items=1).items())
    print(json.dumps({
        "title": client.title,
        "conforms": [client.conforms_to(name) for name in ["CORE", "COLLECTIONS", "FEATURES", "ITEM_SEARCH", "SORT"]],
        "collections": [collection.id for collection in collections],
        "items": [item.id for item in items],
        "all": count(limit=7),
        "matched": client.search().matched(),
        "by_get": count(method="GET", collections=[first.id], limit=7),
        "by_post": count(method="POST", collections=[first.id], limit=7),
        "bbox": count(bbox=half, collections=[first.id]),
        "in_bbox": sum(half[0] <= i.geometry["coordinates"][0] <= half[2] for i in items),
        "intersects": count(intersects={"type": "Polygon", "coordinates": [ring]}, collections=[first.id]),
        "datetime": count(datetime=[start, end], collections=[first.id]),
        "ids": [item.id for item in client.search(ids=[one.id]).items()],
        "wanted": one.id,
        "newest": newest.datetime.isoformat(),
        "latest": max(collection.extent.temporal.intervals[0][1] for collection in collections).isoformat(),
        "next": [link.absolute_href for link in one.links if link.rel == "next"],
        "assets": {key: asset.href for key, asset in one.assets.items()},
    }))


main(sys.argv[1])
