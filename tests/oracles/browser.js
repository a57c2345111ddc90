// What the scripts that look at pages in headless Chromium share: a web server for folders, and the browser.
//
// Needs playwright-core, and Chromium (CHROMIUM=/path; else /usr/bin/chromium).

"use strict";

const fs = require("fs");
const http = require("http");
const path = require("path");
const { chromium } = require("playwright-core");

const TYPES = {
    ".css": "text/css", ".geojson": "application/geo+json", ".html": "text/html; charset=utf-8", ".jpg": "image/jpeg", ".js": "text/javascript",
    ".json": "application/json", ".txt": "text/plain; charset=utf-8", ".woff2": "font/woff2",
};

/** Serves folders by the first part of the path, and pages as they are; gives the address. */
function serve(folders, pages = {}) {
    const server = http.createServer((request, response) => {
        const name = decodeURIComponent(request.url.split("?")[0]);
        if (pages[name]) return response.writeHead(200, { "content-type": TYPES[".html"] }).end(pages[name]);
        const [, area, ...rest] = name.split("/");
        const folder = folders[area];
        if (!folder) return response.writeHead(404).end();
        const file = path.join(folder, path.normalize(rest.join("/")).replace(/^(\.\.[/\\])+/, ""));
        fs.readFile(file, (error, bytes) => {
            if (error) return response.writeHead(404).end();
            response.writeHead(200, { "content-type": TYPES[path.extname(file)] || "application/octet-stream" }).end(bytes);
        });
    });
    return new Promise((resolve) =>
        server.listen(0, "127.0.0.1", () => resolve({ url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() })),
    );
}

function launch() {
    return chromium.launch({
        executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
        args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"],
    });
}

/** A page that notes errors, and lets nothing out to other machines. */
async function open(browser, options, notes) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    // A machine that is busy draws slowly without a graphics card.
    page.setDefaultTimeout(240000);
    page.on("console", (message) => message.type() === "error" && notes.errors.push(message.text()));
    page.on("pageerror", (error) => notes.errors.push(String(error)));
    await page.route((url) => !["127.0.0.1", "localhost"].includes(url.hostname) && url.protocol.startsWith("http"), (route) => {
        notes.foreign.push(route.request().url());
        return route.abort();
    });
    return page;
}

module.exports = { serve, launch, open };
