// Opens a tileset in CesiumJS in headless Chromium, looks at it from the air, and picks what stands in the middle of the picture.
//
// usage: node cesium_pick.js FOLDER PICTURE.png [LONGITUDE LATITUDE [RANGE]]
//
// FOLDER has the tileset.json; without a place, the middle of the root's region is looked at, from 350 m away. Prints one line of JSON: the
// properties of what was picked, the place that was hit with its ellipsoidal height, whether the building can be hidden, and the messages
// of the page. Needs the packages cesium and playwright-core, and Chromium (CHROMIUM=/path; else
// /usr/bin/chromium).

"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");
const { chromium } = require("playwright-core");

const TYPES = { ".js": "text/javascript", ".json": "application/json", ".css": "text/css", ".wasm": "application/wasm", ".html": "text/html" };

// Serves the tileset under /data/ and Cesium under /cesium/.
function serve(folder) {
    const cesium = path.join(path.dirname(require.resolve("cesium/package.json")), "Build", "Cesium");
    const page = "<!doctype html><meta charset=utf-8><link rel=stylesheet href=/cesium/Widgets/widgets.css><style>html,body,#c{margin:0;width:100%;height:100%;overflow:hidden}</style><div id=c></div>" +
        "<script>window.CESIUM_BASE_URL='/cesium/'</script><script src=/cesium/Cesium.js></script>";
    const server = http.createServer((request, response) => {
        const name = decodeURIComponent(request.url.split("?")[0]);
        if (name === "/") return response.writeHead(200, { "content-type": "text/html" }).end(page);
        const [, area, ...rest] = name.split("/");
        const file = path.join(area === "cesium" ? cesium : folder, path.normalize(rest.join("/")).replace(/^(\.\.[/\\])+/, ""));
        fs.readFile(file, (error, bytes) => {
            if (error) return response.writeHead(404).end();
            response.writeHead(200, { "content-type": TYPES[path.extname(file)] || "application/octet-stream" }).end(bytes);
        });
    });
    return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

// Runs in the page.
async function look([longitude, latitude, range = 350]) {
    const viewer = new Cesium.Viewer("c", {
        baseLayer: false, animation: false, timeline: false, geocoder: false, homeButton: false, baseLayerPicker: false,
        sceneModePicker: false, navigationHelpButton: false, fullscreenButton: false, infoBox: false, selectionIndicator: false,
        contextOptions: { webgl: { preserveDrawingBuffer: true } },
    });
    const { scene } = viewer;
    scene.globe.show = false;
    scene.skyBox.show = false;
    scene.backgroundColor = Cesium.Color.fromCssColorString("#dfe6ee");
    const tileset = scene.primitives.add(await Cesium.Cesium3DTileset.fromUrl("/data/tileset.json"));
    const failed = [];
    tileset.tileFailed.addEventListener((event) => failed.push(`${event.url}: ${event.message}`));
    const region = tileset.root.boundingVolume.rectangle;
    const [lon, lat] = longitude === undefined
        ? [Cesium.Math.toDegrees((region.west + region.east) / 2), Cesium.Math.toDegrees((region.south + region.north) / 2)]
        : [longitude, latitude];
    const low = tileset.root.boundingVolume.minimumHeight;
    const target = Cesium.Cartesian3.fromDegrees(lon, lat, low);
    const settled = async () => {
        for (let frame = 0; frame < 600 && !(tileset.tilesLoaded && frame > 20); frame++) {
            await new Promise((resolve) => setTimeout(resolve, 50));
            scene.render();
        }
    };
    const view = (range) => viewer.camera.lookAt(target, new Cesium.HeadingPitchRange(Cesium.Math.toRadians(20), Cesium.Math.toRadians(-45), range));
    view(range);
    await settled();
    const middle = new Cesium.Cartesian2(scene.canvas.clientWidth / 2, scene.canvas.clientHeight / 2);
    // The feature nearest to the middle of the picture.
    const near = () => {
        for (let reach = 0; reach < 260; reach += 10) {
            for (let angle = 0; angle < 360; angle += 30) {
                const turn = angle * Math.PI / 180;
                const at = new Cesium.Cartesian2(
                    Math.round(middle.x + reach * Math.cos(turn)), Math.round(middle.y + reach * Math.sin(turn)));
                const feature = scene.pick(at);
                if (feature instanceof Cesium.Cesium3DTileFeature) return { at, feature };
            }
        }
        return undefined;
    };
    const found = near();
    const out = { failed };
    if (found) {
        const { at, feature } = found;
        out.properties = Object.fromEntries(feature.getPropertyIds().map((name) => [name, feature.getProperty(name)]));
        scene.render();
        const hit = scene.pickPosition(at) || (scene.pickFromRay(viewer.camera.getPickRay(at)) || {}).position;
        const place = Cesium.Cartographic.fromCartesian(hit);
        out.place = [Cesium.Math.toDegrees(place.longitude), Cesium.Math.toDegrees(place.latitude), place.height];
        feature.color = Cesium.Color.YELLOW;
        scene.render();
        window.pickedFeature = { feature, at, scene };
    }
    return out;
}

// Runs in the page: hides what was picked, as Masterportal does by its id; the same place then shows something else.
function hide() {
    const { feature, at, scene } = window.pickedFeature;
    const id = feature.getProperty("id");
    feature.show = false;
    scene.render();
    const behind = scene.pick(at);
    return !(behind && behind.getProperty && behind.getProperty("id") === id);
}

async function main([folder, picture, longitude, latitude, range]) {
    const server = await serve(path.resolve(folder));
    const browser = await chromium.launch({
        executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
        args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
    });
    try {
        const page = await browser.newPage({ viewport: { width: 1000, height: 700 } });
        const messages = [];
        page.on("console", (message) => message.type() === "error" && messages.push(message.text()));
        page.on("pageerror", (error) => messages.push(String(error)));
        await page.goto(`http://127.0.0.1:${server.address().port}/`);
        await page.waitForFunction("window.Cesium !== undefined", null, { timeout: 120000 });
        const place = longitude === undefined ? [] : [longitude, latitude, range].filter((value) => value !== undefined).map(Number);
        const result = await page.evaluate(look, place);
        await page.screenshot({ path: picture });
        if (result.properties) result.hidden = await page.evaluate(hide);
        console.log(JSON.stringify({ ...result, messages }));
        process.exitCode = result.properties && result.properties.id && result.hidden && !result.failed.length ? 0 : 1;
    } finally {
        await browser.close();
        server.close();
    }
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
});
