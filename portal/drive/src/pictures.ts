// Pictures of the frames: decoded before they are shown, so that nothing flickers, and fetched before they are needed.

import type { Frame } from "./data";

export type Size = "thumb" | "sd" | "hd";

/** Decoded pictures that are kept: of the whole ones each fills 100 MB. */
const KEPT: Record<Size, number> = { thumb: 40, sd: 16, hd: 2 };

export class Pictures {
    private readonly kept: Record<Size, Map<string, Promise<HTMLImageElement>>> = { thumb: new Map(), sd: new Map(), hd: new Map() };
    private readonly ready = new Map<string, HTMLImageElement>();

    /** The picture, decoded. */
    load(frame: Frame, size: Size): Promise<HTMLImageElement> {
        const address = frame[size];
        const kept = this.kept[size];
        const known = kept.get(address);
        const picture = known ?? this.fetch(address);
        kept.delete(address);
        kept.set(address, picture);
        picture.catch(() => kept.delete(address));
        for (const [oldest, image] of kept) {
            if (kept.size <= KEPT[size]) break;
            kept.delete(oldest);
            this.ready.delete(oldest);
            // One that is still on its way gives its place to those that are needed now.
            image.then(undefined, () => undefined);
        }
        return picture;
    }

    /** The best panorama that can be shown at once; a thumb is none, it shows only what is ahead. */
    atHand(frame: Frame): [Size, HTMLImageElement] | null {
        for (const size of ["hd", "sd"] as const) {
            const image = this.ready.get(frame[size]);
            if (image) return [size, image];
        }
        return null;
    }

    private async fetch(address: string): Promise<HTMLImageElement> {
        const image = new Image();
        image.decoding = "async";
        image.src = address;
        await image.decode();
        this.ready.set(address, image);
        return image;
    }
}
