"""Draws a street survey as a delivery: equirectangular panoramas of a made-up street, and the table of where they were taken (eagle eye).

usage: python panoramas.py FOLDER PICTURES [WIDTH]

Two runs there and back through the same street, 4 m from picture to picture; houses stand where they stand, so that what is ahead comes nearer from picture to
picture. streets.geojson has that street and one that was not driven. The same arguments give the same pictures.
"""

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import rasterio

EAST, NORTH, EYE = 564700.0, 5950590.0, 2.4
SKY, ZENITH = np.array([205, 222, 238]), np.array([95, 150, 210])


def houses(length):
    random = np.random.default_rng(3)
    for side in (-1, 1):
        for at in np.arange(-30, length + 60, 16):
            width, height, depth, set_back = 10 + 4 * random.random(), 4 + 7 * random.random(), 8 + 3 * random.random(), 9 + 3 * random.random()
            near, far = sorted((side * set_back, side * (set_back + depth)))
            yield (at, near, 0), (at + width, far, height), random.integers(110, 235, 3)


def draw(x, y, heading, width, boxes):
    """What a camera at x, y sees; heading in degrees from the northward line of the grid."""
    height = width // 2
    azimuth = np.radians(heading) + ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    ray = [np.outer(np.cos(elevation), np.sin(azimuth)), np.outer(np.cos(elevation), np.cos(azimuth)), np.outer(np.sin(elevation), np.ones(width))]
    share = np.clip(ray[2], 0, 1)[..., None]
    picture = SKY * (1 - share) + ZENITH * share
    depth = np.full((height, width), np.inf)
    ground = ray[2] < -1e-6
    far = np.where(ground, -EYE / np.where(ground, ray[2], -1), np.inf)[height // 2 :]
    gx, gy = x + ray[0][height // 2 :] * far, y + ray[1][height // 2 :] * far
    colour = np.empty((*gx.shape, 3))
    colour[:] = [112, 140, 84]
    colour[np.abs(gy) < 5.5] = [168, 164, 158]
    colour[np.abs(gy) < 3.2] = [88, 89, 92]
    colour[(np.abs(gy) < 0.09) & (gx % 6 < 3)] = [235, 235, 230]
    colour[np.abs(np.abs(gy) - 3.3) < 0.1] = [190, 188, 182]
    haze = np.clip(np.hypot(gx - x, gy - y) / 250, 0, 1)[..., None]
    picture[height // 2 :] = colour * (1 - haze) + SKY * haze
    depth[height // 2 :] = far
    place = (x, y, EYE)
    for low, high, paint in boxes:
        if abs((low[0] + high[0]) / 2 - x) > 90:
            continue
        enter, leave, axis = np.full(depth.shape, -np.inf), np.full(depth.shape, np.inf), np.zeros(depth.shape, int)
        for a in range(3):
            with np.errstate(divide="ignore", invalid="ignore"):
                one, other = (low[a] - place[a]) / ray[a], (high[a] - place[a]) / ray[a]
            axis = np.where(np.minimum(one, other) > enter, a, axis)
            enter, leave = np.fmax(enter, np.fmin(one, other)), np.fmin(leave, np.fmax(one, other))
        hit = (enter < leave) & (enter > 0) & (enter < depth)
        t, a = enter[hit], axis[hit]
        at = [place[i] + ray[i][hit] * t for i in range(3)]
        along = np.where(a == 1, at[0] - low[0], at[1] - low[1])
        window = (along % 2.6 > 0.9) & (along % 2.6 < 2.0) & (at[2] % 2.8 > 1.0) & (at[2] % 2.8 < 2.2) & (at[2] < high[2] - 0.4) & (a < 2)
        wall = np.asarray(paint) * np.choose(a, [0.8, 1.0, 0.6])[:, None]
        picture[hit] = np.where(window[:, None], [60, 72, 88], wall)
        depth[hit] = t
    return np.clip(picture, 0, 255).astype(np.uint8)


def save(task):
    path, x, y, heading, width, boxes = task
    small = draw(x, y, heading, min(width, 1024), boxes)
    factor = max(1, width // small.shape[1])
    picture = small.repeat(factor, 0).repeat(factor, 1)
    profile = {"driver": "JPEG", "width": picture.shape[1], "height": picture.shape[0], "count": 3, "dtype": "uint8", "QUALITY": 85}
    with rasterio.open(path, "w", **profile) as file:
        file.write(picture.transpose(2, 0, 1))


def main(folder, pictures, width=4096):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    there = (pictures + 1) // 2
    length = 4.0 * there
    boxes = list(houses(length))
    table, tasks = ["filename;utm_easting;utm_northing;z;roll;pitch;heading;relative_path;time"], []
    for number in range(pictures):
        back = number >= there
        along = 4.0 * (number if not back else pictures - 1 - number)
        across, heading = (1.6, 270.0) if back else (-1.6, 90.0)
        name = f"pano_{number:05}.jpg"
        seconds = number * 0.5 + (300 if back else 0)
        time = f"2026-05-14T07:{int(seconds // 60) % 60:02}:{seconds % 60:04.1f}Z"
        row = [name, f"{EAST + along:.3f}", f"{NORTH + across:.3f}", "31.500", "0.00", "0.00", f"{heading:.2f}", f"run_{int(back)}/{name}", time]
        table.append(";".join(row))
        tasks.append((folder / name, along, across, heading, width, boxes))
    (folder / "trajektorie.csv").write_text("\n".join(table) + "\n")
    line = lambda name, places: {
        "type": "Feature", "properties": {"name": name}, "geometry": {"type": "LineString", "coordinates": [[EAST + x, NORTH + y] for x, y in places]}}
    streets = [line("Lindenallee", [(-20, 0), (length + 20, 0)]), line("Am Wall", [(length / 2, 12), (length / 2, 160)])]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::25832"}}
    (folder / "streets.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": streets}))
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(save, tasks, chunksize=4):
            pass


main(sys.argv[1], *(int(argument) for argument in sys.argv[2:]))
