// The drive page: pictures of a street survey, played along the route.

import "../drive.css";
import { type Frame, Survey } from "./data";
import { bearing, type Point } from "./geometry";
import { RouteMap } from "./map";
import { Pictures, type Size } from "./pictures";
import { Player, nearest } from "./player";
import * as text from "./text";
import { View } from "./view";

function element<T extends Element = HTMLElement>(id: string): T {
    const found = document.getElementById(id);
    if (!found) throw new Error(`no element ${id}`);
    return found as unknown as T;
}

/** Speeds that are offered, km/h. */
const SPEEDS = [10, 20, 30, 50, 100];
/** Frames that are fetched before they are played. */
const AHEAD = 8;
/** A picture that takes longer is announced (milliseconds). */
const LATE = 250;
/** Rest before the sharpest picture is fetched (milliseconds). */
const REST = 500;
/** The next sequence goes on with the drive when it begins this near (metres). */
const NEXT_BEGINS = 200;

class Page {
    private readonly pictures = new Pictures();
    private readonly view = new View(element("panorama"), element("flach"), () => this.turned());
    private readonly player = new Player((index) => this.go(index, true), (index) => this.canShow(index), () => this.ended());
    private readonly map: RouteMap;
    private sequence = "";
    private frames: Frame[] = [];
    private index = -1;
    /** Counts what is shown, so that what comes late is not shown over what came after. */
    private turn = 0;
    private resting = 0;
    private hash = "";

    constructor(private readonly survey: Survey) {
        const { drive } = survey;
        document.title = drive.title;
        element("titel").textContent = drive.title;
        element("hinweis").hidden = drive.blurred;
        element("quelle").textContent = drive.attribution ? `Quelle: ${drive.attribution}` : "";
        element("system").textContent = text.system(drive.crs);
        this.licence();
        this.map = new RouteMap(
            element("karte"),
            element("massstab"),
            drive.sequences,
            (sequence, at) => void this.pick(sequence, at),
            (on) => element("folgen").setAttribute("aria-pressed", String(on)),
        );
        this.fillChoices();
        this.listen();
        void survey.streets().then((streets) => {
            this.map.setStreets(streets);
            element("luecken").hidden = streets.every((street) => street.covered);
            this.tellStreet();
        });
    }

    async open(): Promise<void> {
        const wanted = new URLSearchParams(location.hash.slice(1));
        const picture = wanted.get("picture");
        const found = picture ? await this.survey.find(picture, wanted.get("sequence")) : null;
        const [sequence, index] = found ?? [this.survey.drive.sequences[0]?.id, 0];
        if (!sequence) return this.fail("In dieser Befahrung ist keine Fahrt.");
        if (picture && !found) this.say("Das verlinkte Bild gibt es nicht mehr; gezeigt wird der Anfang der Befahrung.");
        await this.drive(sequence, index);
        this.map.fit(false);
        if (found) this.map.scale = 0.6;
        this.map.following = true;
    }

    // --- moving

    /** Another sequence; the view looks where the drive goes. */
    private async drive(sequence: string, index: number): Promise<void> {
        const turn = ++this.turn;
        const frames = await this.survey.frames(sequence);
        if (turn !== this.turn) return;
        this.sequence = sequence;
        this.frames = frames;
        this.index = -1;
        this.map.setRoute(sequence, frames);
        const slider = element<HTMLInputElement>("strecke");
        slider.max = String(Math.ceil(frames.at(-1)?.chainage_m ?? 0));
        element<HTMLSelectElement>("fahrt").value = sequence;
        element("laenge").textContent = text.station(frames.at(-1)?.chainage_m ?? 0);
        this.player.place(frames, index);
        this.go(index, false, this.ahead(index));
    }

    /** The direction of the drive at a frame, from the middle of its picture: degrees. */
    private ahead(index: number): number {
        const frame = this.frames[index];
        const [from, to] = [this.frames[Math.max(0, index - 1)], this.frames[Math.min(this.frames.length - 1, index + 1)]];
        if (!frame || !from || !to || from === to) return 0;
        return bearing(from, to) - frame.azimuth;
    }

    private step(by: number): void {
        this.pause();
        this.go(Math.min(this.frames.length - 1, Math.max(0, this.index + by)), false);
    }

    private goMetres(metres: number): void {
        this.pause();
        this.go(nearest(this.frames, metres), false);
    }

    private async pick(sequence: string, at: Point): Promise<void> {
        this.pause();
        if (sequence !== this.sequence) await this.drive(sequence, 0).catch(() => this.fail("Die Fahrt kann nicht geladen werden."));
        if (sequence === this.sequence) this.go(this.map.nearestFrame(at), false);
    }

    private go(index: number, playing: boolean, yaw?: number): void {
        const frame = this.frames[index];
        if (!frame || (index === this.index && yaw === undefined)) return;
        this.index = index;
        if (!playing) this.player.place(this.frames, index);
        this.tell(frame, playing);
        this.map.setPlace(frame);
        this.prefetch(playing);
        void this.show(frame, playing, yaw);
        clearTimeout(this.resting);
        this.resting = window.setTimeout(() => this.rest(), REST);
    }

    // --- pictures

    /** Shows the best picture that is there, then better ones as they come. */
    private async show(frame: Frame, playing: boolean, yaw?: number): Promise<void> {
        const turn = ++this.turn;
        const put = async (image: HTMLImageElement): Promise<void> => {
            if (turn !== this.turn) return;
            await this.view.show(frame, image, yaw);
            this.preview(null);
            element("fehler").hidden = true;
        };
        const there = this.pictures.atHand(frame);
        if (there) return put(there[1]);
        const late = window.setTimeout(() => {
            const ahead = (image: HTMLImageElement | null): void => void (turn === this.turn && !this.pictures.atHand(frame) && this.preview(frame, image));
            ahead(null);
            if (!playing) this.pictures.load(frame, "thumb").then(ahead, () => undefined);
        }, LATE);
        try {
            await put(await this.pictures.load(frame, "sd"));
        } catch {
            if (turn !== this.turn) return;
            this.preview(null);
            this.fail("Dieses Bild kann nicht geladen werden.");
        } finally {
            clearTimeout(late);
        }
    }

    /** What is ahead in a small picture, until the panorama is there. */
    private preview(frame: Frame | null, image: HTMLImageElement | null = null): void {
        element("laden").hidden = !frame;
        const picture = element<HTMLImageElement>("vorschau");
        picture.hidden = !image;
        if (image) picture.src = image.src;
    }

    private canShow(index: number): boolean {
        const frame = this.frames[index];
        if (!frame || index === this.index || this.pictures.atHand(frame)) return true;
        this.pictures.load(frame, "sd").catch(() => undefined);
        return false;
    }

    private prefetch(playing: boolean): void {
        const towards = this.player.backwards ? -1 : 1;
        const fetch = (size: Size, count: number): void => {
            for (let step = 1; step <= count; step++) {
                const frame = this.frames[this.index + step * towards];
                if (frame) this.pictures.load(frame, size).catch(() => undefined);
            }
        };
        fetch("sd", playing ? AHEAD : 2);
    }

    /** After a rest: the sharpest picture, the address of the place, and words for those who listen. */
    private rest(): void {
        const frame = this.frames[this.index];
        if (!frame || this.player.playing) return;
        this.remember(frame);
        this.say(`Bild ${this.index + 1} von ${this.frames.length}, Station ${text.station(frame.chainage_m)}, ${text.moment(frame.datetime)}`);
        this.sharpen(frame);
    }

    private sharpen(frame: Frame): void {
        const width = element("bild").clientWidth * devicePixelRatio;
        const sparing = (navigator as { connection?: { saveData?: boolean } }).connection?.saveData === true;
        if (sparing || (width < 1000 && !this.view.zoomed)) return;
        const { turn } = this;
        const sharpest = this.pictures.load(frame, "sd").then(() => (turn === this.turn ? this.pictures.load(frame, "hd") : null));
        sharpest.then(
            (image) => void (image && turn === this.turn && this.view.show(frame, image)),
            () => undefined,
        );
    }

    // --- playing

    private play(): void {
        // From the end it begins again.
        const last = this.player.backwards ? 0 : this.frames.length - 1;
        if (this.index === last) this.go(this.frames.length - 1 - last, false);
        this.player.start();
        this.tellPlaying();
    }

    private pause(): void {
        if (!this.player.playing) return;
        this.player.stop();
        this.tellPlaying();
        clearTimeout(this.resting);
        this.resting = window.setTimeout(() => this.rest(), REST);
        const frame = this.frames[this.index];
        if (frame) void this.show(frame, false);
    }

    private ended(): void {
        const all = this.survey.drive.sequences;
        const at = all.findIndex((entry) => entry.id === this.sequence);
        const next = this.player.backwards ? undefined : all[at + 1];
        const end = this.frames.at(-1);
        if (!next || !end) return this.pause();
        this.player.stop();
        void this.survey.frames(next.id).then(
            async (frames) => {
                const first = frames[0];
                const far = first ? Math.hypot(first.easting - end.easting, first.northing - end.northing) : Infinity;
                if (far > NEXT_BEGINS) return this.tellPlaying();
                await this.drive(next.id, 0);
                this.player.start();
            },
            () => this.tellPlaying(),
        );
    }

    // --- words

    private tell(frame: Frame, playing: boolean): void {
        element("datum").textContent = text.moment(frame.datetime);
        element("station").textContent = text.station(frame.chainage_m);
        element("tempo").textContent = text.speed(frame.speed_kmh);
        element("ort").textContent = text.place(frame.easting, frame.northing);
        element("stelle").textContent = text.station(frame.chainage_m);
        element("bildnummer").textContent = `Bild ${this.index + 1} von ${this.frames.length}`;
        const slider = element<HTMLInputElement>("strecke");
        slider.value = String(Math.round(frame.chainage_m));
        slider.setAttribute("aria-valuetext", `Station ${text.station(frame.chainage_m)}, Bild ${this.index + 1} von ${this.frames.length}`);
        slider.style.setProperty("--done", `${(100 * frame.chainage_m) / Math.max(1, Number(slider.max))}%`);
        if (!playing || this.index % 4 === 0) this.tellStreet();
    }

    private tellStreet(): void {
        const frame = this.frames[this.index];
        const street = frame ? this.map.street(frame) : null;
        element("strassenzeile").hidden = !street;
        element("strasse").textContent = street ?? "";
    }

    private turned(): void {
        const { azimuth, width } = this.view.heading;
        element("blick").textContent = text.direction(azimuth);
        element("kompass").style.setProperty("--north", `${-azimuth}deg`);
        this.map.setView({ azimuth, width });
    }

    private tellPlaying(): void {
        const button = element("abspielen");
        const { playing } = this.player;
        button.setAttribute("aria-label", playing ? "Anhalten" : "Abspielen");
        button.classList.toggle("on", playing);
        document.body.classList.toggle("playing", playing);
    }

    private say(words: string): void {
        element("ansage").textContent = words;
    }

    private fail(words: string): void {
        const box = element("fehler");
        box.textContent = words;
        box.hidden = false;
    }

    private licence(): void {
        const code = this.survey.drive.licence;
        if (!code) return;
        const [name, address] = text.licence(code);
        const box = element("lizenz");
        if (!address) {
            box.textContent = `Lizenz: ${name}`;
            return;
        }
        const link = document.createElement("a");
        link.href = address;
        link.textContent = name;
        box.append("Lizenz: ", link);
    }

    /** The address of the picture, in the address bar. */
    private remember(frame: Frame): void {
        this.hash = `#picture=${frame.id}&sequence=${this.sequence}`;
        history.replaceState(null, "", this.hash);
    }

    // --- hands

    private fillChoices(): void {
        const drives = element<HTMLSelectElement>("fahrt");
        this.survey.drive.sequences.forEach((entry, index) => {
            const start = entry.datetime[0];
            const when = start ? `${text.day(start)} ${text.clock(start)}, ` : "";
            drives.add(new Option(`${index + 1}: ${when}${text.length(entry.length_m)}`, entry.id));
        });
        const speeds = element<HTMLSelectElement>("geschwindigkeit");
        SPEEDS.forEach((kmh) => speeds.add(new Option(`${kmh} km/h`, String(kmh), kmh === 30, kmh === 30)));
    }

    private listen(): void {
        const click = (id: string, action: () => void): void => element(id).addEventListener("click", action);
        const toggle = (): void => (this.player.playing ? this.pause() : this.play());
        click("abspielen", toggle);
        click("zurueck", () => this.step(-1));
        click("vor", () => this.step(1));
        click("naeher", () => this.map.zoom(1.5));
        click("weiter", () => this.map.zoom(1 / 1.5));
        click("folgen", () => (this.map.following = !this.map.following));
        click("alles", () => this.map.fit(true));
        click("verweis", () => void this.copy());
        const help = element<HTMLDialogElement>("bedienung");
        click("hilfe", () => help.showModal());
        click("schliessen", () => help.close());
        click("rueckwaerts", () => {
            this.player.backwards = !this.player.backwards;
            element("rueckwaerts").setAttribute("aria-pressed", String(this.player.backwards));
        });
        element("fahrt").addEventListener("change", (event) => {
            this.pause();
            const { value } = event.target as HTMLSelectElement;
            this.drive(value, 0).catch(() => this.fail("Die Fahrt kann nicht geladen werden."));
        });
        element("geschwindigkeit").addEventListener("change", (event) => {
            this.player.speed = Number((event.target as HTMLSelectElement).value) / 3.6;
        });
        element("strecke").addEventListener("input", (event) => this.goMetres(Number((event.target as HTMLInputElement).value)));
        this.peek(element<HTMLInputElement>("strecke"));
        // The page stops when nobody sees it.
        document.addEventListener("visibilitychange", () => document.hidden && this.pause());
        addEventListener("hashchange", () => location.hash !== this.hash && void this.open());
        document.addEventListener("keydown", (event) => this.key(event, toggle));
    }

    /** Under the pointer on the route: what is to be seen there. */
    private peek(slider: HTMLInputElement): void {
        const bubble = element("blase");
        const picture = element<HTMLImageElement>("blasenbild");
        let wanted = -1;
        slider.addEventListener("pointermove", (event) => {
            if (event.pointerType === "touch" && event.buttons === 0) return;
            const { left, width } = slider.getBoundingClientRect();
            const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
            const index = nearest(this.frames, share * Number(slider.max));
            const frame = this.frames[index];
            if (!frame) return;
            bubble.hidden = false;
            bubble.style.left = `${Math.min(width - 84, Math.max(84, share * width))}px`;
            element("blasenstelle").textContent = text.station(frame.chainage_m);
            if (index === wanted) return;
            wanted = index;
            this.pictures.load(frame, "thumb").then((image) => void (wanted === index && (picture.src = image.src)), () => undefined);
        });
        for (const name of ["pointerleave", "pointerup", "pointercancel"]) slider.addEventListener(name, () => (bubble.hidden = true));
    }

    private key(event: KeyboardEvent, toggle: () => void): void {
        const target = event.target as HTMLElement;
        const busy = target.closest("select, dialog, input") !== null || event.ctrlKey || event.metaKey || event.altKey;
        if (busy || (event.key === " " && target.closest("button, a"))) return;
        const here = this.frames[this.index]?.chainage_m ?? 0;
        const actions: Record<string, () => void> = {
            " ": toggle,
            ArrowUp: () => this.step(1),
            ArrowDown: () => this.step(-1),
            ArrowLeft: () => this.view.turn(-10),
            ArrowRight: () => this.view.turn(10),
            PageUp: () => this.goMetres(here + 50),
            PageDown: () => this.goMetres(here - 50),
            Home: () => this.goMetres(0),
            End: () => this.goMetres(Infinity),
            "+": () => this.view.zoom(10),
            "-": () => this.view.zoom(-10),
            f: () => this.view.look(this.ahead(this.index)),
            F: () => this.view.look(this.ahead(this.index)),
            "?": () => element<HTMLDialogElement>("bedienung").showModal(),
        };
        const action = actions[event.key];
        if (!action) return;
        action();
        event.preventDefault();
    }

    private async copy(): Promise<void> {
        const frame = this.frames[this.index];
        if (!frame) return;
        this.remember(frame);
        const copied = await navigator.clipboard?.writeText(location.href).then(() => true, () => false);
        this.say(copied ? "Verweis kopiert" : "Der Verweis steht in der Adresszeile");
        const button = element("verweis");
        button.classList.add("done");
        setTimeout(() => button.classList.remove("done"), 1500);
    }
}

Survey.open()
    .then((survey) => new Page(survey).open())
    .catch((error: unknown) => {
        console.error(error);
        const box = element("fehler");
        box.textContent =
            location.protocol === "file:"
                ? "Diese Seite muss von einem Webserver kommen, auch von einem auf diesem Rechner."
                : "Die Befahrung kann nicht geladen werden.";
        box.hidden = false;
    });
