// Plays along the route by distance: the position moves on at a speed, and the frame nearest to it is shown.

import type { Frame } from "./data";

export class Player {
    private frames: Frame[] = [];
    /** Position on the route (metres). */
    private at = 0;
    private last = 0;
    private request = 0;
    /** Metres a second. */
    speed = 30 / 3.6;
    backwards = false;

    /**
     * `show` is called with the frame to show; `ready` says whether it can be shown at once, else the position waits for it. `ended` is
     * called at the end of the route.
     */
    constructor(
        private readonly show: (index: number) => void,
        private readonly ready: (index: number) => boolean,
        private readonly ended: () => void,
    ) {}

    get playing(): boolean {
        return this.request !== 0;
    }

    /** Another route, or another place on it. */
    place(frames: Frame[], index: number): void {
        this.frames = frames;
        this.at = frames[index]?.chainage_m ?? 0;
    }

    start(): void {
        if (this.playing) return;
        this.last = performance.now();
        this.request = requestAnimationFrame((now) => this.step(now));
    }

    stop(): void {
        cancelAnimationFrame(this.request);
        this.request = 0;
    }

    private step(now: number): void {
        this.request = requestAnimationFrame((next) => this.step(next));
        // After a break, as of a tab in the background, the drive goes on from where it was.
        const seconds = Math.min(0.25, (now - this.last) / 1000);
        this.last = now;
        const to = this.at + seconds * this.speed * (this.backwards ? -1 : 1);
        const index = nearest(this.frames, to);
        if (!this.ready(index)) return;
        this.at = to;
        this.show(index);
        const end = this.backwards ? (this.frames[0]?.chainage_m ?? 0) : (this.frames.at(-1)?.chainage_m ?? 0);
        if (this.backwards ? to <= end : to >= end) this.ended();
    }
}

/** The frame nearest to a place on the route. */
export function nearest(frames: Frame[], metres: number): number {
    let [low, high] = [0, frames.length - 1];
    while (low < high) {
        const middle = (low + high) >> 1;
        if (frames[middle]!.chainage_m < metres) low = middle + 1;
        else high = middle;
    }
    const before = frames[low - 1];
    return before && metres - before.chainage_m < frames[low]!.chainage_m - metres ? low - 1 : Math.max(0, low);
}
