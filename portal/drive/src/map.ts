// The map: the routes, the streets that were missed, and where the picture was taken, drawn on a canvas. It needs no tiles from elsewhere.

import { type Point, Plane, distance } from "./geometry";
import { type Frame, type SequenceEntry, type Street, lines } from "./data";

interface Route {
    id: string;
    lines: Point[][];
}

const ZOOM_STEP = 1.5;
/** Metres to a pixel: closest and farthest. */
const SCALES: [number, number] = [0.05, 500];

export class RouteMap {
    private readonly plane: Plane;
    private readonly routes: Route[];
    private streets: { street: Street; lines: Point[][] }[] = [];
    private current = "";
    private frames: Frame[] = [];
    private places: Point[] = [];
    private here: Point | null = null;
    private cone = { azimuth: 0, width: 90 };
    private middle: Point = [0, 0];
    private metresPerPixel = 1;
    private drawing = 0;
    private followed = true;
    private readonly pointers = new Map<number, Point>();
    private moved = 0;

    /**
     * `picked` is called with a sequence and a place on the map, `follow` when the map follows the place no more, or again.
     */
    constructor(
        private readonly canvas: HTMLCanvasElement,
        private readonly scaleBar: HTMLElement,
        sequences: SequenceEntry[],
        private readonly picked: (sequence: string, at: Point) => void,
        private readonly follow: (on: boolean) => void,
    ) {
        this.plane = new Plane(sequences[0]?.bbox[1] ?? 50);
        this.routes = sequences.map((entry) => ({ id: entry.id, lines: lines(entry.geometry).map((line) => this.plane.line(line)) }));
        new ResizeObserver(() => this.draw()).observe(canvas);
        canvas.addEventListener("pointerdown", (event) => this.down(event));
        canvas.addEventListener("pointermove", (event) => this.move(event));
        canvas.addEventListener("pointerup", (event) => this.up(event));
        canvas.addEventListener("pointercancel", (event) => this.pointers.delete(event.pointerId));
        canvas.addEventListener("wheel", (event) => {
            event.preventDefault();
            this.zoom(Math.exp(-event.deltaY / 400), this.position(event));
        }, { passive: false });
        canvas.addEventListener("keydown", (event) => this.key(event));
        matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    }

    setStreets(streets: Street[]): void {
        this.streets = streets.map((street) => ({ street, lines: street.lines.map((line) => this.plane.line(line)) }));
        this.draw();
    }

    setRoute(id: string, frames: Frame[]): void {
        this.current = id;
        this.frames = frames;
        this.places = frames.map((frame) => this.plane.point(frame.lon, frame.lat));
        this.draw();
    }

    setPlace(frame: Frame): void {
        this.here = this.plane.point(frame.lon, frame.lat);
        if (this.followed) this.middle = this.here;
        this.draw();
    }

    setView(cone: { azimuth: number; width: number }): void {
        this.cone = cone;
        this.draw();
    }

    get following(): boolean {
        return this.followed;
    }

    set following(on: boolean) {
        this.followed = on;
        if (on && this.here) this.middle = this.here;
        this.follow(on);
        this.draw();
    }

    /** Shows all routes, or the current one. */
    fit(all: boolean): void {
        const points = this.routes.filter((route) => all || route.id === this.current).flatMap((route) => route.lines.flat());
        if (points.length === 0) return;
        const low: Point = [Infinity, Infinity];
        const high: Point = [-Infinity, -Infinity];
        for (const point of points) {
            for (const axis of [0, 1] as const) {
                low[axis] = Math.min(low[axis], point[axis]);
                high[axis] = Math.max(high[axis], point[axis]);
            }
        }
        const { clientWidth: width, clientHeight: height } = this.canvas;
        const room = 48;
        const scale = Math.max((high[0] - low[0]) / Math.max(40, width - room), (high[1] - low[1]) / Math.max(40, height - room));
        this.metresPerPixel = Math.min(SCALES[1], Math.max(0.15, scale));
        this.following = false;
        this.middle = [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2];
        this.draw();
    }

    /** Metres to a pixel. */
    set scale(metres: number) {
        this.metresPerPixel = metres;
        this.draw();
    }

    zoom(factor: number, about?: Point): void {
        const { clientWidth: width, clientHeight: height } = this.canvas;
        const at = about && !this.followed ? about : ([width / 2, height / 2] as Point);
        const fixed = this.place(at);
        this.metresPerPixel = Math.min(SCALES[1], Math.max(SCALES[0], this.metresPerPixel / factor));
        const now = this.place(at);
        this.middle = [this.middle[0] + fixed[0] - now[0], this.middle[1] + fixed[1] - now[1]];
        this.draw();
    }

    /** The nearest frame of the current route. */
    nearestFrame(at: Point): number {
        let best = 0;
        this.places.forEach((place, index) => {
            if (Math.hypot(place[0] - at[0], place[1] - at[1]) < Math.hypot(this.places[best]![0] - at[0], this.places[best]![1] - at[1])) best = index;
        });
        return best;
    }

    /** The street that a frame is in, where it is known. */
    street(frame: Frame): string | null {
        const at = this.plane.point(frame.lon, frame.lat);
        let [name, best]: [string | null, number] = [null, 20];
        for (const { street, lines } of this.streets) {
            if (!street.name) continue;
            for (const line of lines) {
                const far = distance(at, line);
                if (far < best) [name, best] = [street.name, far];
            }
        }
        return name;
    }

    // --- pointers and keys

    private position(event: PointerEvent | WheelEvent): Point {
        const box = this.canvas.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
    }

    private down(event: PointerEvent): void {
        this.canvas.setPointerCapture(event.pointerId);
        if (this.pointers.size === 0) this.moved = 0;
        this.pointers.set(event.pointerId, this.position(event));
    }

    private move(event: PointerEvent): void {
        const before = this.pointers.get(event.pointerId);
        if (!before) return;
        const now = this.position(event);
        const others = [...this.pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
        this.pointers.set(event.pointerId, now);
        this.moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
        if (this.moved < 6) return;
        const other = others[0];
        if (other) {
            const [from, to] = [before, now].map((point) => Math.hypot(point[0] - other[0], point[1] - other[1])) as [number, number];
            if (from > 0) this.zoom(to / from, [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
            return;
        }
        this.pan(before[0] - now[0], before[1] - now[1]);
    }

    private up(event: PointerEvent): void {
        const at = this.pointers.get(event.pointerId);
        this.pointers.delete(event.pointerId);
        if (!at || this.moved >= 6 || this.pointers.size > 0) return;
        const place = this.place(at);
        let [id, best] = [this.current, Infinity];
        for (const route of this.routes) {
            for (const line of route.lines) {
                // Of two drives through the same street the one that is on is meant.
                const far = distance(place, line) - (route.id === this.current ? 8 * this.metresPerPixel : 0);
                if (far < best) [id, best] = [route.id, far];
            }
        }
        if (best < 40 * this.metresPerPixel) this.picked(id, place);
    }

    private pan(x: number, y: number): void {
        if (this.followed) this.following = false;
        this.middle = [this.middle[0] + x * this.metresPerPixel, this.middle[1] - y * this.metresPerPixel];
        this.draw();
    }

    private key(event: KeyboardEvent): void {
        const steps: Record<string, () => void> = {
            ArrowLeft: () => this.pan(-40, 0),
            ArrowRight: () => this.pan(40, 0),
            ArrowUp: () => this.pan(0, -40),
            ArrowDown: () => this.pan(0, 40),
            "+": () => this.zoom(ZOOM_STEP),
            "-": () => this.zoom(1 / ZOOM_STEP),
        };
        const step = steps[event.key];
        if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
        step();
        event.preventDefault();
        event.stopPropagation();
    }

    // --- drawing

    private place(pixel: Point): Point {
        const { clientWidth: width, clientHeight: height } = this.canvas;
        return [this.middle[0] + (pixel[0] - width / 2) * this.metresPerPixel, this.middle[1] - (pixel[1] - height / 2) * this.metresPerPixel];
    }

    private pixel(place: Point): Point {
        const { clientWidth: width, clientHeight: height } = this.canvas;
        return [width / 2 + (place[0] - this.middle[0]) / this.metresPerPixel, height / 2 - (place[1] - this.middle[1]) / this.metresPerPixel];
    }

    private draw(): void {
        this.drawing ||= requestAnimationFrame(() => {
            this.drawing = 0;
            this.paint();
        });
    }

    private paint(): void {
        const { clientWidth: width, clientHeight: height } = this.canvas;
        const pen = this.canvas.getContext("2d");
        if (!pen || width === 0) return;
        const ratio = devicePixelRatio || 1;
        if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
            this.canvas.width = Math.round(width * ratio);
            this.canvas.height = Math.round(height * ratio);
        }
        const style = getComputedStyle(this.canvas);
        const colour = (name: string): string => style.getPropertyValue(name).trim();
        pen.setTransform(ratio, 0, 0, ratio, 0, 0);
        pen.clearRect(0, 0, width, height);
        pen.lineCap = pen.lineJoin = "round";
        const stroke = (line: Point[], colour: string, thick: number, dash: number[] = []): void => {
            pen.beginPath();
            line.forEach((point, index) => pen[index === 0 ? "moveTo" : "lineTo"](...this.pixel(point)));
            pen.strokeStyle = colour;
            pen.lineWidth = thick;
            pen.setLineDash(dash);
            pen.stroke();
        };
        const wide = Math.min(14, Math.max(3, 6 / this.metresPerPixel));
        for (const { street, lines } of this.streets) lines.forEach((line) => stroke(line, colour("--street"), street.covered ? wide : wide * 0.7));
        for (const { street, lines } of this.streets) if (!street.covered) lines.forEach((line) => stroke(line, colour("--missing"), 2.5, [2, 6]));
        for (const route of this.routes) if (route.id !== this.current) route.lines.forEach((line) => stroke(line, colour("--other"), 2.5));
        for (const route of this.routes) if (route.id === this.current) route.lines.forEach((line) => stroke(line, colour("--route"), 4));
        this.names(pen, colour);
        if (this.places.length > 1 && (this.frames.at(-1)!.chainage_m / this.places.length / this.metresPerPixel) > 9) {
            pen.fillStyle = colour("--paper");
            for (const place of this.places) {
                pen.beginPath();
                pen.arc(...this.pixel(place), 1.7, 0, 7);
                pen.fill();
            }
        }
        if (this.here) this.paintHere(pen, this.pixel(this.here), colour);
        this.paintScale();
    }

    /** Names of streets, each once, along its longest piece in view. */
    private names(pen: CanvasRenderingContext2D, colour: (name: string) => string): void {
        if (this.metresPerPixel > 2.5) return;
        pen.font = "600 12px system-ui, sans-serif";
        pen.textAlign = "center";
        pen.textBaseline = "middle";
        const written = new Set<string>();
        for (const { street, lines } of this.streets) {
            if (!street.name || written.has(street.name)) continue;
            for (const line of lines) {
                const middle = line.length >> 1;
                const [a, b] = [this.pixel(line[middle - 1] ?? line[0]!), this.pixel(line[middle]!)];
                const [x, y] = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
                if (Math.hypot(b[0] - a[0], b[1] - a[1]) < pen.measureText(street.name).width + 12) continue;
                let angle = Math.atan2(b[1] - a[1], b[0] - a[0]);
                if (Math.abs(angle) > Math.PI / 2) angle += Math.PI;
                pen.save();
                pen.translate(x, y);
                pen.rotate(angle);
                pen.setLineDash([]);
                pen.lineWidth = 3.5;
                pen.strokeStyle = colour("--paper");
                pen.strokeText(street.name, 0, -13);
                pen.fillStyle = colour("--ink");
                pen.fillText(street.name, 0, -13);
                pen.restore();
                written.add(street.name);
                break;
            }
        }
    }

    private paintHere(pen: CanvasRenderingContext2D, [x, y]: Point, colour: (name: string) => string): void {
        const reach = 46;
        const towards = ((this.cone.azimuth - 90) * Math.PI) / 180;
        const half = (Math.min(140, this.cone.width) * Math.PI) / 360;
        const fill = pen.createRadialGradient(x, y, 6, x, y, reach);
        fill.addColorStop(0, colour("--cone"));
        fill.addColorStop(1, colour("--cone-end"));
        pen.setLineDash([]);
        pen.beginPath();
        pen.moveTo(x, y);
        pen.arc(x, y, reach, towards - half, towards + half);
        pen.closePath();
        pen.fillStyle = fill;
        pen.fill();
        pen.beginPath();
        pen.arc(x, y, 7, 0, 7);
        pen.fillStyle = colour("--here");
        pen.fill();
        pen.lineWidth = 2.5;
        pen.strokeStyle = "#fff";
        pen.stroke();
    }

    private paintScale(): void {
        const most = 90 * this.metresPerPixel;
        const power = 10 ** Math.floor(Math.log10(most));
        const metres = [5, 2, 1].map((n) => n * power).find((length) => length <= most) ?? power;
        this.scaleBar.style.width = `${metres / this.metresPerPixel}px`;
        this.scaleBar.textContent = metres >= 1000 ? `${metres / 1000} km` : `${metres} m`;
    }
}
