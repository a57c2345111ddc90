// Plays the drive page of a street survey in headless Chromium, and goes through what can be done on it.
//
// usage: node drive_page.js FOLDER PICTURES [FRAMES]
//
// FOLDER has drive.html and drive.json; screenshots go to PICTURES. Prints one line of JSON: the frames that were shown while playing (FRAMES of
// them, else 20), what each action led to, messages of the page, addresses elsewhere that it asked for, and what axe-core finds.

"use strict";

const fs = require("fs");
const path = require("path");
const { serve, launch, open } = require("./browser");

const DESKTOP = { viewport: { width: 1440, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

const number = (page) => page.textContent("#bildnummer").then((text) => Number(/Bild (\d+)/.exec(text)?.[1]));

/** Waits until a picture is on the panorama. */
async function shown(page) {
    await page.waitForFunction(() => /Bild \d+/.test(document.getElementById("bildnummer").textContent), null, { timeout: 60000 });
    await page.waitForSelector("#panorama canvas", { timeout: 60000 });
    await page.waitForTimeout(1200);
}

/** Plays until so many frames were seen; pictures are taken on the way. */
async function play(page, frames, name) {
    await page.evaluate(() => {
        window.seen = [];
        const note = () => window.seen.push(document.getElementById("bildnummer").textContent);
        new MutationObserver(note).observe(document.getElementById("bildnummer"), { childList: true, characterData: true, subtree: true });
    });
    await page.click("#abspielen");
    const pictures = [];
    const until = Date.now() + 240000;
    while ((await page.evaluate(() => new Set(window.seen).size)) < frames && Date.now() < until) {
        if (pictures.length < 6) {
            pictures.push(name(pictures.length));
            await page.locator("#panorama").screenshot({ path: pictures.at(-1) });
        }
        await page.waitForTimeout(150);
    }
    await page.click("#abspielen");
    const seen = await page.evaluate(() => window.seen.map((text) => Number(/Bild (\d+)/.exec(text)[1])));
    return { seen: [...new Set(seen)], pictures };
}

async function desktop(browser, url, folder, frames, notes) {
    const out = {};
    const page = await open(browser, DESKTOP, notes);
    await page.goto(url);
    await shown(page);
    await page.screenshot({ path: path.join(folder, "desktop.png") });
    out.axe = await axe(page);
    out.played = await play(page, frames, (count) => path.join(folder, `play-${count}.png`));
    await page.waitForTimeout(900);
    const steps = {};
    const after = async (name, action, wait = 150) => {
        await action();
        await page.waitForTimeout(wait);
        steps[name] = await number(page);
    };
    const key = (name) => () => page.keyboard.press(name);
    await page.evaluate(() => document.activeElement.blur());
    await after("home", key("Home"));
    await after("up", key("ArrowUp"));
    await after("down", key("ArrowDown"));
    await after("next", () => page.click("#vor"));
    await after("end", key("End"));
    await after("slider", () => page.locator("#strecke").evaluate((slider) => {
        slider.value = "0";
        slider.dispatchEvent(new Event("input", { bubbles: true }));
    }));
    const before = await page.textContent("#blick");
    await key("ArrowRight")();
    await page.waitForTimeout(300);
    out.turned = [before, await page.textContent("#blick")];
    // The map: the whole survey, then a place on the route.
    await page.click("#alles");
    await page.waitForTimeout(300);
    await page.screenshot({ path: path.join(folder, "map.png") });
    const drives = await page.locator("#fahrt option").evaluateAll((options) => options.map((option) => option.value));
    if (drives.length > 1) {
        await page.selectOption("#fahrt", drives[1]);
        await page.waitForTimeout(900);
        out.second = [await page.inputValue("#fahrt"), await number(page)];
    }
    await after("fifth", async () => {
        await page.evaluate(() => document.activeElement.blur());
        for (let step = 0; step < 4; step++) await key("ArrowUp")();
    }, 1500);
    out.address = page.url();
    out.date = await page.textContent("#datum");
    // The address alone leads back to the picture, by another page.
    const other = await open(browser, { ...DESKTOP, colorScheme: "dark", reducedMotion: "reduce" }, notes);
    await other.goto(page.url().replace(/&sequence=.*/, ""));
    await shown(other);
    out.linked = [await other.inputValue("#fahrt"), await number(other)];
    await other.screenshot({ path: path.join(folder, "dark.png") });
    out.axe.push(...(await axe(other)));
    out.steps = steps;
    return out;
}

async function phone(browser, url, folder, notes) {
    const page = await open(browser, PHONE, notes);
    await page.goto(url);
    await shown(page);
    await page.screenshot({ path: path.join(folder, "phone.png") });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
    const before = await number(page);
    await page.tap("#vor");
    await page.waitForTimeout(200);
    return { axe: await axe(page), wide, tapped: [before, await number(page)] };
}

async function axe(page) {
    // Run from outside of the page's policy for scripts.
    await page.evaluate(fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"));
    const { violations } = await page.evaluate(() => window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }));
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.target).join(", ")}`);
}

async function main([folder, pictures, frames = "20"]) {
    const server = await serve({ survey: path.resolve(folder) });
    const browser = await launch();
    const notes = { errors: [], foreign: [] };
    try {
        const url = `${server.url}/survey/drive.html`;
        const out = await desktop(browser, url, pictures, Number(frames), notes);
        out.phone = await phone(browser, url, pictures, notes);
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
