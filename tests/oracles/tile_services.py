# Reads what a dataset of orthophotos publishes with other programs; the argument is the dataset's folder.
import functools, http.server, json, pathlib, subprocess, sys, tempfile, threading

try:
    import morecantile, owslib.wmts, pmtiles.reader, pyproj, rasterio, rio_cogeo
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(0)

out = pathlib.Path(sys.argv[1])
about = json.loads((out / "about.json").read_text())
mark = about["mark"]


def find_red(path):
    """Middle of what is red in a picture, in its CRS; and the side of a pixel."""
    with rasterio.open(path) as picture:
        bands = picture.read([1, 2]).astype(float)
        red = bands[0] - bands[1]
        red[red < 20] = 0
        total = red.sum()
        rows, columns = red.sum(axis=1), red.sum(axis=0)
        column = sum((i + 0.5) * value for i, value in enumerate(columns)) / total
        row = sum((i + 0.5) * value for i, value in enumerate(rows)) / total
        return picture.transform * (column, row), picture.transform.a, picture.crs.to_epsg()


def close(found, cell, epsg, limit):
    truth = pyproj.Transformer.from_crs(25832, epsg, always_xy=True).transform(*mark)
    off = ((found[0] - truth[0]) ** 2 + (found[1] - truth[1]) ** 2) ** 0.5 / cell
    assert off < limit, (epsg, found, truth, off)


# PMTiles: header and every tile, by the reader of the format's authors.
for path in sorted(out.glob("*.pmtiles")):
    with open(path, "rb") as file:
        source = pmtiles.reader.MmapSource(file)
        reader = pmtiles.reader.Reader(source)
        header = reader.header()
        assert header["clustered"] and header["addressed_tiles_count"] > 5, header
        tiles = list(pmtiles.reader.all_tiles(source))
        assert len(tiles) == header["addressed_tiles_count"]
        assert header["min_zoom"] == min(z for (z, x, y), _ in tiles) and header["max_zoom"] == max(z for (z, x, y), _ in tiles)

# Tile addresses: morecantile, from the definitions that others publish.
folder = pathlib.Path(about["tms"])
if folder.is_dir():
    lonlat = pyproj.Transformer.from_crs(25832, 4326, always_xy=True).transform(*mark)
    for name, file, extension in [
        ("orthophoto", "WebMercatorQuad", "jpg"),
        ("orthophoto-DE_EPSG_25832_ADV-png", "AdV_25832", "png"),
        ("orthophoto-gdi_de_25832-png", "gdi_de_25832", "png"),
    ]:
        tms = morecantile.TileMatrixSet.model_validate_json((folder / f"{file}.json").read_text())
        seen = 0
        for level in (out / name).iterdir():
            zoom = int(level.name)
            if zoom > tms.maxzoom:
                continue
            tile = tms.tile(*lonlat, zoom)
            assert (level / str(tile.x) / f"{tile.y}.{extension}").exists(), (name, tile)
            seen += 1
        assert seen >= 4, name

# COG: valid, in place.
for path in sorted((out / "cog").iterdir()):
    valid, errors, warnings = rio_cogeo.cog_validate(str(path), strict=True, quiet=True)
    assert valid and not errors and not warnings, (path, errors, warnings)
    found, cell, epsg = find_red(path)
    # Colours have half the resolution and a lower quality than in the tiles.
    close(found, cell, epsg, 0.4)

# The index of the mosaic, by GDAL's own driver.
version = tuple(int(part) for part in rasterio.__gdal_version__.split(".")[:2])
if version >= (3, 9):
    found, cell, epsg = find_red(out / "mosaic.gti.gpkg")
    # Colours have half the resolution and a lower quality than in the tiles.
    close(found, cell, epsg, 0.4)

# WMTS: served, read by owslib and by GDAL.
with tempfile.TemporaryDirectory() as root:
    (pathlib.Path(root) / "test").symlink_to(out)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=root)
    handler.log_message = lambda *_: None
    http.server.SimpleHTTPRequestHandler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    capabilities = (out / "WMTSCapabilities.xml").read_text().replace("http://127.0.0.1:PORT", base)
    (pathlib.Path(root) / "wmts.xml").write_text(capabilities)
    service = owslib.wmts.WebMapTileService(f"{base}/wmts.xml", xml=capabilities.encode())
    assert len(service.contents) >= 2, service.contents
    for name, layer in service.contents.items():
        [link] = layer.tilematrixsetlinks.values()
        limits = list(link.tilematrixlimits.values())[-1]
        tile = service.gettile(
            layer=name, tilematrixset=link.tilematrixset, tilematrix=limits.tilematrix,
            row=limits.mintilerow, column=limits.mintilecol, format=layer.formats[0],
        )
        assert tile.read()[:2] in (b"\xff\xd8", b"\x89P"), name
        # Around the mark, at the finest level.
        target = f"{root}/{name}.tif"
        epsg = int(service.tilematrixsets[link.tilematrixset].crs.split(":")[-1])
        x, y = pyproj.Transformer.from_crs(25832, epsg, always_xy=True).transform(*mark)
        window = [str(value) for value in (x - 60, y + 60, x + 60, y - 60)]
        source = f"WMTS:{base}/wmts.xml,layer={name}"
        command = ["gdal_translate", "-q", "-projwin", *window, "-projwin_srs", f"EPSG:{epsg}", source, target]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
        except FileNotFoundError:
            print("skipped: gdal_translate is not there")
            break
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"{command}: {error.stderr}")
        found, cell, epsg = find_red(target)
        close(found, cell, epsg, 0.1)
