// Opens a STAC API in the Panoramax viewer in headless Chromium: its picture, the pictures after it, and its map.
//
// usage: node panoramax.js STAC-ADDRESS SEQUENCE PICTURE FOLDER [STEPS] [SIZES]
//
// Screenshots go to FOLDER. Prints one line of JSON: the pictures that the viewer showed one after the other (STEPS more than the first, else 3),
// the sequences and the number of pictures on its map, the messages of the page, and addresses elsewhere that it asked for; for each of SIZES, else
// `desktop,phone`.

"use strict";

const path = require("path");
const { serve, launch, open } = require("./browser");

const SIZES = {
    desktop: { viewport: { width: 1440, height: 900 } },
    phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
};

async function look(browser, url, options, [sequence, picture], folder, name, steps, notes) {
    const page = await open(browser, options, notes);
    page.on("response", (response) => response.status() >= 400 && notes.refused.push(`${response.status()} ${response.url()}`));
    await page.goto(url);
    // It has a legend when it has selected what the page begins with, which is nothing: selected before, a picture would be given up again.
    await page.waitForFunction(() => document.querySelector("pnx-viewer")?.legend, null, { timeout: 120000 });
    const shown = await page.evaluate(async ([sequence, picture, steps]) => {
        const viewer = document.querySelector("pnx-viewer");
        await viewer.onceReady();
        const { psv } = viewer;
        const first = new Promise((resolve) => psv.addEventListener("picture-loaded", resolve, { once: true }));
        viewer.select(sequence, picture);
        await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 90000))]);
        // On a slow machine the viewer asks for patience after 15 s, and waits for a click.
        for (let waited = 0; viewer.loader.isVisible(); waited++) {
            await new Promise((resolve) => setTimeout(resolve, 100));
            if (waited > 200) viewer.loader.dismiss();
        }
        // What it is comes after the picture.
        for (let waited = 0; waited < 900 && !psv.getPictureMetadata(); waited++) await new Promise((resolve) => setTimeout(resolve, 100));
        const shown = [psv.getPictureMetadata().id];
        for (let step = 0; step < steps; step++) {
            const next = psv.getPictureMetadata().sequence.nextPic;
            psv.goToNextPicture();
            for (let waited = 0; waited < 900 && psv.getPictureMetadata()?.id !== next; waited++) await new Promise((resolve) => setTimeout(resolve, 100));
            shown.push(psv.getPictureMetadata().id);
        }
        return shown;
    }, [sequence, picture, steps]);
    await page.waitForTimeout(2500);
    await page.screenshot({ path: path.join(folder, `${name}-picture.png`) });
    const map = await page.evaluate(async () => {
        const viewer = document.querySelector("pnx-viewer");
        viewer.setAttribute("focus", "map");
        const { map } = viewer;
        const [longitude, latitude] = viewer.psv.getPictureMetadata().gps;
        map.jumpTo({ center: [longitude, latitude], zoom: 17 });
        await Promise.race([new Promise((resolve) => map.once("idle", resolve)), new Promise((resolve) => setTimeout(resolve, 60000))]);
        const of = (layer) => map.querySourceFeatures("geovisio", { sourceLayer: layer }).map((feature) => feature.properties.id);
        const rendered = map.queryRenderedFeatures().map((feature) => feature.sourceLayer);
        return { sequences: [...new Set(of("sequences"))].sort(), pictures: new Set(of("pictures")).size, rendered: [...new Set(rendered)].sort() };
    });
    await page.waitForTimeout(800);
    await page.screenshot({ path: path.join(folder, `${name}-map.png`) });
    return { shown, map };
}

async function main([stac, sequence, picture, folder, steps = "3", sizes = "desktop,phone"]) {
    const viewer = path.dirname(require.resolve("@panoramax/web-viewer/package.json"));
    // The viewer waits for a tile of its background, so there is one that needs nobody else.
    const world = { type: "Polygon", coordinates: [[[-180, -85], [180, -85], [180, 85], [-180, 85], [-180, -85]]] };
    const style = JSON.stringify({
        version: 8, sources: { ground: { type: "geojson", data: { type: "Feature", properties: {}, geometry: world } } },
        layers: [{ id: "ground", type: "fill", source: "ground", paint: { "fill-color": "#eef2f4" } }],
    });
    const page =
        '<!doctype html><html lang="de"><meta charset="utf-8"><title>Panoramax</title><link rel="stylesheet" href="/viewer/index.css">' +
        "<style>html,body{margin:0;height:100%}pnx-viewer{position:fixed;inset:0}</style><script defer src=\"/viewer/index.js\"></script>" +
        `<pnx-viewer endpoint="${stac}" map-style='${style}' url-parameters="false"></pnx-viewer>`;
    const server = await serve({ viewer: path.join(viewer, "build") }, { "/": page });
    const browser = await launch();
    const notes = { errors: [], foreign: [], refused: [] };
    try {
        const out = {};
        for (const size of sizes.split(",")) {
            out[size] = await look(browser, `${server.url}/`, SIZES[size], [sequence, picture], folder, size, Number(steps), notes);
        }
        console.log(JSON.stringify({ ...out, ...notes }));
    } finally {
        await browser.close();
        server.close();
    }
}

main(process.argv.slice(2)).catch((error) => {
    console.error(error);
    process.exit(1);
});
