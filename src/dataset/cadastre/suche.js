// Adresssuche ohne Server: Anfang eines Namens genügt, ein bis zwei Tippfehler stören nicht.
//
//   import { suche } from "./suche.js";
//   const treffer = await suche("grabnstr 12a");
//   // [{ text: "Grabenstraße 12 a, Musterstadt", ost, nord, flstkennz, schluessel, fehler }]

/** Kleinbuchstaben, ohne Umlaute, Zeichen und die vielen Schreibungen von Straße. */
export function normal(text) {
  return text
    .toLowerCase()
    .replace(/ä/g, "ae").replace(/ö/g, "oe").replace(/ü/g, "ue").replace(/ß/g, "ss")
    .normalize("NFD").replace(/[\u0300-\u036f]/g, "")
    .replace(/stras?se\b|str\./g, "str")
    .replace(/[^a-z0-9]+/g, " ")
    .trim();
}

/** Kleinste Zahl von Tippfehlern (auch Vertauschungen), mit denen `word` zum Anfang von `name` wird; über `limit` bricht sie ab. */
export function errors(word, name, limit) {
  let before = null;
  let row = Array.from({ length: name.length + 1 }, (_, index) => index);
  for (let i = 1; i <= word.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= name.length; j += 1) {
      const swap = word[i - 1] === name[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + swap);
      if (before && word[i - 1] === name[j - 2] && word[i - 2] === name[j - 1]) {
        next[j] = Math.min(next[j], before[j - 2] + 1);
      }
    }
    if (Math.min(...next) > limit) {
      return limit + 1;
    }
    before = row;
    row = next;
  }
  return Math.min(...row);
}

/** Straßen zu einem Text, die besten zuerst: Anfang des Namens, Anfang eines Wortes, dann mit Tippfehlern. */
export function streets(index, text, count = 10) {
  const wanted = normal(text);
  if (!wanted) {
    return [];
  }
  const limit = wanted.length < 4 ? 0 : wanted.length < 8 ? 1 : 2;
  const found = [];
  index.strassen.forEach(([name, town], position) => {
    const whole = normal(name);
    const begins = [whole, ...whole.split(" ").slice(1).map((_, at) => whole.split(" ").slice(at + 1).join(" "))];
    let best = limit + 1;
    begins.forEach((begin, at) => {
      const wrong = errors(wanted, begin, limit);
      best = Math.min(best, wrong === 0 && at > 0 ? 0.5 : wrong);
    });
    // Auch mit dem Ort dahinter oder davor: "Grabenstraße Musterstadt". Der Ort allein ist keine Straße.
    const place = normal(town);
    best = Math.min(best, errors(wanted, `${whole} ${place}`, limit));
    if (wanted.length > place.length + 1) {
      best = Math.min(best, errors(wanted, `${place} ${whole}`, limit));
    }
    if (best <= limit) {
      const exact = [whole, `${whole} ${place}`, `${place} ${whole}`].includes(wanted);
      found.push({ position, errors: best, extra: Math.abs(whole.length - wanted.length), name, exact });
    }
  });
  found.sort((a, b) => a.errors - b.errors || a.extra - b.extra || a.name.localeCompare(b.name, "de"));
  return found.slice(0, count);
}

const kept = new Map();

async function load(path, base, read) {
  const address = new URL(path, base).href;
  if (!kept.has(address)) {
    kept.set(address, read ? read(address) : fetch(address).then((answer) => answer.json()));
  }
  return kept.get(address);
}

/** Zusatz einer Hausnummer zum Vergleich: "- 14 a" und "-14A" sind gleich. */
function compact(extra) {
  return extra.toLowerCase().replace(/\s+/g, "");
}

/** Wie ein Text gemeint sein kann, das Nächstliegende zuerst: "Straße 1 a", "Straße 12-14, Ort", "Straße Haus 3", nur Straße; zuletzt
 * ohne die Nummer. */
function readings(text) {
  const plain = text.replace(/\b\d{5}\b/g, " ").trim();
  const at = /^(.*?\D)[\s,]*?(\d+)((?:\s*[-/+]\s*\d+)?\s*[a-zA-Z]?)(?![a-zA-Z\d])[\s,]*(\D*)$/.exec(plain);
  const whole = { street: plain, number: null };
  if (!at) {
    return [whole];
  }
  const street = `${at[1]} ${at[4]}`;
  // Nummern, die nicht mit einer Zahl beginnen, stehen als 0 im Index.
  const words = at[1].trim().split(/\s+/);
  const named = words.slice(1).map((_, k) => {
    const name = words.slice(0, words.length - 1 - k);
    return { street: `${name.join(" ")} ${at[4]}`, number: 0, suffix: compact(words.slice(name.length).join(" ") + at[2] + at[3]) };
  });
  return [{ street, number: Number(at[2]), suffix: compact(at[3]) }, ...named, whole, { street, number: null }];
}

/** Adressen zu einem Text; die Straße, wenn es die Nummer nicht gibt. `base`: Ordner des Index; `read`: liest eine Adresse als JSON
 * (sonst `fetch`). */
export async function suche(text, { base = import.meta.url, count = 10, read = null } = {}) {
  const index = await load("strassen.json", base, read);
  for (const { street, number, suffix } of readings(text)) {
    const results = [];
    for (const hit of streets(index, street, count)) {
      const [name, town, key, , middle] = index.strassen[hit.position];
      const place = town ? `, ${town}` : "";
      const asStreet = { text: `${name}${place}`, ost: middle?.[0], nord: middle?.[1], schluessel: key, fehler: hit.errors };
      if (number === null) {
        results.push(asStreet);
        continue;
      }
      const file = String(Math.floor(hit.position / index.strassen_je_datei)).padStart(4, "0");
      const shard = await load(`nummern/${file}.json`, base, read);
      const before = results.length;
      for (const [house, extra, at, parcel] of shard[hit.position % index.strassen_je_datei]) {
        if (house === number && (!suffix || compact(extra) === suffix)) {
          const gap = /^[-/+]\S/.test(extra) ? "" : " ";
          const label = `${name} ${house === 0 ? extra : `${house}${gap}${extra}`.trim()}${place}`;
          results.push({ text: label, ost: at?.[0], nord: at?.[1], flstkennz: parcel, schluessel: key, fehler: hit.errors });
        }
      }
      // Die Straße heißt so, hat aber die Nummer nicht: sie selbst, eher als eine ähnliche mit der Nummer.
      if (hit.exact && number > 0 && results.length === before) {
        results.push(asStreet);
      }
    }
    if (results.length > 0) {
      return results.slice(0, count);
    }
  }
  return [];
}
